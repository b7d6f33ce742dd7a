"""What figures of the operations of networks have in common: lines along their depth."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.depth_profiles import in_sequence, inside
from workflow_scripts.diffeo.run_averages import average_over_runs, dataset_with_most, initial, log10_with_error, trained
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    INITIAL,
    OPERATION_MARKERS,
    TRAINED,
    datasets_and_networks,
    label,
    legend_below,
    log_band,
    operation_handles,
    panels_by_network,
    plain_log_ticks,
)

FIRST: dict[str, Any] = {**INITIAL, "color": COLOURS[3], "markerfacecolor": "white"}
SECOND: dict[str, Any] = {**TRAINED, "color": COLOURS[0], "markerfacecolor": COLOURS[0]}
STATES: tuple[tuple[Callable[[xr.Dataset], xr.Dataset], dict[str, Any]], ...] = ((initial, FIRST), (trained, SECOND))
STATE_LINES = {"initialisation": FIRST, "trained": SECOND}
ROWS = {"D": "deformations $D_k$", "G": "noise $G_k$", "R": "$R_k = D_k/G_k$"}


class Column(NamedTuple):
    """What is drawn of one network: checkpoints of it (or none) for either line, averaged over seeds."""

    title: str
    first: xr.Dataset
    second: xr.Dataset


def networks_of_one_dataset(checkpoints: xr.Dataset) -> dict[str, xr.Dataset]:
    """Checkpoints of each network of the data set with most networks, in their order, by the titles of their panels."""
    chosen = checkpoints.isel(checkpoint=np.flatnonzero(checkpoints.dataset == dataset_with_most(checkpoints)))
    (dataset,), names = datasets_and_networks(chosen)
    return {f"{label(name)}\n{label(dataset)}": chosen.isel(checkpoint=np.flatnonzero(chosen.network == name)) for name in names}


def operation_figure(columns: Sequence[Column], lines: Mapping[str, dict[str, Any]]) -> Figure:
    """Rows D, G, R and a column for each network; lines are geometric means over seeds, bands one error.

    `lines` are names and styles of the two lines. Operations that are not in sequence are small and beside the line.
    """
    titles = [column.title for column in columns]
    figure, grid = panels_by_network(titles, [*ROWS.values()])
    for column, axes in zip(columns, grid, strict=True):
        for axis, quantity in zip(axes, ROWS, strict=True):
            for checkpoints, style in zip(column[1:], lines.values(), strict=True):
                if checkpoints.sizes["checkpoint"]:
                    draw_line(axis, checkpoints, quantity, style)
            axis.set_yscale("log")
            plain_log_ticks(axis.yaxis, (1.0, 3.0))
        axes[-1].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    kinds = {kind for column in columns for part in column[1:] for kind in part.operation.values.ravel().tolist()}
    legend_below(figure, legend_along_depth(kinds, lines))
    return figure


def draw_states(axis: Axes, checkpoints: xr.Dataset, quantity: str) -> None:
    """One quantity (checkpoint, layer) of one network along its depth, at initialisation and trained."""
    for select, style in STATES:
        selected = select(checkpoints)
        if selected.sizes["checkpoint"]:
            draw_line(axis, selected, quantity, style)


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


def line_handles(lines: Mapping[str, dict[str, Any]]) -> list[Line2D]:
    """Legend entries for lines, from their names and styles."""
    return [Line2D([], [], label=name, **{**style, "markerfacecolor": "none"}) for name, style in lines.items()]


def legend_along_depth(kinds: Collection[str], lines: Mapping[str, dict[str, Any]]) -> list[Line2D]:
    """Legend entries of lines by their style and of operations by their marker."""
    return [*line_handles(lines), *operation_handles(kinds)]
