"""Draw the mean frequency of activations after each operation, at initialisation and trained."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from workflow_scripts.diffeo.run_averages import dataset_with_most
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import STATE_LINES, draw_states, legend_along_depth
from workflow_scripts.support.plotting import (
    GREY,
    datasets_and_networks,
    label,
    legend_below,
    panels_by_network,
    plain_log_ticks,
    save_figure,
)

ROWS = {
    "relative": "mean |k| / white,\nmean left out",
    "kept": "mean |k| / white,\nmean kept",
    "absolute": "mean |k|, mean left out\n(cycles per map)",
}


def main(spectra: Path, svg: Path, png: Path) -> None:
    """Draw the data set with most networks."""
    save_figure(draw(read_dataset(spectra)), svg, png)


def draw(spectra: xr.Dataset) -> Figure:
    """A column for each network; lines are geometric means over seeds, bands one standard error."""
    chosen = spectra.isel(checkpoint=np.flatnonzero(spectra.dataset == dataset_with_most(spectra)))
    (dataset,), names = datasets_and_networks(chosen)
    frequencies = mean_frequencies(chosen)
    titles = [f"{label(name)}\n{label(dataset)}" for name in names]
    figure, grid = panels_by_network(titles, [*ROWS.values()])
    for network, axes in zip(names, grid, strict=True):
        checkpoints = frequencies.isel(checkpoint=np.flatnonzero(chosen.network == network))
        for axis, quantity in zip(axes, ROWS, strict=True):
            draw_states(axis, checkpoints, quantity)
            axis.set_yscale("log")
            plain_log_ticks(axis.yaxis, (1.0, 2.0, 3.0, 5.0))
            if quantity != "absolute":
                axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    legend_below(figure, legend_along_depth(set(chosen.operation.values.ravel().tolist()), STATE_LINES))
    return figure


def mean_frequencies(spectra: xr.Dataset) -> xr.Dataset:
    """The quantities of `ROWS`, with standard errors, of channel-averaged spectra: (checkpoint, layer)."""
    averaged = spectra.sel(normalisation="channel_averaged", drop=True)
    left_out, kept = (averaged.sel(map_mean=name, drop=True) for name in ("removed", "kept"))
    scales = {
        "relative": (left_out, 1 / left_out.white_centroid),
        "kept": (kept, 1 / kept.white_centroid),
        "absolute": (left_out, left_out.map_size / 2),
    }
    found = spectra[["operation", "relative_depth"]]
    for name, (part, scale) in scales.items():
        found[name] = part.centroid * scale
        found[f"{name}_standard_error"] = part.centroid_standard_error * scale
    return found


if "snakemake" in globals():
    run(main, globals()["snakemake"])
