"""Draw how large and how smooth the deconvolved patches are against depth, a row for each network."""

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
from workflow_scripts.support.plotting import (
    DATASET_COLOURS,
    GREY,
    INITIAL,
    TRAINED,
    band,
    datasets_and_networks,
    figure_of,
    label,
    legend_below,
    panels,
    save_figure,
    state_handles,
)

QUANTITIES = {
    "extent": "extent [pixels]",
    "centroid": r"mean $|k|$ / Nyquist",
    "low_fraction": "low-frequency share",
}
SEEN: dict[str, Any] = {"linestyle": ":", "linewidth": 1.0}


def main(summary: Path, svg: Path, png: Path) -> None:
    """Draw both states of every network."""
    save_figure(figure_of(draw, read_dataset(summary)), svg, png)


def draw(summary: xr.Dataset) -> Figure:
    """Lines are means over seeds, bands one standard error over channels and seeds; dashed at initialisation, solid trained."""
    datasets, networks = datasets_and_networks(summary)
    figure, grid = panels(len(networks), len(QUANTITIES), row_height=1.55, sharex=True)
    colours = np.resize(DATASET_COLOURS, len(datasets))
    for axes, network in zip(grid, networks, strict=True):
        for colour, dataset in zip(colours, datasets, strict=True):
            here = np.flatnonzero((summary.network == network) & (summary.dataset == dataset))
            draw_network(axes, summary.isel(checkpoint=here), colour)
        for axis, title in zip(axes, QUANTITIES.values(), strict=True):
            axis.set(ylabel=title, xlim=(-0.04, 1.04))
            axis.set_ylim(bottom=0)
        axes[0].set_ylabel(f"{label(network)}\n{axes[0].get_ylabel()}")
    for axis in grid[-1]:
        axis.set_xlabel("relative depth")
    entries = [Line2D([], [], color=colour, label=label(name)) for colour, name in zip(colours, datasets, strict=True)]
    seen = Line2D([], [], color=GREY, label="receptive field, inside the image", **SEEN)
    legend_below(figure, [*entries, *state_handles(), seen])
    return figure


def draw_network(axes: np.ndarray, checkpoints: xr.Dataset, colour: str) -> None:
    """Both states of one network on one data set; checkpoints may be none."""
    for select, state in ((initial, INITIAL), (trained, TRAINED)):
        selected = select(checkpoints)
        if not selected.sizes["checkpoint"]:
            continue
        depth = selected.relative_depth.values[0]
        face = "white" if select is initial else colour
        for axis, name in zip(axes, QUANTITIES, strict=True):
            style = {"color": colour, "marker": "o", "markersize": 2.5, "markerfacecolor": face, **state}
            draw_line(axis, depth, selected, name, style)
        draw_line(axes[0], depth, selected, "seen", {"color": colour, **SEEN})


def draw_line(axis: Axes, depth: np.ndarray, checkpoints: xr.Dataset, name: str, style: dict[str, Any]) -> None:
    """One quantity of one state against depth."""
    (mean,) = average_over_runs(checkpoints[name], checkpoints[f"{name}_standard_error"]).values()
    known = np.isfinite(depth)
    band(axis, depth[known], mean.value.values[known], mean.standard_error.values[known], **style)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
