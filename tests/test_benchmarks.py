"""The parts of the benchmarks that measure nothing: how figures are made and written."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES, README
from benchmarks.load import delivery
from benchmarks.rows import (
    BEGIN,
    END,
    Row,
    at_least,
    at_most,
    percentile,
    put_between_marks,
    ratio,
    table,
    written,
)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3.0], 99, 3.0), ([2.0, 1.0], 50, 1.0), (list(range(1, 101)), 99, 99), ([1, 2, 3], 100, 3)],
)
def test_percentile(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 99)


def test_ratio() -> None:
    assert ratio(3, 2) == 1.5
    assert ratio(3, 0) == math.inf


@pytest.mark.parametrize(
    ("figure", "unit", "expected"),
    [(0, "", "0"), (12345, "", "12,345"), (0.756, "×", "0.76 ×"), (17.52, "%", "17.5 %")],
)
def test_written(figure: float, unit: str, expected: str) -> None:
    assert written(figure, unit) == expected


def test_an_aim_is_met_or_missed() -> None:
    assert [at_most("x", one, 3, "×").met for one in (2.9, 3, 3.1)] == [True, True, False]
    assert [at_least("x", one, 0.75).met for one in (0.7, 0.75, 0.8)] == [False, True, True]


def test_table() -> None:
    rows = [at_most("calls", 61, 60), at_least("rate", 0.8, 0.75, "×"), Row("time", "3 ×")]
    assert table([("Some", rows)]).splitlines()[2:] == [
        "| **Some** | | | |",
        "| calls | 61 | ≤ 60 | ✗ |",
        "| rate | 0.80 × | ≥ 0.75 × | ✓ |",
        "| time | 3 × |  |  |",
    ]


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert put_between_marks(text, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="missing"):
        put_between_marks("no marks", "new")


def test_the_readme_has_the_marks_and_tells_of_each_benchmark() -> None:
    text = README.read_text()
    put_between_marks(text, "")
    assert all(f"| `{name}` |" in text for name in NAMES)


def test_a_delivery_has_the_wanted_size() -> None:
    head, _, body = delivery("/rehive/webhook/", {"id": "x"}, 2500).partition(b"\r\n\r\n")
    assert len(body) == 2500
    assert b"Content-Length: 2500" in head
    assert json.loads(body)["data"] == {"id": "x"}


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_can_be_run(name: str) -> None:
    benchmark = import_module(f"benchmarks.{name}")
    assert benchmark.TITLE
    assert type(benchmark.FULL) is type(benchmark.QUICK)
    assert callable(benchmark.measure)
    assert Path(benchmark.__file__).read_text().count("\n") <= 400


def test_the_shop_without_the_plugin_has_nothing_of_it() -> None:
    """A part of it that stayed kept that shop from starting."""
    said = subprocess.run(
        [
            *(sys.executable, "-c"),
            "from benchmarks.settings_of_oscar import INSTALLED_APPS as apps; print(*apps, sep='\\n')",
        ],
        cwd=README.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "oscar.apps.dashboard.apps.DashboardConfig" in said
    assert "oscar_rehive" not in said
