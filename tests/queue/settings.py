"""A shop with workers, whose engine the environment names: settings alone, as the README tells them."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as TESTS_APPS
from tests.settings import OSCAR_REHIVE as TESTS_REHIVE

INSTALLED_APPS = [*TESTS_APPS, "django_rq"]
TASKS = {"default": {"BACKEND": os.environ["TESTS_BACKEND"]}}
RQ_QUEUES = {"default": {"URL": os.environ.get("TESTS_REDIS", "redis://127.0.0.1:9")}}
if "TESTS_REDIS" in os.environ:
    # RQ forks a process for each task: what one of them remembers by itself is lost with it.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["TESTS_REDIS"],
        }
    }

OSCAR_REHIVE = {
    **TESTS_REHIVE,
    "API_URL": os.environ["TESTS_API_URL"],
    "PAYMENT_REQUESTS_URL": os.environ["TESTS_PAYMENT_REQUESTS_URL"],
    "TOKEN": os.environ["TESTS_TOKEN"],
    "BUSINESS_ID": os.environ["TESTS_BUSINESS_ID"],
}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ["TESTS_MAILS"]
