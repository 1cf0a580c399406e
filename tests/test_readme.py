"""The README tells the truth: its tables are compared with the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oscar_rehive import checks, collecting, conf, numbers
from oscar_rehive.logs import Log, about
from oscar_rehive.models import Attention
from oscar_rehive.payments.meanings import MEANINGS
from sandbox.shop import accounts
from tests.dashboard.conftest import EVERYTHING
from tests.e2e.shops import template

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


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
    modules = Path(checks.__file__).parent.glob("checks*.py")
    told = [
        one for path in modules for one in re.findall(r'id="(oscar_rehive\.\w+)"', path.read_text())
    ]
    assert written == sorted(set(told))


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    section = README.split("## Settings")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    written = [key for cell in first_cells for key in re.findall(r"`([A-Z_]+)`", cell)]
    assert sorted(written) == sorted((*conf.BUSINESS_KEYS, *conf.SHOP_KEYS))


def test_every_number_is_in_the_table_and_nothing_else() -> None:
    section = re.search(r"<!-- table of numbers.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert section is not None
    written = {
        name: tuple(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(\w+)` \|(.*?)\|", section.group(1), re.MULTILINE)
    }
    counted = {
        name if isinstance(kind, numbers.Time) else f"{name}_total": kind.labels
        for name, kind in numbers.KINDS.items()
    }
    read = {name: labels for name, (_, labels) in collecting.GAUGES.items()}
    assert written == {**counted, **read}


def example(word: str) -> str:
    """The README's piece of Python with that word."""
    (found,) = (
        code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if word in code
    )
    return found


def test_the_formatter_of_the_readme_shows_what_records_are_about(caplog: Any) -> None:
    known: dict[str, Any] = {}
    exec(example("JsonFormatter"), known)
    with about(order_number="1001"):
        Log("oscar_rehive.somewhere").warning("It is %s.", "late")
    Log("oscar_rehive.somewhere").warning("Elsewhere.")

    within, outside = (json.loads(known["JsonFormatter"]().format(one)) for one in caplog.records)
    assert within == {"level": "WARNING", "message": "It is late.", "order_number": "1001"}
    assert outside == {"level": "WARNING", "message": "Elsewhere."}


def test_the_view_of_the_readme_tells_what_another_process_has_counted(
    shared_folder: Path, tmp_path: Path
) -> None:
    counts = "from oscar_rehive import numbers; numbers.count('requests_held_back')"
    shows = f"{example('MultiProcessCollector')}\nprint(numbers(None).content.decode())"
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATABASE_URL": f"sqlite:///{template(shared_folder) / 'db.sqlite3'}",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    for code in (counts, counts, shows):
        ran = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{code}"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr

    assert "\noscar_rehive_requests_held_back_total 2.0\n" in ran.stdout
    assert "\noscar_rehive_waiting_deliveries 0.0\n" in ran.stdout


@pytest.mark.django_db
def test_the_list_of_checks_can_be_had_as_the_readme_has_it(capsys: Any) -> None:
    exec(example("oscar_rehive.checkup"))

    assert "good settings The setting OSCAR_REHIVE" in capsys.readouterr().out


def test_the_sandbox_accounts_are_the_written_ones() -> None:
    assert f"`{accounts.CUSTOMER_EMAIL}` | `{accounts.CUSTOMER_PASSWORD}`" in README
    assert f"`{accounts.STAFF_EMAIL}` | `{accounts.STAFF_PASSWORD}`" in README


def test_pictures_and_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (Path(__file__).parent.parent / target).exists(), target


def test_every_right_is_in_the_table_and_nothing_else() -> None:
    section = re.search(r"<!-- table of rights.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert section is not None
    written = set(re.findall(r"`(oscar_rehive\.\w+)`", section.group(1)))
    assert written == set(EVERYTHING)
