"""Draw the mean frequency of activations after each operation, at initialisation and trained."""

from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import STATE_LINES, draw_states, legend_along_depth, networks_of_one_dataset
from workflow_scripts.support.plotting import (
    GREY,
    figure_of,
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
    save_figure(figure_of(draw, read_dataset(spectra)), svg, png)


def draw(spectra: xr.Dataset) -> Figure:
    """A column for each network; lines are geometric means over seeds, bands one standard error."""
    networks = networks_of_one_dataset(spectra)
    figure, grid = panels_by_network(list(networks), [*ROWS.values()])
    for checkpoints, axes in zip(networks.values(), grid, strict=True):
        frequencies = mean_frequencies(checkpoints)
        for axis, quantity in zip(axes, ROWS, strict=True):
            draw_states(axis, frequencies, quantity)
            axis.set_yscale("log")
            plain_log_ticks(axis.yaxis, (1.0, 2.0, 3.0, 5.0))
            if quantity != "absolute":
                axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    kinds = {kind for checkpoints in networks.values() for kind in checkpoints.operation.values.ravel().tolist()}
    legend_below(figure, legend_along_depth(kinds, STATE_LINES))
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
