"""Draw D, G and R after each operation of deep networks as they are, with shuffled channels, and with batch-norm recalibrated."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.depth_profiles import SIMPLE, in_sequence
from workflow_scripts.diffeo.run_averages import average_over_runs, initial, log10_with_error, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import networks_of_one_dataset
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    INITIAL,
    TRAINED,
    figure_of,
    legend_below,
    log_band,
    note_figure,
    panels_by_network,
    plain_log_ticks,
    save_figure,
    state_handles,
)

ROWS = {"D": "deformations $D_k$", "G": "noise $G_k$", "R": "$R_k = D_k/G_k$"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "standard": ("standard", {"color": COLOURS[5], "marker": "o"}),
    "shuffled": ("shuffled channels", {"color": COLOURS[1], "marker": "^"}),
    "shuffled_recalibrated": ("shuffled, batch-norm recalibrated", {"color": COLOURS[0], "marker": "s"}),
}
STATES = ((initial, INITIAL), (trained, TRAINED))


def main(channel_shuffle: Path, svg: Path, png: Path) -> None:
    """Draw the first and the last epoch of the runs."""
    save_figure(figure_of(draw, read_dataset(channel_shuffle)), svg, png)


def draw(table: xr.Dataset) -> Figure:
    """Rows D, G, R and a column for each deep network of one data set; lines are geometric means, bands one error."""
    chosen = table.isel(checkpoint=np.flatnonzero(~table.architecture.isin(SIMPLE)))
    if not chosen.sizes["checkpoint"]:
        return note_figure("No deep network whose channels can be shuffled was measured.")
    networks = networks_of_one_dataset(chosen)
    figure, by_network = panels_by_network(list(networks), list(ROWS.values()))
    for checkpoints, axes in zip(networks.values(), by_network, strict=True):
        for axis, quantity in zip(axes, ROWS, strict=True):
            draw_panel(axis, checkpoints, quantity)
            axis.set_yscale("log")
            plain_log_ticks(axis.yaxis, (1.0, 3.0))
        axes[-1].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    legend_below(figure, legend_entries())
    return figure


def draw_panel(axis: Axes, checkpoints: xr.Dataset, quantity: str) -> None:
    """One quantity of one network in both states, with and without shuffling; operations in sequence only."""
    for select, state in STATES:
        selected = select(checkpoints)
        if not selected.sizes["checkpoint"]:
            continue
        (mean,) = average_over_runs(*log10_with_error(selected[quantity], selected[f"{quantity}_standard_error"])).values()
        first = selected.isel(checkpoint=0)
        drawn = in_sequence(selected.operation).values[0]
        for variant, (_, style) in VARIANTS.items():
            value, error = (part.sel(variant=variant).values[drawn] for part in mean[:2])
            face = "white" if select is initial else style["color"]
            shape = {"markersize": np.clip(60 / drawn.sum(), 1.8, 3.5), "markerfacecolor": face, "markeredgewidth": 0.5}
            log_band(axis, first.relative_depth.values[drawn], value, error, **{**style, **state, **shape})


def legend_entries() -> list[Line2D]:
    """Variants by colour and marker, states by line style."""
    return [*(Line2D([], [], label=name, **style) for name, style in VARIANTS.values()), *state_handles()]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
