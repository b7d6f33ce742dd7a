"""Draw D, G and R after each operation of deep networks, at initialisation and trained."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workflow_scripts.diffeo.depth_profiles import SIMPLE
from workflow_scripts.diffeo.run_averages import at_strength
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import dataset_with_most, draw_along_depth, legend_along_depth, network_panels
from workflow_scripts.support.plotting import (
    GREY,
    datasets_and_networks,
    legend_below,
    note_figure,
    plain_log_ticks,
    save_figure,
)

ROWS = {"D": "deformations $D_k$", "G": "noise $G_k$", "R": "$R_k = D_k/G_k$"}


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
    figure, grid = network_panels(dataset, names, [*ROWS.values()], row_height=1.6, sharex=True, sharey="row")
    for network, axes in zip(names, grid, strict=True):
        checkpoints = chosen.isel(checkpoint=np.flatnonzero(chosen.network == network))
        for axis, quantity in zip(axes, ROWS, strict=True):
            draw_along_depth(axis, checkpoints, quantity)
            axis.set(yscale="log", xlim=(-0.04, 1.04))
            plain_log_ticks(axis.yaxis, (1.0, 3.0))
        axes[-1].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes[-1].set_xlabel("relative depth")
    legend_below(figure, legend_along_depth(set(chosen.operation.values.ravel().tolist())))
    return figure


if "snakemake" in globals():
    run(main, globals()["snakemake"])
