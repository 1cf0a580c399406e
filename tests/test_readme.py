"""The README tells the truth: its tables are compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

from oscar_rehive import checks, conf
from oscar_rehive.models import Attention
from oscar_rehive.payments.meanings import MEANINGS
from sandbox.shop import accounts

README = (Path(__file__).parent.parent / "README.md").read_text()


def status_table() -> str:
    """The README's status table, rendered from the code."""
    rows = [
        f"| `{status.value}` | {meaning.attempt.label} | {meaning.order} |"
        for status, meaning in MEANINGS.items()
    ]
    return "\n".join(
        [
            "| status at Rehive | the attempt | the order |",
            "|---|---|---|",
            *rows,
            "| anything else | kept as it is | untouched; attention |",
        ]
    )


def test_the_status_table_is_the_codes() -> None:
    written = re.search(r"<!-- status table.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert written is not None
    assert written.group(1) == status_table()


def test_every_kind_of_attention_is_in_the_table_and_nothing_else() -> None:
    section = re.search(r"<!-- attention table.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert section is not None
    written = re.findall(r"^\| (.*?) \|", section.group(1), re.MULTILINE)[1:]
    assert written == [str(kind.label) for kind in Attention.Kind]


def test_every_check_is_in_the_table_and_nothing_else() -> None:
    section = re.search(r"<!-- table of checks.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert section is not None
    written = re.findall(r"^\| `(.*?)` \|", section.group(1), re.MULTILINE)
    told = re.findall(r'id="(oscar_rehive\.\w+)"', Path(checks.__file__).read_text())
    assert written == sorted(set(told))


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    section = README.split("## Settings")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    written = [key for cell in first_cells for key in re.findall(r"`([A-Z_]+)`", cell)]
    assert sorted(written) == sorted((*conf.BUSINESS_KEYS, *conf.SHOP_KEYS))


def test_the_sandbox_accounts_are_the_written_ones() -> None:
    assert f"`{accounts.CUSTOMER_EMAIL}` | `{accounts.CUSTOMER_PASSWORD}`" in README
    assert f"`{accounts.STAFF_EMAIL}` | `{accounts.STAFF_PASSWORD}`" in README


def test_pictures_and_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (Path(__file__).parent.parent / target).exists(), target
