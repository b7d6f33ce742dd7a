"""Draw D, G, R and G/r² of the logits against the norm r of the perturbation, a column for each data set."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import average_over_runs, initial, log10_with_error, output, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    INITIAL,
    TRAINED,
    datasets_and_networks,
    label,
    legend_below,
    line_style,
    log_band,
    panels,
    plain_log_ticks,
    save_figure,
    state_handles,
)

QUANTITIES = (
    ("D", "diffeo stability\n$D_f$"),
    ("G", "noise stability\n$G_f$"),
    ("R", "relative stability\n$R_f = D_f/G_f$"),
    ("G/r²", "noise stability\n$G_f/r^2$"),
)


def main(summary: Path, svg: Path, png: Path, interpolation: str) -> None:
    """Draw all strengths of one interpolation."""
    save_figure(draw(read_dataset(summary), interpolation), svg, png)


def draw(summary: xr.Dataset, interpolation: str) -> Figure:
    """Lines are geometric means over seeds, bands one standard error; dashed at initialisation, solid trained."""
    chosen = usual_networks(summary.sel(interpolation=interpolation))
    datasets, names = datasets_and_networks(chosen)
    width = min(7.2, 1.0 + 2.3 * len(datasets))
    figure, axes = panels(len(QUANTITIES), len(datasets), width=width, row_height=1.65, sharey="row", sharex="col")
    for column, dataset in zip(axes.T, datasets, strict=True):
        here = chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset))
        column[0].set_title(label(dataset))
        column[-1].set_xlabel(r"norm $r = \|\eta\|$")
        for axis, (quantity, _) in zip(column, QUANTITIES, strict=True):
            draw_panel(axis, here, names, quantity)
    for axis, (_, title) in zip(axes[:, 0], QUANTITIES, strict=True):
        axis.set_ylabel(title)
    figure.align_ylabels(axes[:, 0])
    entries = [Line2D([], [], label=label(name), **line_style(index)) for index, name in enumerate(names)]
    legend_below(figure, [*entries, *state_handles()])
    return figure


def draw_panel(axis: Axes, checkpoints: xr.Dataset, names: list[str], quantity: str) -> None:
    """One quantity on one data set, all networks."""
    axis.set(xscale="log", yscale="log")
    plain_log_ticks(axis.xaxis)
    if quantity == "R":
        axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    for select, state in ((initial, INITIAL), (trained, TRAINED)):
        selected = select(checkpoints)
        values, errors = curve(selected, quantity)
        radius = dict(zip(selected.network.values.tolist(), selected.r.values, strict=True))
        for (_, network), mean in average_over_runs(*log10_with_error(values, errors)).items():
            style = {**line_style(names.index(network)), **state}
            if select is initial:
                style["marker"] = "none"
            log_band(axis, radius[network], mean.value, mean.standard_error, **style)


def curve(checkpoints: xr.Dataset, quantity: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Value and standard error (checkpoint, strength) of a quantity at the logits."""
    name = quantity[0]
    scale = checkpoints.r**2 if quantity == "G/r²" else 1
    return output(checkpoints, name) / scale, output(checkpoints, f"{name}_standard_error") / scale


if "snakemake" in globals():
    run(main, globals()["snakemake"])
