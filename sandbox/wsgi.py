"""The sandbox shop for any WSGI server: sandbox.wsgi:application.

Whatever serves it with the real Rehive takes the known passwords away, should there be any.
"""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sandbox.settings")

application = get_wsgi_application()

# Can only be imported once the application has set Django up.
from sandbox.shop import accounts  # noqa: E402

accounts.close_where_money_is_real()
