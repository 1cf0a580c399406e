"""The sandbox shop for any ASGI server: sandbox.asgi:application. See wsgi.py."""

import os
from concurrent.futures import ThreadPoolExecutor

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")

application = get_asgi_application()

# Can only be imported once the application has set Django up.
from sandbox.shop import accounts  # noqa: E402

# In a thread: a server may import this in its event loop, where Django refuses to touch the database.
with ThreadPoolExecutor(1) as thread:
    thread.submit(accounts.close_where_money_is_real).result()
