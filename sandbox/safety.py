"""What the sandbox must not be: a shop on the internet that everybody can sign in to.

Without the real Rehive it is a demonstration, with accounts whose passwords everybody can read, and so
it stays on this machine. With it, it has none of them, no error pages for developers, and one name.
"""

import ipaddress
import os
import re
import secrets
import tempfile

from django.core.exceptions import ImproperlyConfigured

from oscar_rehive.rehive.wire import is_loopback

HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def is_one_host(host):
    """Not a pattern, which "*" and ".example.com" would be in ALLOWED_HOSTS."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return HOST.fullmatch(host) is not None
    return True


def allowed_hosts(host, demonstration):
    own = f"[{host}]" if ":" in host else host
    return list(dict.fromkeys([own, "localhost", "127.0.0.1", "[::1]"])) if demonstration else [own]


SHORTEST_KEY = 32


def refuse_what_is_unsafe(base_url, host, demonstration, debug, key):
    if is_loopback(host):
        return
    if demonstration:
        raise ImproperlyConfigured(
            f"SHOP_BASE_URL is {base_url}, where others can reach the shop, and without"
            " REHIVE_API_URL it is a demonstration: everybody can read the passwords of its"
            " accounts, and its payment page is on this machine only. Leave SHOP_BASE_URL out to"
            " try it here, or set REHIVE_API_URL and the other REHIVE_ variables for a shop with"
            " the real Rehive, which has no such accounts."
        )
    if debug:
        raise ImproperlyConfigured(
            f"SANDBOX_DEBUG is on and SHOP_BASE_URL is {base_url}: error pages would show the"
            " inside of the shop to strangers. Leave SANDBOX_DEBUG out."
        )
    if len(key) < SHORTEST_KEY:
        raise ImproperlyConfigured(
            f"SANDBOX_SECRET_KEY has less than {SHORTEST_KEY} characters and SHOP_BASE_URL is"
            f" {base_url}: whoever guesses it can sign in as anybody. Leave it out, and the shop"
            " makes its own and keeps it."
        )


def secret_key(folder):
    """The shop's own SECRET_KEY, made at the first start and kept for the owner's eyes only."""
    file = folder / "secret-key"
    if not file.exists():
        descriptor, part = tempfile.mkstemp(dir=folder)  # with 0600
        with os.fdopen(descriptor, "w") as writing:
            writing.write(secrets.token_urlsafe(48))
        try:
            # Of several processes that start at once, the first one's is everybody's.
            os.link(part, file)
        except FileExistsError:
            pass
        finally:
            os.unlink(part)
    return file.read_text().strip()
