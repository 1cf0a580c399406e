"""A figure with its aim, and the table of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

BEGIN = "<!-- figures: written by python -m benchmarks -->"
END = "<!-- end of figures -->"


@dataclass(frozen=True)
class Row:
    """``figure`` is a ratio or a count, with its unit where it has one; a time, or memory, only where that is
    what is aimed at. ``met`` is None where nothing is."""

    what: str
    figure: str
    aim: str = ""
    met: bool | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def at_most(what: str, figure: float, most: float, unit: str = "") -> Row:
    """A row whose figure is aimed at not being more than ``most``."""
    return Row(what, written(figure, unit), f"≤ {written(most, unit)}", figure <= most)


def at_least(what: str, figure: float, least: float, unit: str = "") -> Row:
    """A row whose figure is aimed at not being less than ``least``."""
    return Row(what, written(figure, unit), f"≥ {written(least, unit)}", figure >= least)


def written(figure: float, unit: str = "") -> str:
    """With as many digits as say something."""
    if isinstance(figure, int) or abs(figure) >= 100 or float(figure).is_integer():
        number = f"{figure:,.0f}"
    else:
        number = f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.1f}"
    return f"{number} {unit}".strip()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that ``percent`` of them are not above."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(math.ceil(len(values) * percent / 100) - 1, 0)]


def ratio(one: float, other: float) -> float:
    """How many times ``other`` goes into ``one``; infinite where that is nothing."""
    return one / other if other else math.inf


def table(sections: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """The rows of each benchmark, below each other."""
    lines = ["| | seen | aim | |", "|---|---|---|---|"]
    for title, rows in sections:
        lines.append(f"| **{title}** | | | |")
        for row in rows:
            mark = {True: "✓", False: "✗", None: ""}[row.met]
            lines.append(f"| {row.what} | {row.figure} | {row.aim} | {mark} |")
    return "\n".join(lines)


def put_between_marks(text: str, figures: str) -> str:
    """``text`` with ``figures`` in the place of what stands between the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The marks {BEGIN} and {END} are missing.")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"
