"""The sandbox shop for any WSGI server: sandbox.wsgi:application.

Whatever serves it with the real Rehive takes the known passwords away, should there be any.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")

application = get_wsgi_application()


def _close_the_known_accounts():
    from django.conf import settings

    from sandbox.shop import accounts

    if not settings.USES_SIMULATOR:
        accounts.close()


_close_the_known_accounts()
