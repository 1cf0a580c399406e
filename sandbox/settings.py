"""Settings of the sandbox shop. Everything that changes comes from the environment.

Rehive
    REHIVE_API_URL                Business service, e.g. https://business.services.rehive.com/api/
    REHIVE_PAYMENT_REQUESTS_URL   Payment Requests service
    REHIVE_TOKEN                  permanent API token of a manager or service user
    REHIVE_BUSINESS_ID            the business whose currency is SHOP_CURRENCY
    REHIVE_WEBHOOK_SECRET         shared secret of the webhook
    Without REHIVE_API_URL the shop is a demonstration: it talks to the simulator on this machine, with
    values that everybody can read, and is for this machine only. With it, the other four must be set
    too, and there are no accounts with known passwords (safety.py).

Shop
    SHOP_BASE_URL                 public base address, default http://127.0.0.1:8000
    SHOP_CURRENCY                 default USD
    DATABASE_URL                  default: an SQLite file in SANDBOX_VAR
    SANDBOX_VAR                   folder for database, mails, media and index, default sandbox/var
    SANDBOX_SECRET_KEY            Django's SECRET_KEY, default one made once and kept in SANDBOX_VAR;
                                  of 32 characters or more where others reach the shop
    SANDBOX_SIMULATOR_PORT        the simulator's port, default 8001
    SANDBOX_PAYMENT_WINDOW        minutes that an order waits for its payment, default 120
    SANDBOX_CALLS_PER_MINUTE      what Rehive lets the shop ask, default 150
    SANDBOX_DEBUG=0, =1           DEBUG off or on; default: on in a demonstration only

Switches that make the shop the way real shops are, for the tests
    SANDBOX_ATOMIC_REQUESTS=1     a database transaction around each request
    SANDBOX_I18N_PATTERNS=1       a language prefix (/en/, /de/) before every address
    SANDBOX_LOGIN_REQUIRED=1      LoginRequiredMiddleware (Django 5.1 or newer)
    SANDBOX_ANON_CHECKOUT=0       guests must sign in to check out
    SANDBOX_BEHIND_PROXY=1        https is recognised by the header X-Forwarded-Proto
    SANDBOX_NO_PIPELINE=1         no pipeline of order statuses, as Oscar has it by default
    SANDBOX_ORDER_NUMBERS=letters order numbers such as CS-RJXC, from a forked order app
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import django
from django.core.exceptions import ImproperlyConfigured
from oscar.defaults import *

from oscar_rehive.rehive.wire import is_loopback
from oscar_rehive.simulator.demo import DEMO_TOKEN, DEMO_WEBHOOK_SECRET
from sandbox import variables
from sandbox.safety import allowed_hosts, refuse_what_is_unsafe, secret_key
from sandbox.variables import switch

SANDBOX_DIR = Path(__file__).resolve().parent

VAR_DIR = Path(variables.text("SANDBOX_VAR", str(SANDBOX_DIR / "var"))).resolve()
try:
    # In it are customers, mails and the key: nobody else's to read.
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(f"SANDBOX_VAR can't be used as a folder: {error}") from error

SHOP_BASE_URL = variables.base_address("SHOP_BASE_URL", "http://127.0.0.1:8000")
SHOP_ADDRESS = urlsplit(SHOP_BASE_URL)
SHOP_IS_LOCAL = is_loopback(SHOP_ADDRESS.hostname)
SHOP_CURRENCY = variables.text("SHOP_CURRENCY", "USD")

# --- Rehive -------------------------------------------------------------------------------------

SIMULATOR_PORT = variables.port("SANDBOX_SIMULATOR_PORT", 8001)
DEMONSTRATION_BUSINESS_ID = "5a9d0b0e-7c3f-4f57-9a51-0d6c2f1b8e42"

USES_SIMULATOR = not variables.text("REHIVE_API_URL")
if USES_SIMULATOR:
    REHIVE = {
        "API_URL": f"http://127.0.0.1:{SIMULATOR_PORT}/business/",
        "PAYMENT_REQUESTS_URL": f"http://127.0.0.1:{SIMULATOR_PORT}/payment-requests/",
        "TOKEN": DEMO_TOKEN,
        "BUSINESS_ID": DEMONSTRATION_BUSINESS_ID,
        "WEBHOOK_SECRET": DEMO_WEBHOOK_SECRET,
    }
else:
    _keys = (
        "API_URL",
        "PAYMENT_REQUESTS_URL",
        "TOKEN",
        "BUSINESS_ID",
        "WEBHOOK_SECRET",
    )
    REHIVE = {key: variables.text(f"REHIVE_{key}") for key in _keys}
    _missing = [f"REHIVE_{key}" for key, value in REHIVE.items() if not value]
    if _missing:
        raise ImproperlyConfigured(
            f"REHIVE_API_URL is set, so {', '.join(_missing)} must be set too. "
            "Leave REHIVE_API_URL out to use the simulator on this machine."
        )

OSCAR_REHIVE = {
    **REHIVE,
    "BASE_URL": SHOP_BASE_URL,
    # In the demonstration everything that can wait for a person is to be seen.
    "LATE_PAYMENTS": "hold" if USES_SIMULATOR else "accept",
    "PAYMENT_WINDOW": timedelta(minutes=variables.minutes("SANDBOX_PAYMENT_WINDOW", 120)),
    "CALLS_PER_MINUTE": variables.number("SANDBOX_CALLS_PER_MINUTE", 150, least=10),
    "PAYMENT_METHODS": [
        "oscar_rehive.checkout.methods.Rehive",
        "sandbox.shop.methods.CashOnDelivery",
    ],
}

# --- Django -------------------------------------------------------------------------------------

DEBUG = switch("SANDBOX_DEBUG", default=USES_SIMULATOR)
SECRET_KEY = variables.text("SANDBOX_SECRET_KEY") or secret_key(VAR_DIR)
refuse_what_is_unsafe(SHOP_BASE_URL, SHOP_ADDRESS.hostname, USES_SIMULATOR, DEBUG, SECRET_KEY)
ALLOWED_HOSTS = allowed_hosts(SHOP_ADDRESS.hostname, USES_SIMULATOR)
CSRF_TRUSTED_ORIGINS = [f"{SHOP_ADDRESS.scheme}://{SHOP_ADDRESS.netloc}"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SHOP_ADDRESS.scheme == "https"
if switch("SANDBOX_BEHIND_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

ROOT_URLCONF = "sandbox.urls"
WSGI_APPLICATION = "sandbox.wsgi.application"
SITE_ID = 1
LETTER_ORDER_NUMBERS = variables.text("SANDBOX_ORDER_NUMBERS") == "letters"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.sites",
    "django.contrib.flatpages",
    # Before Oscar, so that its templates are found first.
    "sandbox.shop",
    "oscar_rehive",
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar_rehive.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "sandbox.forked_order.apps.OrderConfig"
    if LETTER_ORDER_NUMBERS
    else "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar_rehive.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "sorl.thumbnail",
    "django_tables2",
]
if LETTER_ORDER_NUMBERS:
    # The fork changes no table, so both ways of numbering can share one database.
    MIGRATION_MODULES = {"order": "oscar.apps.order.migrations"}

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
LOGIN_REQUIRED = switch("SANDBOX_LOGIN_REQUIRED")
if LOGIN_REQUIRED:
    if django.VERSION < (5, 1):
        raise ImproperlyConfigured("SANDBOX_LOGIN_REQUIRED needs Django 5.1 or newer")
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    )

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "oscar.apps.search.context_processors.search_form",
                "oscar.apps.checkout.context_processors.checkout",
                "oscar.apps.communication.notifications.context_processors.notifications",
                "oscar.core.context_processors.metadata",
            ],
        },
    }
]

AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "customer:login"
LOGIN_REDIRECT_URL = "/"

DATABASES = {
    "default": variables.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}"),
}
DATABASES["default"]["ATOMIC_REQUESTS"] = switch("SANDBOX_ATOMIC_REQUESTS")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    _options = DATABASES["default"].setdefault("OPTIONS", {})
    _options["timeout"] = 20
    if django.VERSION >= (5, 1):
        # Two deferred transactions that both come to write end in "database is locked" at once,
        # whatever the timeout; immediate ones queue.
        _options["transaction_mode"] = "IMMEDIATE"
        _options["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

I18N_PATTERNS = switch("SANDBOX_I18N_PATTERNS")
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")] if I18N_PATTERNS else [("en", "English")]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = VAR_DIR / "media"
# Serve from the packages themselves: no collectstatic before the first page, DEBUG or not.
WHITENOISE_USE_FINDERS = True

EMAIL_BACKEND = "sandbox.shop.mail.EmailBackend"
EMAIL_FILE_PATH = VAR_DIR / "mails"
DEFAULT_FROM_EMAIL = "shop@example.com"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": "INFO"} for name in ("oscar", "oscar_rehive", "sandbox")},
        # Without Django's own handler, which with DEBUG on says everything a second time.
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "oscar.alerts": {"level": "WARNING"},
        # Says so each time that a browser asks for more than one picture at once.
        "waitress.queue": {"level": "ERROR"},
    },
}

# --- Oscar --------------------------------------------------------------------------------------

OSCAR_SHOP_NAME = "The Corner Shop"
OSCAR_SHOP_TAGLINE = f"Sandbox – {'no real money' if USES_SIMULATOR else 'payments are real'}"
OSCAR_FROM_EMAIL = DEFAULT_FROM_EMAIL
OSCAR_URL_SCHEMA = SHOP_ADDRESS.scheme
OSCAR_DEFAULT_CURRENCY = SHOP_CURRENCY
OSCAR_ALLOW_ANON_CHECKOUT = switch("SANDBOX_ANON_CHECKOUT", default=True)
OSCAR_IMAGE_FOLDER = "products/"
OSCAR_HIDDEN_FEATURES = ["reviews"]
# Whoosh counts no price ranges, and a dozen products need no filters.
OSCAR_SEARCH_FACETS = {"fields": {}, "queries": {}}

if not switch("SANDBOX_NO_PIPELINE"):
    OSCAR_INITIAL_ORDER_STATUS = OSCAR_INITIAL_LINE_STATUS = "Pending"
    OSCAR_ORDER_STATUS_PIPELINE = OSCAR_LINE_STATUS_PIPELINE = {
        "Pending": ("Being processed", "Cancelled"),
        "Being processed": ("Complete", "Cancelled"),
        "Complete": (),
        "Cancelled": (),
    }
    OSCAR_ORDER_STATUS_CASCADE = {
        "Being processed": "Being processed",
        "Complete": "Complete",
        "Cancelled": "Cancelled",
    }
    OSCAR_REHIVE["ORDER_STATUS"] = {
        "pending": "Pending",
        "paid": "Being processed",
        "cancelled": "Cancelled",
    }

HAYSTACK_CONNECTIONS = {
    # Oscar's catalogue pages read from the index: with the "simple" backend they show nothing.
    "default": {
        "ENGINE": "haystack.backends.whoosh_backend.WhooshEngine",
        "PATH": str(VAR_DIR / "index"),
        "INCLUDE_SPELLING": False,
    }
}
