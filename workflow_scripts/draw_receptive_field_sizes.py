"""Draw what the neurons of all networks see against depth: box, contribution profile, effective receptive field."""

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
    GREY,
    INITIAL,
    TRAINED,
    band,
    datasets_and_networks,
    figure_of,
    label,
    legend_below,
    line_style,
    panels,
    plain_log_ticks,
    save_figure,
    state_handles,
)

TITLES = ("box", "contribution profile", "effective receptive field")
STATES = ((initial, INITIAL), (trained, TRAINED))


def main(summary: Path, svg: Path, png: Path) -> None:
    """Draw the convolutions of all networks, initial and at the last epoch."""
    save_figure(figure_of(draw, read_dataset(summary)), svg, png)


def draw(fields: xr.Dataset) -> Figure:
    """A row for each data set; effective fields are means over seeds, bands one standard error."""
    datasets, networks = datasets_and_networks(fields)
    figure, grid = panels(len(datasets), len(TITLES), row_height=1.8, sharex=True, sharey="row")
    for axes, dataset in zip(grid, datasets, strict=True):
        here = fields.isel(checkpoint=np.flatnonzero(fields.dataset == dataset))
        for place, network in enumerate(networks):
            chosen = here.isel(checkpoint=np.flatnonzero(here.network == network))
            if chosen.sizes["checkpoint"]:
                draw_network(axes, chosen, line_style(place))
        for axis in axes:
            axis.axhline(edge_of_images(here), color=GREY, linewidth=0.8, linestyle=":", zorder=0)
            axis.set(yscale="log", xlim=(-0.04, 1.04))
        axes[0].set_ylabel(f"{label(dataset)}\nsize (pixels)")
        plain_log_ticks(axes[0].yaxis, (1.0, 2.0, 5.0))
    for axis, title in zip(grid[0], TITLES, strict=True):
        axis.set_title(title)
    for axis in grid[-1]:
        axis.set_xlabel("relative depth")
    entries = [Line2D([], [], label=label(network), **line_style(place)) for place, network in enumerate(networks)]
    image = Line2D([], [], color=GREY, linewidth=0.8, linestyle=":", label="edge of the images")
    legend_below(figure, [*entries, *state_handles(), image])
    return figure


def draw_network(axes: np.ndarray, checkpoints: xr.Dataset, style: dict[str, Any]) -> None:
    """The three sizes of one network's convolutions."""
    there = np.flatnonzero(checkpoints.layer_name.values[0] != "")
    depth = checkpoints.relative_depth.values[0, there]
    for axis, name in zip(axes, ("box_size", "profile_size"), strict=False):
        axis.plot(depth, checkpoints[name].values[0, there], **{"markeredgewidth": 0.7, **style})
    for select, line in STATES:
        chosen = select(checkpoints)
        if chosen.sizes["checkpoint"]:
            draw_effective(axes[2], depth, chosen.isel(layer=there), {**style, **line})


def draw_effective(axis: Axes, depth: np.ndarray, checkpoints: xr.Dataset, style: dict[str, Any]) -> None:
    """Mean over runs of the effective sizes, with a band."""
    (mean,) = average_over_runs(checkpoints.field_size, checkpoints.field_size_standard_error).values()
    band(axis, depth, mean.value, mean.standard_error, **style)


def edge_of_images(fields: xr.Dataset) -> float:
    """Pixels along an edge of the images, from the size of a field and the share of the image that it covers."""
    edges = fields.field_size / 10 ** (fields.field_share / 2)
    return float(edges.max())


if "snakemake" in globals():
    run(main, globals()["snakemake"])
