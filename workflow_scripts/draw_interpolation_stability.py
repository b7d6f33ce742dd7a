"""Draw R of each interpolation against the norm r and against the displacement, a column for each data set."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.predictor_averages import log_averages, radii
from workflow_scripts.diffeo.run_averages import trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    PAGE_WIDTH,
    datasets_and_networks,
    label,
    legend_below,
    line_style,
    log_band,
    note_figure,
    panels,
    plain_log_ticks,
    save_figure,
)
from workflow_scripts.support.predictor_panels import DASHES, NORM, SMALL, network_handles


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Lines are geometric means over seeds, bands one standard error; above against r, below against δ."""
    chosen = trained(predictor).sel(output="logits", statistic="mean")
    chosen = chosen.isel(perturbation=np.flatnonzero(chosen.kind == "diffeo"))
    datasets, names = datasets_and_networks(chosen)
    if not names:
        return note_figure("no trained network was measured")
    width = min(PAGE_WIDTH, 1.0 + 2.6 * len(datasets))
    figure, axes = panels(2, len(datasets), width=width, row_height=2.0, sharey=True)
    for column, dataset in zip(axes.T, datasets, strict=True):
        draw_column(column, chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset)), names)
        column[0].set_title(label(dataset))
    for axis in axes[:, 0]:
        axis.set_ylabel("relative stability\n$R_f = D_f/G_f$")
    used = [name for name in DASHES if name in chosen.interpolation.values]
    dashes = [Line2D([], [], color=GREY, linestyle=DASHES[name], label=name) for name in used]
    legend_below(figure, [*network_handles(names), *dashes])
    return figure


def draw_column(column: Any, checkpoints: xr.Dataset, names: list[str]) -> None:
    """One data set: all networks and interpolations."""
    displacement, r = checkpoints.displacement.mean("checkpoint"), radii(checkpoints)
    for group, mean in log_averages(checkpoints, "relative_stability").items():
        for place, interpolation in enumerate(checkpoints.interpolation.values.tolist()):
            value, error = (numbers.isel(perturbation=place) for numbers in mean[:2])
            style = {**line_style(names.index(group[1])), **SMALL, "linestyle": DASHES[interpolation]}
            style |= {} if interpolation == "bilinear" else {"marker": "none"}
            log_band(column[0], r[group].isel(perturbation=place), value, error, **style)
            log_band(column[1], displacement, value, error, **style)
    smallest = (smallest_usable(checkpoints, name) for name in ("r", "displacement"))
    for axis, title, usable in zip(column, (NORM, r"displacement $\delta$ (px)"), smallest, strict=True):
        finish_axis(axis, title, usable)


def smallest_usable(checkpoints: xr.Dataset, name: str) -> float | None:
    """The r or δ from which on all interpolations agree for every network; NaN for never, None if one alone was measured."""
    measured = np.flatnonzero(checkpoints.agreement_ratio.notnull().any(["checkpoint", "strength"]))
    return float(checkpoints[f"agreement_{name}"].isel(pair=measured).max(skipna=False)) if len(measured) else None


def finish_axis(axis: Axes, title: str, usable: float | None) -> None:
    """Logarithmic axes with plain numbers, the line at R = 1 and the smallest x at which the interpolation does not matter."""
    axis.set(xscale="log", yscale="log", xlabel=title)
    plain_log_ticks(axis.xaxis, [1.0, 3.0])
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    if usable is not None:
        found = np.isfinite(usable)
        axis.text(0.03, 0.03, f"agree from {usable:.3g}" if found else "never agree", transform=axis.transAxes, fontsize=6)
        if found:
            axis.axvline(usable, color=GREY, linewidth=0.8, zorder=0)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
