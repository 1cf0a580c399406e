"""Bars as inline SVG, drawn on the server. The numbers stand in a table as well: a picture is to be looked at,
and its words are HTML, which grow and break where a screen is small. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 1000, 160
"""Units of the picture, which is stretched to the place that it gets."""

LOW = 48
"""Pixels of a picture that stands beside others; one that is by itself has as many as ``HEIGHT``."""

GREEN, RED, GREY, BLUE, AMBER = "#1e7e34", "#c82333", "#6c757d", "#117a8b", "#e0a030"


@dataclass(frozen=True)
class Bar:
    """What is drawn above each other for one day, week or month: ``ups`` above the line and ``downs`` below
    it, as (colour, amount of 0 or more); ``says`` is shown to who points at it."""

    says: str
    ups: Sequence[tuple[str, Decimal]]
    downs: Sequence[tuple[str, Decimal]] = ()


@dataclass(frozen=True)
class Rectangle:
    """A part of a bar. All numbers are texts, for a template would write them as its language does."""

    x: str
    y: str
    width: str
    height: str
    colour: str
    says: str


@dataclass(frozen=True)
class Chart:
    """``key`` makes its ids unique on the page, ``title`` and ``text`` say what is to be seen; ``legend`` is
    pairs of a colour and what it stands for; ``first`` and ``last`` stand below its ends."""

    key: str
    title: str
    text: str
    legend: Sequence[tuple[str, str]]
    first: str
    last: str
    rectangles: Sequence[Rectangle]
    line: str
    """Where nothing is, from the top."""
    pixels: int

    box = f"0 0 {WIDTH} {HEIGHT}"


def chart(
    bars: Sequence[Bar],
    *,
    key: str,
    title: str,
    text: str,
    legend: Sequence[tuple[str, str]] = (),
    first: str = "",
    last: str = "",
    pixels: int = HEIGHT,
) -> Chart:
    """The picture of ``bars``, the highest of which is as high as the picture."""
    high = max((_sum(one.ups) for one in bars), default=Decimal(0))
    low = max((_sum(one.downs) for one in bars), default=Decimal(0))
    scale = Decimal(HEIGHT) / ((high + low) or Decimal(1))
    line = high * scale
    step = Decimal(WIDTH) / max(len(bars), 1)
    # One of a thousand must be seen, too.
    least = Decimal(HEIGHT) / pixels
    drawn = []
    for number, bar in enumerate(bars):
        x, width = step * number + step / 10, step * 8 / 10
        at = line
        for colour, amount in bar.ups:
            if amount:
                height = max(amount * scale, least)
                at = max(at - height, Decimal(0))
                drawn.append(_rectangle(x, at, width, height, colour, bar.says))
        at = line
        for colour, amount in bar.downs:
            if amount:
                height = max(amount * scale, least)
                at = min(at, HEIGHT - height)
                drawn.append(_rectangle(x, at, width, height, colour, bar.says))
                at += height
    line = min(line, HEIGHT - least)  # else it would be below the picture
    return Chart(key, title, text, legend, first, last, drawn, _told(line), pixels)


def _rectangle(
    x: Decimal, y: Decimal, width: Decimal, height: Decimal, colour: str, says: str
) -> Rectangle:
    return Rectangle(_told(x), _told(y), _told(width), _told(height), colour, says)


def _told(number: Decimal) -> str:
    return f"{number:.1f}"


def _sum(parts: Sequence[tuple[str, Decimal]]) -> Decimal:
    return sum((amount for _colour, amount in parts), Decimal(0))
