"""Draw how invariant the firing of neurons is to local transforms, and how many are active, a row for each network."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.neuron_averages import closest_to_one
from workflow_scripts.diffeo.run_averages import average_over_runs, dataset_with_most, initial
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    COLOURS,
    band,
    datasets_and_networks,
    figure_of,
    label,
    legend_below,
    panels,
    save_figure,
)
from workflow_scripts.support.transform_panels import STATES, TRANSFORM_STYLES, activations_of, legend_entries

COLUMNS = {
    ("firing_invariance", "random"): "invariance L/G, random patches",
    ("firing_invariance", "topk"): "invariance L/G, strongest patches",
    ("active_fraction", "random"): "active fraction, random patches",
}
ACTIVE_STYLES: dict[str, dict[str, Any]] = {
    "active_fraction": {"color": COLOURS[2], "marker": "v"},
    "firing_neurons": {"color": COLOURS[6], "marker": "P"},
}
ACTIVE_LABELS = {"active_fraction": "active patches", "firing_neurons": "active neurons"}


def main(local_transforms: Path, svg: Path, png: Path) -> None:
    """Draw at the rms displacement that is closest to 1 pixel."""
    save_figure(figure_of(draw, read_dataset(local_transforms)), svg, png)


def draw(table: xr.Dataset) -> Figure:
    """Lines are means over seeds, bands one standard error; activations only, of the data set with most networks."""
    chosen = closest_to_one(table, "displacement")
    chosen = chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset_with_most(chosen)))
    (dataset,), networks = datasets_and_networks(chosen)
    figure, grid = panels(len(networks), len(COLUMNS), row_height=1.6, sharex=True)
    for axes, network in zip(grid, networks, strict=True):
        of_network = chosen.isel(checkpoint=np.flatnonzero(chosen.network == network))
        for axis, (name, choice) in zip(axes, COLUMNS, strict=True):
            of_choice = of_network.sel(patch_choice=choice)
            axis.set(xlim=(-0.04, 1.04))
            if name == "active_fraction":
                for active, style in ACTIVE_STYLES.items():
                    draw_lines(axis, of_choice, active, {None: style})
                axis.set_ylim(-0.03, 1.05)
            else:
                draw_lines(axis, of_choice, name, TRANSFORM_STYLES)
                axis.set_ylim(bottom=0)
        axes[0].set_ylabel(label(network))
    for axis, title in zip(grid[0], COLUMNS.values(), strict=True):
        axis.set_title(title)
    for axis in grid[-1]:
        axis.set_xlabel("relative depth")
    shares = [Line2D([], [], label=ACTIVE_LABELS[name], **style) for name, style in ACTIVE_STYLES.items()]
    legend_below(figure, legend_entries() + shares)
    figure.suptitle(f"{label(dataset)}, rms displacement δ = {float(chosen.amount):g} px", fontsize=8)
    return figure


def draw_lines(axis: Axes, checkpoints: xr.Dataset, name: str, styles: dict[Any, dict[str, Any]]) -> None:
    """A line for each transform (for `None`: of a variable without them) and state."""
    for select, state in STATES:
        selected = activations_of(select(checkpoints))
        if not selected.sizes["checkpoint"]:
            continue
        (mean,) = average_over_runs(selected[name], selected[f"{name}_standard_error"]).values()
        depth = selected.relative_depth.values[0]
        for transform, style in styles.items():
            value, error = (part.sel(transform=transform) if transform else part for part in (mean.value, mean.standard_error))
            face = "white" if select is initial else style["color"]
            band(axis, depth, value, error, **style, **state, markerfacecolor=face)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
