"""The sandbox's shop, as a real one runs it: connections to the database are kept, and
mails go nowhere. A benchmark may ask for more in the environment:

BENCHMARK_SHARED_CACHE=1       a cache that all processes of the shop see
BENCHMARK_QUEUE=1              workers do the work, in a queue that is a table of the database
BENCHMARK_CALLS_PER_MINUTE=n   what the shop believes that Rehive lets it ask
BENCHMARK_MIDDLEWARE=none      no middleware at all
BENCHMARK_URLS=…               another URLconf
"""

import os

from sandbox.settings import *
from sandbox.settings import DATABASES, INSTALLED_APPS, OSCAR_REHIVE

DATABASES["default"]["CONN_MAX_AGE"] = 600
OSCAR_REHIVE["CALLS_PER_MINUTE"] = int(os.environ.get("BENCHMARK_CALLS_PER_MINUTE", 1_000_000))
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
if "BENCHMARK_SHARED_CACHE" in os.environ:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "benchmark_cache",
        }
    }
if "BENCHMARK_QUEUE" in os.environ:
    INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
if os.environ.get("BENCHMARK_MIDDLEWARE") == "none":
    MIDDLEWARE = []
ROOT_URLCONF = os.environ.get("BENCHMARK_URLS", "sandbox.urls")
