"""The settings of the quick suite: the sandbox's shop on SQLite in memory, and no address outside."""

import os

os.environ.setdefault("SANDBOX_VAR", "/tmp/oscar-rehive-tests")

from sandbox.settings import *  # noqa: E402,F403
from sandbox.settings import OSCAR_REHIVE as SANDBOX_REHIVE  # noqa: E402

OSCAR_REHIVE = {
    **SANDBOX_REHIVE,
    "API_URL": "http://127.0.0.1:9/business/",
    "PAYMENT_REQUESTS_URL": "http://127.0.0.1:9/payment-requests/",
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
