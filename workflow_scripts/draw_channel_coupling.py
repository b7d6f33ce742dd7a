"""Draw whether each convolution couples channels of the one before that are alike up to a rotation, or a translation."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.run_averages import average_over_runs, initial, trained
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
    note_figure,
    panels_by_network,
    save_figure,
    state_handles,
)

ROWS = {"rotation": "rotations\neffect size $z$", "translation": "translations\neffect size $z$"}
STATES: tuple[tuple[Any, dict[str, Any]], ...] = (
    (initial, {**INITIAL, "color": COLOURS[3], "markerfacecolor": "white"}),
    (trained, {**TRAINED, "color": COLOURS[0]}),
)
NULL: dict[str, Any] = {"color": GREY, "alpha": 0.3, "linewidth": 5}
BARS: dict[str, Any] = {"marker": "o", "elinewidth": 0.8, "markersize": 3, "markeredgewidth": 0.6}


def main(channel_coupling: Path, svg: Path, png: Path) -> None:
    """Draw the first and the last epoch of the runs."""
    save_figure(figure_of(draw, read_dataset(channel_coupling)), svg, png)


def draw(table: xr.Dataset) -> Figure:
    """A row for each kind of transformation, a column for each network of one data set that has a pair of convolutions."""
    chosen = table.isel(checkpoint=np.flatnonzero((table.pairs > 0).any("transformation")))
    if not chosen.sizes["checkpoint"]:
        return note_figure("No network has two convolutions in a row whose filters can be compared.")
    networks = networks_of_one_dataset(chosen)
    figure, by_network = panels_by_network(list(networks), list(ROWS.values()))
    for checkpoints, axes in zip(networks.values(), by_network, strict=True):
        for axis, transformation in zip(axes, ROWS, strict=True):
            draw_panel(axis, checkpoints.sel(transformation=transformation))
    entries = state_handles()
    for entry, (_, style) in zip(entries, STATES, strict=True):
        entry.set(marker=BARS["marker"], **style)
    legend_below(figure, [*entries, Line2D([], [], label="95 % of random orders", **NULL)])
    return figure


def draw_panel(axis: Axes, checkpoints: xr.Dataset) -> None:
    """Effect sizes of one network in both states, with one standard error, on the range of the null."""
    axis.axhline(0, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    null = checkpoints[["null_low_z", "null_high_z"]].mean("checkpoint")
    known = np.flatnonzero(null.null_low_z.notnull())
    depth = checkpoints.relative_depth.values[0]
    axis.vlines(depth[known], null.null_low_z[known], null.null_high_z[known], **NULL)
    for select, style in STATES:
        selected = select(checkpoints)
        if selected.sizes["checkpoint"]:
            (mean,) = average_over_runs(selected.z, selected.z_standard_error).values()
            axis.errorbar(depth[known], mean.value.values[known], mean.standard_error.values[known], **BARS, **style)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
