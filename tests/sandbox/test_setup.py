"""setup_sandbox, settings and pages of the sandbox shop."""

import io
import sqlite3
from contextlib import closing
from email import message_from_bytes, policy

import pytest
from django.core.mail import EmailMultiAlternatives

pytestmark = pytest.mark.e2e

VISIT = """
from django.test import Client
client = Client(SERVER_NAME="127.0.0.1")
for address in {addresses}:
    answer = client.get(address)
    pods = b"" if answer.streaming else answer.content
    print(answer.status_code, pods.count(b'class="product_pod"'), answer.get("Location", "-"))
"""


def rows(sandbox):
    with closing(sqlite3.connect(sandbox.var / "db.sqlite3")) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in tables.fetchall()
        }


def visit(sandbox, *addresses, **variables):
    return [line.split() for line in sandbox.python(VISIT.format(addresses=addresses), **variables)]


def test_setup_tells_the_accounts(fresh):
    assert "12 products (12 new)" in fresh.first
    assert "customer@example.com  customer-demo" in fresh.first
    assert "staff@example.com  staff-demo" in fresh.first


def test_every_product_has_a_picture_of_its_own(fresh):
    pictures = list((fresh.var / "media" / "products").iterdir())
    assert len({picture.read_bytes() for picture in pictures}) == 12


def test_setup_again_duplicates_and_loses_nothing(fresh):
    with closing(sqlite3.connect(fresh.var / "db.sqlite3")) as database, database:
        database.execute(
            "UPDATE partner_stockrecord SET num_in_stock = 7 WHERE partner_sku = 'mug'"
        )
    (fresh.var / "media" / "products" / "mug.png").unlink()
    before = rows(fresh)

    # From its own folder this time, as people also do.
    again = fresh.run("manage.py", "setup_sandbox", cwd=fresh.var)

    assert again.returncode == 0, again.stderr
    assert "12 products (0 new)" in again.stdout
    assert rows(fresh) == before
    assert (fresh.var / "media" / "products" / "mug.png").exists()
    with closing(sqlite3.connect(fresh.var / "db.sqlite3")) as database:
        stock = database.execute(
            "SELECT num_in_stock FROM partner_stockrecord WHERE partner_sku = 'mug'"
        )
        assert stock.fetchone() == (7,)


def test_front_page_shows_the_goods_with_debug_off(fresh):
    front, catalogue, static, media = visit(
        fresh,
        "/",
        "/catalogue/",
        "/static/oscar/css/styles.css",
        "/media/products/tea.png",
        SANDBOX_DEBUG="0",
    )
    assert front == ["302", "0", "/catalogue/"]
    assert catalogue == ["200", "12", "-"]
    assert static[0] == media[0] == "200"


def test_shop_with_language_prefixes(fresh):
    bare, prefixed = visit(fresh, "/catalogue/", "/de/catalogue/", SANDBOX_I18N_PATTERNS="1")
    assert bare == ["302", "0", "/en/catalogue/"]
    assert prefixed == ["200", "12", "-"]


def test_shop_that_shows_nothing_to_strangers(fresh):
    pytest.importorskip("django", minversion="5.1")
    catalogue, signing_in = visit(
        fresh, "/catalogue/", "/accounts/login/", SANDBOX_LOGIN_REQUIRED="1"
    )
    assert catalogue == ["302", "0", "/accounts/login/?next=/catalogue/"]
    assert signing_in[0] == "200"


def test_order_numbers_of_letters(fresh):
    number, order_model = fresh.python(
        "from oscar.core.loading import get_class, get_model\n"
        "basket = get_model('basket', 'Basket')(id=7)\n"
        "print(get_class('order.utils', 'OrderNumberGenerator')().order_number(basket))\n"
        "print(get_model('order', 'Order').objects.count())",
        SANDBOX_ORDER_NUMBERS="letters",
        SANDBOX_NO_PIPELINE="1",
        SANDBOX_ATOMIC_REQUESTS="1",
    )
    assert number.startswith("CS-")
    assert number[3:].isalpha()
    assert order_model == "0"


@pytest.mark.parametrize("script", ["manage.py", "serve.py"])
def test_a_missing_variable_is_named(empty, script):
    done = empty.run(
        script,
        "check",
        REHIVE_API_URL="https://rehive.example.com/api/",
        REHIVE_PAYMENT_REQUESTS_URL="https://requests.example.com/api/",
        REHIVE_BUSINESS_ID="1",
        REHIVE_WEBHOOK_SECRET="s",
    )
    assert done.returncode == 1
    assert "REHIVE_TOKEN must be set too" in done.stderr
    assert "REHIVE_BUSINESS_ID must" not in done.stderr
    assert "Traceback" not in done.stderr


def test_mails_are_printed_and_kept(settings, tmp_path):
    from sandbox.shop.mail import EmailBackend

    settings.EMAIL_FILE_PATH = tmp_path / "mails"
    printed = io.StringIO()
    mail = EmailMultiAlternatives("Thank you", "It is paid.", "shop@example.com", ["a@example.com"])
    mail.attach_alternative("<p>It is paid.</p>", "text/html")

    EmailBackend(stream=printed).send_messages([mail, mail])

    assert printed.getvalue().count("Mail to a@example.com: Thank you") == 2
    assert "It is paid." in printed.getvalue()
    assert "<p>" not in printed.getvalue()
    kept = list(settings.EMAIL_FILE_PATH.iterdir())
    assert [file.suffix for file in kept] == [".eml", ".eml"]
    letter = message_from_bytes(kept[0].read_bytes(), policy=policy.default)
    assert letter["subject"] == "Thank you"
    assert letter.get_body(("html",)).get_content().strip() == "<p>It is paid.</p>"
