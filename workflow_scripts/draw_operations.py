"""Draw D, G and R after each operation of deep networks, at initialisation and trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.diffeo.depth_profiles import SIMPLE, in_sequence, inside
from workflow_scripts.diffeo.run_averages import (
    at_strength,
    average_over_runs,
    dataset_with_most,
    initial,
    log10_with_error,
    trained,
)
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
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
    note_figure,
    operation_handles,
    panels_by_network,
    plain_log_ticks,
    save_figure,
    state_handles,
)

ROWS = {"D": "deformations $D_k$", "G": "noise $G_k$", "R": "$R_k = D_k/G_k$"}
STATES: tuple[tuple[Callable[[xr.Dataset], xr.Dataset], dict[str, Any]], ...] = (
    (initial, {**INITIAL, "color": COLOURS[3]}),
    (trained, {**TRAINED, "color": COLOURS[0]}),
)


def main(summary: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Draw at the displacement and interpolation of `settings`."""
    save_figure(draw(read_dataset(summary), settings), svg, png)


def draw(summary: xr.Dataset, settings: dict[str, Any]) -> Figure:
    """Rows D, G, R and a column for each deep network of one data set; lines are geometric means over seeds, bands one error."""
    chosen = at_strength(summary, **settings)
    chosen = chosen.isel(checkpoint=np.flatnonzero(~chosen.architecture.isin(SIMPLE)))
    if not chosen.sizes["checkpoint"]:
        return note_figure("Only fully connected networks and simple CNNs were measured.")
    chosen = chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset_with_most(chosen)))
    (dataset,), names = datasets_and_networks(chosen)
    figure, by_network = panels_by_network([f"{label(network)}\n{label(dataset)}" for network in names], list(ROWS.values()))
    for network, axes in zip(names, by_network, strict=True):
        checkpoints = chosen.isel(checkpoint=np.flatnonzero(chosen.network == network))
        for axis, quantity in zip(axes, ROWS, strict=True):
            draw_panel(axis, checkpoints, quantity)
            axis.set_yscale("log")
            plain_log_ticks(axis.yaxis, (1.0, 3.0))
        axes[-1].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    legend_below(figure, legend_entries(set(chosen.operation.values.ravel().tolist())))
    return figure


def draw_panel(axis: Axes, checkpoints: xr.Dataset, quantity: str) -> None:
    """One quantity of one network in both states; what is inside residual blocks is small and beside the line."""
    for select, style in STATES:
        selected = select(checkpoints)
        if not selected.sizes["checkpoint"]:
            continue
        (mean,) = average_over_runs(*log10_with_error(selected[quantity], selected[f"{quantity}_standard_error"])).values()
        first = selected.isel(checkpoint=[0])
        on_line = in_sequence(first.operation).values[0]
        beside = inside(first.operation).values[0] & ~on_line
        kinds, depth = first.operation.values[0], first.relative_depth.values[0]
        value, error = mean.value.values, mean.standard_error.values
        log_band(axis, depth[on_line], value[on_line], error[on_line], **style)
        colour = style["color"]
        face = "white" if select is initial else colour
        full = {"markersize": np.clip(90 / on_line.sum(), 2.6, 4), "markeredgewidth": 0.6, "markerfacecolor": face}
        small = {"markersize": 1.5, "markeredgewidth": 0.4, "markerfacecolor": face, "alpha": 0.5, "zorder": 1.5}
        for kind, marker in OPERATION_MARKERS.items():
            for drawn, size in ((on_line, full), (beside, small)):
                here = drawn & (kinds == kind)
                if here.any():
                    axis.plot(depth[here], 10 ** value[here], marker, color=colour, linestyle="none", **size)


def legend_entries(kinds: set[str]) -> list[Any]:
    """States by line style and colour, operations by marker."""
    states = state_handles()
    for handle, (_, style) in zip(states, STATES, strict=True):
        handle.set_color(style["color"])
    return [*states, *operation_handles(kinds)]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
