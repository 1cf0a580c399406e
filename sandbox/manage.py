#!/usr/bin/env python
"""Django's commands for the sandbox shop, from any folder."""

import os
import sys
from pathlib import Path


def main():
    # In place of this folder, where "shop" and "settings" would be importable under a second name.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")

    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018
    except ImproperlyConfigured as error:
        sys.exit(f"The sandbox shop can't start: {error}")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
