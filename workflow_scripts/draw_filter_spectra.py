"""Draw how training changes filters, against eigenvalue, depth and epoch: one data set, a row for each network."""

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from workflow_scripts.diffeo.network_options import local_models, usual_networks
from workflow_scripts.diffeo.run_averages import Average, along_training, average_over_runs, log10_with_error, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    INITIAL,
    TRAINED,
    band,
    datasets_and_networks,
    figure_of,
    label,
    legend_below,
    log_band,
    note_figure,
    panels,
    plain_log_ticks,
    save_figure,
)

DEPTHS = matplotlib.colormaps["viridis"]
LOWEST: dict[str, Any] = {**TRAINED, "marker": "o"}
HIGHEST: dict[str, Any] = {**INITIAL, "marker": "o", "markerfacecolor": "white"}
THIN: dict[str, Any] = {"markersize": 2.2, "linewidth": 0.9}
COLUMNS = {
    "against eigenvalue": "eigenvalue λ",
    "against depth": "relative depth",
    "against epoch": "epoch",
    "low-pass index": "epoch",
}
TICKS = ((1.4, (1.0,)), (0.7, (1.0, 2.0, 5.0)), (0.0, (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 8.0)))  # from so many decades on
LABELLED_EPOCHS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)


def main(spectra: Path, svg: Path, png: Path, dataset: str, local: bool) -> None:
    """Draw every trained run of one data set, the `local` models or all others."""
    save_figure(figure_of(partial(draw, dataset=dataset, local=local), read_dataset(spectra)), svg, png)


def draw(spectra: xr.Dataset, dataset: str, *, local: bool = False) -> Figure:
    """Lines are geometric means over seeds, bands one standard error."""
    chosen = local_models(spectra) if local else usual_networks(spectra)
    chosen = chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset))
    _, networks = datasets_and_networks(trained(chosen))
    if not networks:
        return note_figure(f"No network with filters was trained on {label(dataset)}.")
    figure, grid = panels(len(networks), len(COLUMNS), row_height=1.4, sharex="col")
    for axes, network in zip(grid, networks, strict=True):
        for axis in axes[1:3]:
            axis.sharey(axes[0])
            axis.yaxis.set_tick_params(labelleft=False)
        draw_network(axes, chosen.isel(checkpoint=np.flatnonzero(chosen.network == network)))
        axes[0].set_ylabel(f"{label(network)}\n$c_t/c_0$")
        decades = np.ptp(np.log10(axes[0].get_ylim()))
        plain_log_ticks(axes[0].yaxis, next(ticks for least, ticks in TICKS if decades >= least))
    for column, (title, quantity) in zip(grid.T, COLUMNS.items(), strict=True):
        column[0].set_title(title)
        column[-1].set_xlabel(quantity)
    figure.suptitle(label(dataset), fontsize=8)
    depths = ScalarMappable(Normalize(0, 1), DEPTHS)
    figure.colorbar(depths, ax=grid.ravel().tolist(), label="relative depth", aspect=40, shrink=0.6)
    ends = (("lowest eigenvalue", LOWEST), ("highest eigenvalue", HIGHEST))
    legend_below(figure, [Line2D([], [], color=GREY, label=name, **style) for name, style in ends])
    return figure


def draw_network(axes: np.ndarray, checkpoints: xr.Dataset) -> None:
    """The four panels of one network."""
    epochs = along_training(checkpoints)
    last = epochs[-1]
    ratios = [average(log10_with_error(part.eigenspace_ratio, part.eigenspace_ratio_standard_error)) for part in epochs]
    indices = [average((part.low_pass, part.low_pass_standard_error)) for part in epochs]
    depths = last.relative_depth.values[0]
    layers: list[int] = np.flatnonzero(np.isfinite(depths)).tolist()
    order = {layer: sorted_modes(last.eigenvalue.values[0, layer]) for layer in layers}
    for layer in layers:
        style = {"color": DEPTHS(depths[layer]), **THIN}
        modes = order[layer]
        of_layer = ratios[-1].value.values[layer, modes], ratios[-1].standard_error.values[layer, modes]
        log_band(axes[0], last.eigenvalue.values[0, layer, modes], *of_layer, marker="o", **style)
        for mode, end in ((modes[0], LOWEST), (modes[-1], HIGHEST)):
            log_band(axes[2], times(epochs), *at(ratios, (layer, mode)), **(style | end))
        band(axes[3], times(epochs), *at(indices, (layer,)), marker="o", **style)
    for place, end in ((0, LOWEST), (-1, HIGHEST)):
        last_modes = [order[layer][place] for layer in layers]
        of_end = ratios[-1].value.values[layers, last_modes], ratios[-1].standard_error.values[layers, last_modes]
        log_band(axes[1], depths[layers], *of_end, **({"color": "black"} | THIN | end))
    finish(axes, times(epochs))


def finish(axes: np.ndarray, epochs: list[int]) -> None:
    """Scales, ticks and the lines of no change."""
    for axis, unchanged in zip(axes, (1, 1, 1, 0), strict=True):
        axis.axhline(unchanged, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    axes[0].set_yscale("log")
    for axis in axes[2:]:
        axis.set_xscale("symlog", linthresh=1, linscale=0.5)
        shown = [epoch for epoch in LABELLED_EPOCHS if epoch <= max(epochs)]
        axis.set_xticks(shown, list(map(str, shown)))
        axis.xaxis.set_minor_locator(NullLocator())


def average(values_and_errors: tuple[xr.DataArray, xr.DataArray]) -> Average:
    """Mean over the runs of one network."""
    (mean,) = average_over_runs(*values_and_errors).values()
    return mean


def times(epochs: list[xr.Dataset]) -> list[int]:
    """The epoch of each part."""
    return [int(part.epoch.values[0]) for part in epochs]


def at(averages: list[Average], place: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """Values and errors at one layer (and mode), epoch by epoch."""
    return [mean.value.values[place] for mean in averages], [mean.standard_error.values[place] for mean in averages]


def sorted_modes(eigenvalues: np.ndarray) -> list[int]:
    """Modes of a layer in the order of their eigenvalues, without those that it does not have."""
    order = np.argsort(eigenvalues, kind="stable")  # NaN last
    kept: list[int] = order[np.isfinite(eigenvalues[order])].tolist()
    return kept


if "snakemake" in globals():
    run(main, globals()["snakemake"])
