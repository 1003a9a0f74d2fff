"""Histograms as the few numbers that an SVG needs; bars stand side by side, whatever range each covers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sae_assets.web.models.base import Bar

WIDTH, HEIGHT, AXIS = 320, 96, 18
"""Of the picture in units of its viewBox, and of the labels under the bars."""
N_TICKS = 5


@dataclass(frozen=True)
class ChartBar:
    """One bar."""

    x: float
    """Left edge."""
    y: float
    """Upper edge."""
    width: float
    """Width."""
    height: float
    """Height; 0 where nothing is counted."""
    title: str
    """What it says when pointed at: "0.5 to 0.75: 12 features"."""
    link: str | None
    """Where a click leads."""


@dataclass(frozen=True)
class Tick:
    """A label under the bars."""

    x: float
    """Where."""
    text: str
    """What it says."""
    anchor: str
    """"start", "middle" or "end": which part of the text stands there."""


@dataclass(frozen=True)
class Chart:
    """A histogram."""

    label: str
    """What it shows, in words."""
    bars: list[ChartBar]
    """The bars from left to right."""
    ticks: list[Tick]
    """Labels from left to right."""
    top: int
    """The largest count."""
    is_log: bool
    """Whether heights grow with the logarithm of the count."""
    width: int = WIDTH
    """Of the viewBox."""
    height: int = HEIGHT
    """Of the viewBox."""


def histogram(
    bars: Sequence[Bar],
    label: str,
    unit: str,
    edge: Callable[[float], str] = "{:.3g}".format,
    link: Callable[[Bar], str] | None = None,
    *,
    is_log: bool = False,
) -> Chart:
    """The chart of some bars.

    Args:
        label: what it shows, for those who cannot see it.
        unit: what is counted: "features".
        edge: an edge as text.
        link: where a click on a bar leads.
        is_log: heights by log(1 + count), so that one large bar does not hide the rest.
    """
    top = max((bar.count for bar in bars), default=0)
    room = HEIGHT - AXIS
    step = WIDTH / max(len(bars), 1)
    gap = min(1.0, step * 0.15)
    drawn = []
    for place, bar in enumerate(bars):
        # A bar of one feature beside one of thousands must still be seen, and hit.
        height = max(_part(bar.count, top, is_log) * room, 2.0) if bar.count else 0.0
        title = f"{edge(bar.start)} to {edge(bar.stop)}: {bar.count:,} {unit}"
        target = link(bar) if link is not None and bar.count else None
        drawn.append(
            ChartBar(
                round(place * step, 2),
                round(room - height, 2),
                round(step - gap, 2),
                round(height, 2),
                title,
                target,
            )
        )
    return Chart(label, drawn, _ticks(bars, edge, step), top, is_log)


def _part(count: int, top: int, is_log: bool) -> float:
    return math.log1p(count) / math.log1p(top) if is_log else count / top


def _ticks(bars: Sequence[Bar], edge: Callable[[float], str], step: float) -> list[Tick]:
    if not bars:
        return []
    edges = [*(bar.start for bar in bars), bars[-1].stop]
    n_ticks = min(N_TICKS, len(edges))
    places = sorted({round(k * (len(edges) - 1) / (n_ticks - 1)) for k in range(n_ticks)})
    anchors = {places[0]: "start", places[-1]: "end"}
    return [Tick(round(place * step, 1), edge(edges[place]), anchors.get(place, "middle")) for place in places]
