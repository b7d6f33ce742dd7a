"""The picture of the benchmarks: ratios beside their targets, and how times grow."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.timing import Growth, Judged
from workflow_scripts.support.atomic import atomic_path
from workflow_scripts.support.plotting import COLOURS, GREY, PAGE_WIDTH, STYLE, few_log_ticks, line_style, plain_log_ticks


def draw(judged: Sequence[Judged], growths: Sequence[Growth]) -> Figure:
    """Left ratios (what has no unit), above those to be reached and below those not to be exceeded; right growths."""
    ratios = [each for each in judged if not each.unit]
    parts = [[each for each in ratios if each.at_least is at_least] for at_least in (True, False)]
    matplotlib.rcParams.update(STYLE)
    height = 2.0 + 0.17 * len(ratios) + 0.09 * len(growths)
    figure = Figure(figsize=(1.3 * PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplot_mosaic([["reached", "growth"], ["exceeded", "growth"]], height_ratios=[len(part) + 1 for part in parts])
    draw_ratios(axes["reached"], parts[0])
    draw_ratios(axes["exceeded"], parts[1])
    axes["exceeded"].set_xlabel("ratio of times or of memories")
    lines = draw_growths(axes["growth"], growths)
    figure.legend(handles=key(), loc="outside lower left")
    figure.legend(handles=lines, loc="outside lower right", ncols=2, title="time of what, with what, to which power")
    return figure


def draw_ratios(axes: Axes, ratios: Sequence[Judged]) -> None:
    """A row for each: the measured value, filled where the target is met, and the target."""
    for row, each in enumerate(ratios):
        axes.plot([each.target, each.value], [row, row], color=GREY, linewidth=0.6)
        axes.plot(each.target, row, color=GREY, marker="|", markersize=9)
        axes.plot(each.value, row, color=COLOURS[0], marker="o", markerfacecolor=COLOURS[0] if each.met else "white")
    names = [f"{each.name} ({'≥' if each.at_least else '≤'} {each.target:g})" for each in ratios]
    axes.set(xscale="log", yticks=range(len(ratios)), yticklabels=names, ylim=(len(ratios) - 0.5, -0.5))
    wide = any(each.at_least for each in ratios)
    plain_log_ticks(axes.xaxis, (1.0,) if wide else (1.0, 1.2, 1.5, 2.0, 3.0, 5.0))


def draw_growths(axes: Axes, growths: Sequence[Growth]) -> list[Line2D]:
    """A line for each, relative to its smallest size, labelled with the exponent."""
    lines = []
    for number, each in enumerate(growths):
        x = [size / each.sizes[0] for size in each.sizes]
        y = [time / each.seconds[0] for time in each.seconds]
        label = f"{each.what}, {each.size}: {each.exponent:.2f} ± {each.standard_error:.2f}"
        lines += axes.plot(x, y, label=label, **line_style(number))
    axes.set(xscale="log", yscale="log", xlabel="size relative to the smallest", ylabel="time relative to the smallest")
    few_log_ticks(axes)
    return lines


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
