"""The picture of the benchmarks: ratios beside their targets, and how times grow."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.timing import Growth, Judged
from workflow_scripts.support.atomic import atomic_path
from workflow_scripts.support.plotting import COLOURS, GREY, PAGE_WIDTH, STYLE, few_log_ticks, line_style


def draw(judged: Sequence[Judged], growths: Sequence[Growth]) -> Figure:
    """Left all numbers without a unit, from those that must be reached to those that must not be exceeded; right the growths."""
    ratios = sorted((each for each in judged if not each.unit), key=lambda each: -each.at_least)
    matplotlib.rcParams.update(STYLE)
    height = 1.2 + 0.17 * max(len(ratios), 2 * len(growths))
    figure = Figure(figsize=(1.3 * PAGE_WIDTH, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    draw_ratios(left, ratios)
    draw_growths(right, growths)
    figure.legend(handles=key(), loc="outside lower left", ncols=3)
    return figure


def draw_ratios(axes: Axes, ratios: Sequence[Judged]) -> None:
    """A row for each: the measured value, filled where the target is met, and the target."""
    for row, each in enumerate(ratios):
        axes.plot([each.target, each.value], [row, row], color=GREY, linewidth=0.6)
        axes.plot(each.target, row, color=GREY, marker="|", markersize=9)
        axes.plot(each.value, row, color=COLOURS[0], marker="o", markerfacecolor=COLOURS[0] if each.met else "white")
    names = [f"{each.name} ({'≥' if each.at_least else '≤'} {each.target:g})" for each in ratios]
    axes.set(xscale="log", xlabel="ratio of times or memories", yticks=range(len(ratios)), yticklabels=names)
    axes.invert_yaxis()
    few_log_ticks(axes)


def draw_growths(axes: Axes, growths: Sequence[Growth]) -> None:
    """A line for each, relative to its smallest size, with the exponent in the legend."""
    for number, each in enumerate(growths):
        x = [size / each.sizes[0] for size in each.sizes]
        y = [time / each.seconds[0] for time in each.seconds]
        axes.plot(x, y, label=f"{each.what}, {each.size}: {each.exponent:.2f} ± {each.standard_error:.2f}", **line_style(number))
    axes.set(xscale="log", yscale="log", xlabel="size relative to the smallest", ylabel="time relative to the smallest")
    few_log_ticks(axes)
    axes.legend(title="time of, with: exponent", loc="upper left", bbox_to_anchor=(1, 1))


def key() -> list[Line2D]:
    """What the marks of the left panel are."""
    entries = (("target met", "o", COLOURS[0]), ("target missed", "o", "white"), ("target", "|", GREY))
    return [
        Line2D(
            [], [], linestyle="none", marker=marker, color=GREY if marker == "|" else COLOURS[0], markerfacecolor=fill, label=name
        )
        for name, marker, fill in entries
    ]


def save(figure: Figure, path: Path) -> None:
    """Write the picture, whole or not at all; the same figure gives the same bytes."""
    with atomic_path(path) as partial:
        figure.savefig(partial, format="svg", metadata={"Date": None})
