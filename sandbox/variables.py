"""The environment's variables, each read once: what is wrong with one is told with its name."""

import math
import os
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from sandbox.safety import is_one_host

HIGHEST_PORT = 65535


def text(name, default=""):
    return os.environ.get(name, "").strip() or default


def switch(name, default=False):
    value = text(name).lower()
    return value in {"1", "true", "yes", "on"} if value else default


def number(name, default, *, least, most=10**9):
    value = text(name, str(default))
    if not (value.isascii() and value.isdecimal() and least <= int(value) <= most):
        raise ImproperlyConfigured(f"{name} is {value!r}, but must be from {least} to {most}")
    return int(value)


def port(name, default):
    return number(name, default, least=1, most=HIGHEST_PORT)


def minutes(name, default):
    value = text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    # Of at most a year; "nan" is neither below nor above anything.
    if not 0 < number <= 366 * 24 * 60:
        raise ImproperlyConfigured(
            f"{name} is {value!r}, but must be minutes: above 0 and a year at most"
        )
    return number


def base_address(name, default):
    """http(s), one host and nothing behind it: the shop's pages are put there."""
    value = text(name, default).rstrip("/")
    try:
        parts = urlsplit(value)
        is_sound = (
            parts.scheme in {"http", "https"}
            and is_one_host(parts.hostname or "")
            and parts.port != 0
            and "@" not in parts.netloc
            and not (parts.path or parts.query or parts.fragment)
        )
    except ValueError:  # a port that is none, or half an IPv6 address
        is_sound = False
    if not is_sound:
        # A password in it is for nobody's eyes.
        shown = "has a user's name in it" if "@" in value else f"is {value!r}"
        raise ImproperlyConfigured(f"{name} {shown}, but must look like {default}")
    return value


def database(name, default):
    value = text(name, default)
    try:
        return dj_database_url.parse(value)
    except ValueError:
        # Not the error's own words: they may hold the password.
        raise ImproperlyConfigured(
            f"{name} must look like postgres://user:password@host:5432/name,"
            " mysql://user:password@host:3306/name or sqlite:////folder/file"
        ) from None
