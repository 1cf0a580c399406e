"""Mails are printed for whoever watches the console, and kept whole for everybody else."""

import os
import uuid
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.mail.backends.console import EmailBackend as ConsoleBackend

RULE = "-" * 79


class EmailBackend(ConsoleBackend):
    def write_message(self, message):
        kept = self.keep(message)
        # Only what a person reads: the HTML part and the MIME headers are in the file.
        self.stream.write(
            f"{RULE}\n"
            f"Mail to {', '.join(message.recipients())}: {message.subject}\n"
            f"(kept in {kept})\n\n"
            f"{message.body.strip()}\n"
            f"{RULE}\n"
        )

    def keep(self, message):
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{datetime.now():%Y%m%d-%H%M%S-%f}-{uuid.uuid4().hex[:6]}.eml"
        # Renamed when complete, because tests and people watch the folder.
        part = folder / f"{name}.part"
        part.write_bytes(message.message().as_bytes())
        os.replace(part, folder / name)
        return folder / name


class Keeping(EmailBackend):
    """Prints nothing."""

    def write_message(self, message):
        self.keep(message)
