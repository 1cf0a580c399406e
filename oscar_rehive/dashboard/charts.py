"""Small charts, as numbers for an SVG that is rendered on the server: bars that are stacked, and no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 48.0
STEP, WIDTH = 10.0, 8.0
"""From one bar to the next, and of a bar, in the SVG's own units."""

COLOURS = ("#4a77a8", "#e0a030")
"""Of the two series. Red is for what must be mended."""


@dataclass(frozen=True)
class Bar:
    """A rectangle in the SVG's own units; ``y`` is counted from above."""

    x: float
    y: float
    height: float
    colour: str


@dataclass(frozen=True)
class Chart:
    """``label`` tells those who cannot see it what it shows; ``begin`` and ``end`` stand under its ends, and
    ``names`` are those of the series with their colours."""

    label: str
    begin: str
    end: str
    bars: tuple[Bar, ...]
    width: float
    names: tuple[tuple[str, str], ...]
    height: float = HEIGHT
    bar_width: float = WIDTH


def chart(label: str, series: dict[str, Sequence[int]], *, begin: str, end: str) -> Chart | None:
    """The chart of one or two ``series`` of the same length by their names, the second one standing on the first;
    None where all is zero, and there is nothing to see."""
    names = tuple(zip(series, COLOURS, strict=False))
    columns = list(zip(*series.values(), strict=True))
    most = max((sum(column) for column in columns), default=0)
    if not most:
        return None
    bars = []
    for place, column in enumerate(columns):
        top = HEIGHT
        for value, (_, colour) in zip(column, names, strict=True):
            if value:
                # One of a thousand must be seen, too.
                height = max(1.0, round(value / most * HEIGHT, 2))
                top -= height
                bars.append(Bar(place * STEP, max(0.0, round(top, 2)), height, colour))
    return Chart(label, begin, end, tuple(bars), len(columns) * STEP, names)
