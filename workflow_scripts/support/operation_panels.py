"""Pictures of D, G and R after each operation: a column for each network, two lines in it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.depth_profiles import in_sequence, inside
from workflow_scripts.diffeo.run_averages import average_over_runs, log10_with_error
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    INITIAL,
    OPERATION_MARKERS,
    PAGE_WIDTH,
    TRAINED,
    legend_below,
    log_band,
    operation_handles,
    panels,
    plain_log_ticks,
)

ROWS = {"D": "deformations $D_k$", "G": "noise $G_k$", "R": "$R_k = D_k/G_k$"}
COLUMNS = 4  # networks beside each other; more are drawn below
FIRST: dict[str, Any] = {**INITIAL, "color": COLOURS[3], "markerfacecolor": "white"}
SECOND: dict[str, Any] = {**TRAINED, "color": COLOURS[0], "markerfacecolor": COLOURS[0]}


class Column(NamedTuple):
    """What is drawn of one network: checkpoints of it (or none) for either line, averaged over seeds."""

    title: str
    first: xr.Dataset
    second: xr.Dataset


def operation_figure(columns: Sequence[Column], lines: Mapping[str, dict[str, Any]]) -> Figure:
    """Rows D, G, R and a column for each network; lines are geometric means over seeds, bands one error.

    `lines` are names and styles of the two lines. Operations that are not in sequence are small and beside the line.
    """
    across = min(COLUMNS, len(columns))
    blocks = -(-len(columns) // across)
    width = PAGE_WIDTH if across > 1 else PAGE_WIDTH / 2
    figure, grid = panels(len(ROWS) * blocks, across, width=width, row_height=1.6, sharex=True, sharey="row")
    by_network = grid.reshape(blocks, len(ROWS), across).swapaxes(1, 2).reshape(-1, len(ROWS))
    for place, (column, axes) in enumerate(zip(columns, by_network, strict=False)):
        for axis, (quantity, name) in zip(axes, ROWS.items(), strict=True):
            for checkpoints, style in zip(column[1:], lines.values(), strict=True):
                if checkpoints.sizes["checkpoint"]:
                    draw_line(axis, checkpoints, quantity, style)
            axis.set(yscale="log", xlim=(-0.04, 1.04), ylabel="" if place % across else name)
        axes[0].set_title(column.title)
        axes[-1].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes[-1].set_xlabel("relative depth")
        axes[-1].xaxis.set_tick_params(labelbottom=True)
    for axis in by_network[len(columns) :].ravel():
        axis.remove()
    for axis in grid[:, 0]:
        plain_log_ticks(axis.yaxis, (1.0, 3.0))
    kinds = {kind for column in columns for part in column[1:] for kind in part.operation.values.ravel().tolist()}
    names = [Line2D([], [], label=name, **{**style, "markerfacecolor": "none"}) for name, style in lines.items()]
    legend_below(figure, [*names, *operation_handles(kinds)])
    return figure


def draw_line(axis: Axes, checkpoints: xr.Dataset, quantity: str, style: dict[str, Any]) -> None:
    """One quantity of one network: a line through the operations in sequence, a marker for each operation."""
    (mean,) = average_over_runs(*log10_with_error(checkpoints[quantity], checkpoints[f"{quantity}_standard_error"])).values()
    first = checkpoints.isel(checkpoint=0)
    on_line = in_sequence(first.operation).values
    beside = inside(first.operation).values & ~on_line
    kinds, depth = first.operation.values, first.relative_depth.values
    value, error = mean.value.values, mean.standard_error.values
    log_band(axis, depth[on_line], value[on_line], error[on_line], **style)
    marked = {"color": style["color"], "markerfacecolor": style["markerfacecolor"], "linestyle": "none"}
    full = {"markersize": np.clip(90 / on_line.sum(), 2.6, 4), "markeredgewidth": 0.6}
    small = {"markersize": 1.5, "markeredgewidth": 0.4, "alpha": 0.5, "zorder": 1.5}
    for kind, marker in OPERATION_MARKERS.items():
        for drawn, size in ((on_line, full), (beside, small)):
            here = drawn & (kinds == kind)
            if here.any():
                axis.plot(depth[here], 10 ** value[here], marker, **marked, **size)
