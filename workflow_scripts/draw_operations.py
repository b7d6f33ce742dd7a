"""Draw D, G and R after each operation of deep networks, at initialisation and trained."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workflow_scripts.diffeo.depth_profiles import SIMPLE
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import at_strength, initial, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import STATE_LINES, Column, networks_of_one_dataset, operation_figure
from workflow_scripts.support.plotting import note_figure, save_figure


def main(summary: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Draw at the displacement and interpolation of `settings`."""
    save_figure(draw(read_dataset(summary), settings), svg, png)


def draw(summary: xr.Dataset, settings: dict[str, Any]) -> Figure:
    """Rows D, G, R and a column for each deep network of one data set; networks that blur are in a figure of their own."""
    chosen = usual_networks(at_strength(summary, **settings))
    chosen = chosen.isel(checkpoint=np.flatnonzero(~chosen.architecture.isin(SIMPLE) & ~chosen.antialiased))
    if not chosen.sizes["checkpoint"]:
        return note_figure("Only fully connected networks and simple CNNs were measured.")
    networks = networks_of_one_dataset(chosen)
    columns = [Column(title, initial(checkpoints), trained(checkpoints)) for title, checkpoints in networks.items()]
    return operation_figure(columns, STATE_LINES)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
