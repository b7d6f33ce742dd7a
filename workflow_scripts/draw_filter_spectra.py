"""Draw how training changes filters, against the eigenvalue of the grid Laplacian and against depth, a row for each network."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import average_over_runs, log10_with_error, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    DATASET_COLOURS,
    GREY,
    INITIAL,
    TRAINED,
    datasets_and_networks,
    label,
    legend_below,
    log_band,
    panels,
    plain_log_ticks,
    save_figure,
)

ALL = "all data sets"
DEPTHS = matplotlib.colormaps["viridis"]
LOWEST: dict[str, Any] = {**TRAINED, "marker": "o"}
HIGHEST: dict[str, Any] = {**INITIAL, "marker": "o", "markerfacecolor": "white"}


def main(spectra: Path, svg: Path, png: Path) -> None:
    """Draw the last epoch of every trained run."""
    save_figure(draw(read_dataset(spectra)), svg, png)


def draw(spectra: xr.Dataset) -> Figure:
    """Lines are geometric means over seeds, bands one standard error."""
    chosen = trained(usual_networks(spectra))
    datasets, networks = datasets_and_networks(chosen)
    columns = len(datasets) + 1
    figure, grid = panels(len(networks), columns, width=max(1.8 * columns, 4.2), row_height=1.6, sharex="col", sharey="row")
    colours = np.resize(DATASET_COLOURS, len(datasets))
    for axes, network in zip(grid, networks, strict=True):
        for axis in axes:
            axis.set_yscale("log")
        for axis, colour, dataset in zip(axes[:-1], colours, datasets, strict=True):
            here = np.flatnonzero((chosen.network == network) & (chosen.dataset == dataset))
            if len(here):
                draw_network(axis, axes[-1], chosen.isel(checkpoint=here), colour)
            else:
                axis.set_axis_off()
        for axis in axes:
            axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0, visible=axis.axison)
        first = next(axis for axis in axes if axis.axison)
        first.set_ylabel(f"{label(network)}\n$c_t/c_0$")
        first.yaxis.set_tick_params(labelleft=True)
        plain_log_ticks(first.yaxis, (1.0, 1.5, 2.0, 3.0, 5.0))
    for column, title in zip(grid.T, [*map(label, datasets), ALL], strict=True):
        column[0].set_title(title)
        lowest = [axis for axis in column if axis.axison][-1]
        lowest.set_xlabel("relative depth" if title == ALL else "eigenvalue λ")
        lowest.xaxis.set_tick_params(labelbottom=True)
    depths = ScalarMappable(Normalize(0, 1), DEPTHS)
    figure.colorbar(depths, ax=grid.ravel().tolist(), label="relative depth", aspect=40, shrink=0.6)
    legend_below(figure, legend_entries(datasets))
    return figure


def draw_network(spectrum: Axes, depth: Axes, checkpoints: xr.Dataset, colour: str) -> None:
    """The layers of one network on one data set: each against the eigenvalue, and the two ends of the spectrum against depth."""
    ratios, errors = checkpoints.eigenspace_ratio, checkpoints.eigenspace_ratio_standard_error
    (mean,) = average_over_runs(*log10_with_error(ratios, errors)).values()
    values, deviations = mean.value.values, mean.standard_error.values
    eigenvalues, depths = (checkpoints[name].values[0] for name in ("eigenvalue", "relative_depth"))
    layers = np.flatnonzero(np.isfinite(depths))
    ends = []
    for layer in layers:
        order = np.argsort(eigenvalues[layer], kind="stable")  # NaN last
        order = order[np.isfinite(eigenvalues[layer, order])]
        style: dict[str, Any] = {"color": DEPTHS(depths[layer]), "marker": "o", "markersize": 2.2, "linewidth": 0.9}
        log_band(spectrum, eigenvalues[layer, order], values[layer, order], deviations[layer, order], **style)
        ends.append(order[[0, -1]])
    for modes, end in zip(np.transpose(ends), (LOWEST, HIGHEST), strict=True):
        log_band(depth, depths[layers], values[layers, modes], deviations[layers, modes], color=colour, **end)


def legend_entries(datasets: list[str]) -> list[Line2D]:
    """Data sets by colour, the two ends of the spectrum by line style."""
    colours = np.resize(DATASET_COLOURS, len(datasets))
    entries = [Line2D([], [], color=colour, label=label(name)) for colour, name in zip(colours, datasets, strict=True)]
    ends = (("lowest eigenvalue", LOWEST), ("highest eigenvalue", HIGHEST))
    return entries + [Line2D([], [], color=GREY, label=name, **style) for name, style in ends]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
