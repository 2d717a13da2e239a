"""The two pictures of docs/benchmarks.md: posts a second, and how searches grow."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .plan import SATURATION
from .posts import ALONE, CEILING, FASTAPI, NAIVE, OURS, Posts
from .report import Findings
from .shapes import SEARCHES

_OURS: Final = "#2563eb"
_OTHERS: Final = "#9ca3af"
_SIZES: Final = ("#93c5fd", "#2563eb", "#1e3a8a")


def draw(findings: Findings, path: Path) -> None:
    """Write the plot as SVG, its text as text and the same bytes for the same findings."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "heliscore", "font.size": 9}):
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_posts(left, findings.posts)
        _draw_searches(right, findings)
        figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight")


def _draw_posts(axes: Axes, posts: Posts) -> None:
    names = (ALONE, CEILING, OURS, NAIVE, FASTAPI)[::-1]
    rates = [posts.loads[name, 1 if name == ALONE else SATURATION].posts_per_s for name in names]
    colors = [_OURS if name == OURS else _OTHERS for name in names]
    bars = axes.barh(names, rates, color=colors)
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=3)
    axes.set_title(f"Posts of five scores a second, {SATURATION} connections", loc="left")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_searches(axes: Axes, findings: Findings) -> None:
    height = 0.8 / len(findings.sizes)
    for number, size in enumerate(findings.sizes):
        readings = [findings.reading(shape, size) for shape in SEARCHES]
        places = [place + number * height for place in range(len(readings))]
        times = [reading.http.p50 if reading.http else 0 for reading in readings]
        axes.barh(places, times, height, color=_SIZES[number % len(_SIZES)], label=f"{size:,} requests")
        axes.scatter(
            [reading.sql.p50 for reading in readings],
            places,
            marker="|",
            color="black",
            zorder=3,
            label=None if number else "bare SQL",
        )
    axes.set_yticks(
        [place + 0.4 - height / 2 for place in range(len(SEARCHES))], [shape.name for shape in SEARCHES]
    )
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_title("Search over HTTP, p50 in ms", loc="left")
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    axes.spines[["top", "right"]].set_visible(False)
