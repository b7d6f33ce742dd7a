"""Draw p̂, labels and entropy against the norm r of noise, with the bump of G/r², a column for each data set."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.predictor_averages import averages, positions, radii
from workflow_scripts.diffeo.run_averages import Groups, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    band,
    datasets_and_networks,
    legend_below,
    line_style,
    note_figure,
    save_figure,
)
from workflow_scripts.support.predictor_panels import SMALL, mark_position, network_handles, panels_with_strips

TITLES = ("mean $\\hat p$ of the\ntrue class", "fraction of\nlabels", "entropy of $\\hat p$\n(nat)")
BUMP: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 1.6}
ONSET: dict[str, Any] = {"markerfacecolor": "white"}
WRONG: dict[str, Any] = {"linestyle": (0, (2, 1)), "linewidth": 0.7, "marker": "none"}
OF_IMAGE = "of the clean\nimage's class"  # in panels of images without labels


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Lines are means over seeds, bands one standard error; ticks are the bumps of G/r² of the logits."""
    chosen = trained(predictor).sel(perturbation="noise", output="logits", statistic="mean")
    datasets, names = datasets_and_networks(chosen)
    if not names:
        return note_figure("no trained network was measured")
    figure, axes = panels_with_strips(datasets, len(names), [True, False, False, False], row_height=1.25)
    for column, dataset in zip(axes.T, datasets, strict=True):
        draw_column(column, chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset)), names)
    for axis, title in zip(axes[1:, 0], TITLES, strict=True):
        axis.set_ylabel(title)
    for axis in axes[1:3, 0]:
        axis.set_ylim(-0.04, 1.04)
    figure.align_ylabels(axes[1:, 0])
    meanings = [
        Line2D([], [], color=GREY, linestyle="none", label=r"bump of $G_f/r^2$", **BUMP),
        Line2D([], [], color=GREY, linestyle="none", marker="o", label="10 % changed", **ONSET),
        Line2D([], [], color=GREY, label="label changed"),
        Line2D([], [], color=GREY, label="label wrong", **WRONG),
    ]
    legend_below(figure, [*network_handles(names), *meanings])
    return figure


def draw_column(column: np.ndarray[Any, Any], checkpoints: xr.Dataset, names: list[str]) -> None:
    """Strip, probability, labels and entropy of one data set."""
    strip, probability, labels, entropy = column
    bumps = positions(checkpoints, "bump_position")
    for found, style in ((bumps, BUMP), (positions(checkpoints, "onset"), ONSET)):
        for (_, network), mean in found.items():
            mark_position(strip, names.index(network), mean.value, mean.standard_error, **style)
    known = bool(checkpoints.probability_true.notnull().any())
    draw_lines(probability, checkpoints, "probability_true" if known else "probability_reference", names, bumps)
    if not known:
        probability.text(0.04, 0.06, OF_IMAGE, transform=probability.transAxes, fontsize=7)
    draw_lines(labels, checkpoints, "label_changed", names, bumps)
    draw_lines(labels, checkpoints, "wrong_label", names, {}, **WRONG)
    draw_lines(entropy, checkpoints, "entropy", names, bumps)


def draw_lines(axis: Axes, checkpoints: xr.Dataset, name: str, names: list[str], bumps: Groups, **style: Any) -> None:
    """A variable of every network, with a tick on its line at the bump."""
    r = radii(checkpoints)
    for group, mean in averages(checkpoints, name).items():
        look = {**line_style(names.index(group[1])), **SMALL, **style}
        band(axis, r[group], mean.value, mean.standard_error, **look)
        if group in bumps:
            log_bump = float(bumps[group].value)
            height = np.interp(log_bump, np.log10(r[group]), mean.value)
            axis.plot(10**log_bump, height, color=look["color"], linestyle="none", zorder=4, **BUMP)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
