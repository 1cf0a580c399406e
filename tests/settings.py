"""The settings of the tests: the sandbox's shop on SQLite, or on ``DATABASE_URL`` (tests/with_postgres.py),
and no address outside this machine."""

import os
import tempfile

os.environ.setdefault("SANDBOX_VAR", os.path.join(tempfile.gettempdir(), "oscar-rehive-tests"))

from sandbox.settings import *  # noqa: F403
from sandbox.settings import INSTALLED_APPS as SANDBOX_APPS
from sandbox.settings import OSCAR_REHIVE as SANDBOX_REHIVE

# For its table: tests/queue/ puts it into TASKS.
INSTALLED_APPS = [*SANDBOX_APPS, "django_tasks_db"]

# Port 9 is "discard": nothing answers there, so a test that reaches out by mistake fails at once.
OSCAR_REHIVE = {
    **SANDBOX_REHIVE,
    "API_URL": "http://127.0.0.1:9/business/",
    "PAYMENT_REQUESTS_URL": "http://127.0.0.1:9/payment-requests/",
    # The plugin's own default; the demonstration has everything wait for a person.
    "LATE_PAYMENTS": "accept",
    # A minute of tests is a busy one; tests/payments/test_budget.py is about shops that have less.
    "CALLS_PER_MINUTE": 1_000_000,
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
# Each test client would look through all static files of the shop, which took a tenth of the suite's time.
WHITENOISE_AUTOREFRESH = True
