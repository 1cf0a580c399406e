"""The accounts of the demonstration. Known to everybody, so never for a shop on the internet."""

from django.conf import settings
from django.contrib.auth import get_user_model

CUSTOMER_EMAIL = "customer@example.com"
CUSTOMER_PASSWORD = "customer-demo"
STAFF_EMAIL = "staff@example.com"
STAFF_PASSWORD = "staff-demo"

PASSWORDS = {CUSTOMER_EMAIL: CUSTOMER_PASSWORD, STAFF_EMAIL: STAFF_PASSWORD}
HOW_TO_MAKE_STAFF = ".venv/bin/python sandbox/manage.py createsuperuser"


def close():
    """Take the known passwords away, where an earlier demonstration has left them; which end with
    the sessions that were begun with them. Returns the addresses."""
    closed = []
    for user in get_user_model().objects.filter(email__in=PASSWORDS):
        if user.check_password(PASSWORDS[user.email]):
            user.set_unusable_password()
            user.save(update_fields=["password"])
            closed.append(user.email)
    return closed


def close_where_money_is_real():
    """For whatever serves the shop with the real Rehive."""
    if not settings.USES_SIMULATOR:
        close()


def reopen():
    """Give them back to the demonstration, where ``close`` took them."""
    for user in get_user_model().objects.filter(email__in=PASSWORDS):
        if not user.has_usable_password():
            user.set_password(PASSWORDS[user.email])
            user.save(update_fields=["password"])


def somebody_is_staff():
    staff = get_user_model().objects.filter(is_staff=True, is_active=True)
    return any(user.has_usable_password() for user in staff)
