"""Draw the stability of neurons to local transforms against depth: rows are networks, columns choices of patches."""

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.diffeo.neuron_averages import closest_to_one
from workflow_scripts.diffeo.run_averages import average_over_runs, dataset_with_most, log10_with_error, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import datasets_and_networks, figure_of, label, legend_below, log_band, panels, save_figure
from workflow_scripts.support.transform_panels import STATES, TRANSFORM_STYLES, activations_of, legend_entries

CHOICES = {"random": "random patches", "top1": "strongest patch", "topk": "k strongest patches"}
VARIABLES = {"normalised": "alpha_normalised", "raw": "alpha"}
LABELS = {"normalised": "α normalised", "raw": "α"}


def main(local_transforms: Path, svg: Path, png: Path, quantity: str, norm: str) -> None:
    """Draw α, `normalised` or `raw`, at the value of a norm that is closest to 1."""
    save_figure(figure_of(partial(draw, quantity=quantity, norm=norm), read_dataset(local_transforms)), svg, png)


def draw(table: xr.Dataset, quantity: str, norm: str) -> Figure:
    """Lines are geometric means over seeds, bands one standard error; activations only, of the data set with most networks."""
    chosen = closest_to_one(table, norm)
    chosen = chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset_with_most(chosen)))
    (dataset,), networks = datasets_and_networks(chosen)
    figure, grid = panels(len(networks), len(CHOICES), row_height=1.6, sharex=True, sharey="row")
    for axes, network in zip(grid, networks, strict=True):
        of_network = chosen.isel(checkpoint=np.flatnonzero(chosen.network == network))
        for axis, choice in zip(axes, CHOICES, strict=True):
            draw_panel(axis, of_network.sel(patch_choice=choice), VARIABLES[quantity])
        axes[0].set_ylabel(f"{label(network)}\n{LABELS[quantity]}")
    for axis, title in zip(grid[0], CHOICES.values(), strict=True):
        axis.set_title(title)
    for axis in grid[-1]:
        axis.set_xlabel("relative depth")
    legend_below(figure, legend_entries())
    amount = {"displacement": "rms displacement δ = {:g} px", "frobenius": "norm δ = {:g}"}[norm]
    figure.suptitle(f"{label(dataset)}, {amount.format(float(chosen.amount))}", fontsize=8)
    return figure


def draw_panel(axis: Axes, checkpoints: xr.Dataset, name: str) -> None:
    """The four transforms, at initialisation and trained."""
    axis.set(yscale="log", xlim=(-0.04, 1.04))
    for select, state in STATES:
        selected = activations_of(select(checkpoints))
        if not selected.sizes["checkpoint"]:
            continue
        (mean,) = average_over_runs(*log10_with_error(selected[name], selected[f"{name}_standard_error"])).values()
        depth = selected.relative_depth.values[0]
        for transform, style in TRANSFORM_STYLES.items():
            value, error = (part.sel(transform=transform).values for part in (mean.value, mean.standard_error))
            face = style["color"] if select is trained else "white"
            log_band(axis, depth, value, error, **style, **state, markerfacecolor=face)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
