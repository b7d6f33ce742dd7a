"""Draw power spectra of what convolutions make of images, at initialisation and trained: three layers of each network."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.activation_averages import RESOLVED
from workflow_scripts.diffeo.run_averages import average_over_runs, log10_with_error
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import STATE_LINES, STATES, line_handles, networks_of_one_dataset
from workflow_scripts.support.plotting import (
    GREY,
    figure_of,
    legend_below,
    log_band,
    note_figure,
    panels_by_network,
    plain_log_ticks,
    save_figure,
)

ROWS = ("first", "middle", "last")
POINTS: dict[str, Any] = {"marker": "o", "markersize": 2.2}
LINES: dict[str, Any] = {"channel_averaged": "-", "per_channel": (0, (3, 1.5))}


def main(spectra: Path, svg: Path, png: Path) -> None:
    """Draw the data set with most networks."""
    save_figure(figure_of(draw, read_dataset(spectra)), svg, png)


def draw(spectra: xr.Dataset) -> Figure:
    """A column for each network, a row for each of three layers; lines are geometric means over seeds, bands one error."""
    drawn = ((spectra.operation == "convolution") & (spectra.map_size >= RESOLVED)).any("layer")
    chosen = spectra.isel(checkpoint=np.flatnonzero(drawn))
    if not chosen.sizes["checkpoint"]:
        return note_figure(f"No convolution with maps of {RESOLVED} pixels or more along an edge was measured.")
    networks = networks_of_one_dataset(chosen)
    rows = [f"{row} convolution\npower per mode / white" for row in ROWS]
    figure, grid = panels_by_network(list(networks), rows, row_height=1.7, along_depth=False)
    for checkpoints, axes in zip(networks.values(), grid, strict=True):
        layers = drawn_layers(checkpoints.isel(checkpoint=0))
        for axis, layer in zip(axes, layers, strict=True):
            axis.set(xscale="log", yscale="log")
            plain_log_ticks(axis.xaxis)
            plain_log_ticks(axis.yaxis, (1.0, 3.0))
            if layer is None:
                axis.set_axis_off()
                continue
            draw_layer(axis, checkpoints.isel(layer=layer))
        axes[max(row for row, layer in enumerate(layers) if layer is not None)].set_xlabel("|k| / Nyquist frequency")
    legend_below(figure, legend_entries())
    return figure


def legend_entries() -> list[Line2D]:
    """States by colour and marker, normalisations by line style."""
    states = {name: {**style, **POINTS, "linestyle": "-"} for name, style in STATE_LINES.items()}
    return line_handles(states) + [
        Line2D([], [], color=GREY, linestyle=line, label=name.replace("_", " ")) for name, line in LINES.items()
    ]


def drawn_layers(checkpoint: xr.Dataset) -> list[int | None]:
    """Places of the first, middle and last convolution with maps of `RESOLVED` pixels or more; `None` where there are fewer."""
    resolved = (checkpoint.operation == "convolution") & (checkpoint.map_size >= RESOLVED)
    places = np.flatnonzero(resolved).tolist()
    return [places[0], places[len(places) // 2] if len(places) > 2 else None, places[-1] if len(places) > 1 else None]


def draw_layer(axis: Axes, checkpoints: xr.Dataset) -> None:
    """Both states and both normalisations of one layer, maps' means left out, over the spectrum of white noise."""
    size = float(checkpoints.map_size[0])
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    name = str(checkpoints.layer_name.values[0])
    axis.text(0.97, 0.96, f"{name}\n{size:g} px", transform=axis.transAxes, ha="right", va="top", fontsize=6.5)
    for select, style in STATES:
        selected = select(checkpoints)
        if not selected.sizes["checkpoint"]:
            continue
        for normalisation, line in LINES.items():
            log10_density, error = density(selected.sel(normalisation=normalisation, map_mean="removed"))
            look = {**style, "linestyle": line, "linewidth": 0.9, **POINTS}
            log_band(axis, log10_density.wave_number / (size / 2), log10_density, error, **look)


def density(checkpoints: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """log10 of the power per mode over that of white noise, from k = 1 on, mean over runs, and its standard error."""
    moving = checkpoints.isel(wave_number=slice(1, None))
    white = moving.modes / moving.modes.sum("wave_number")
    (mean,) = average_over_runs(*log10_with_error(moving.power / white, moving.power_standard_error / white)).values()
    known = np.flatnonzero(mean.value.notnull())
    return mean.value.isel(wave_number=known), mean.standard_error.isel(wave_number=known)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
