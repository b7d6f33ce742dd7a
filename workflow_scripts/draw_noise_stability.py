"""Draw G/r² of logits and softmax against the norm r of noise, with its bump, a column for each data set."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.predictor_averages import positions, radii, stability_per_square
from workflow_scripts.diffeo.run_averages import trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    datasets_and_networks,
    legend_below,
    line_style,
    log_band,
    note_figure,
    plain_log_ticks,
    save_figure,
)
from workflow_scripts.support.predictor_panels import SMALL, mark_position, network_handles, panels_with_strips

OUTPUTS = {"logits": "logits", "softmax": r"softmax $\hat p$"}
LOWEST = 0.05  # of the relative axis: behind the bump the curves fall as r⁻²
LINEAR = (0.9, 1.1)  # of the linear regime
BUMP: dict[str, Any] = {}
EDGE: dict[str, Any] = {"markerfacecolor": "white"}


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Lines are geometric means over seeds, bands one standard error of G/r²; strips show the linear edge and the bump."""
    chosen = trained(predictor).sel(perturbation="noise")
    datasets, names = datasets_and_networks(chosen)
    if not names:
        return note_figure("no trained network was measured")
    figure, axes = panels_with_strips(datasets, len(names), [True, False] * len(OUTPUTS), row_height=1.75)
    for place, (output, title) in enumerate(OUTPUTS.items()):
        strips, curves = axes[2 * place : 2 * place + 2]
        of_output = chosen.sel(output=output)
        for strip, axis, dataset in zip(strips, curves, datasets, strict=True):
            here = of_output.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset))
            draw_strip(strip, here.sel(statistic="mean"), names)
            draw_curves(axis, here, names)
        curves[0].set_ylabel(f"{title}\n" + r"$G_f/r^2$ relative to small $r$")
        highest = max(np.nanmax(line.get_ydata(), initial=2) for axis in curves for line in axis.lines)
        curves[0].set_ylim(LOWEST, 1.3 * highest)
    entries = (("linear regime ends", EDGE), (r"bump of $G_f/r^2$", BUMP))
    meanings = [Line2D([], [], linestyle="none", marker="o", color=GREY, label=text, **style) for text, style in entries]
    legend_below(figure, [*network_handles(names), *meanings])
    return figure


def draw_strip(axis: Axes, checkpoints: xr.Dataset, names: list[str]) -> None:
    """Edge of the linear regime and bump of every network of one data set."""
    for name, style in (("linear_edge", EDGE), ("bump_position", BUMP)):
        for (_, network), mean in positions(checkpoints, name).items():
            mark_position(axis, names.index(network), mean.value, mean.standard_error, **style)


def draw_curves(axis: Axes, checkpoints: xr.Dataset, names: list[str]) -> None:
    """G/r² of every network of one data set, relative to its value at the smallest r."""
    axis.set(yscale="log")
    plain_log_ticks(axis.yaxis)
    axis.axhspan(*LINEAR, color="#EEEEEE", linewidth=0, zorder=0)
    r = radii(checkpoints)
    for group, mean in stability_per_square(checkpoints, relative=True).items():
        log_band(axis, r[group], mean.value, mean.standard_error, **{**line_style(names.index(group[1])), **SMALL})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
