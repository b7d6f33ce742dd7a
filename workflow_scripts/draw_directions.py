"""Draw stability/r² towards other images and along the worst direction beside the means, and Λ against λ."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.predictor_averages import averages, radii, stability_per_square
from workflow_scripts.diffeo.run_averages import trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    band,
    datasets_and_networks,
    legend_below,
    line_style,
    log_band,
    note_figure,
    save_figure,
)
from workflow_scripts.support.predictor_panels import (
    NORM,
    SMALL,
    finish_block,
    network_handles,
    paired_panels,
    pairs_in_order,
)

WORST: dict[str, Any] = {"linestyle": (0, (1, 1))}
NOISE, TOWARDS, DIFFEO = ({"color": colour} for colour in ("#E69F00", "#000000", "#0072B2"))
LINEAR: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (4, 2))}


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Lines are means over seeds (geometric ones, but for Λ), bands one standard error."""
    chosen = trained(predictor).sel(output="logits")
    datasets, names = datasets_and_networks(chosen)
    if not names:
        return note_figure("no trained network was measured")
    r, curves = radii(chosen), lines(chosen)
    figure, of_pairs, of_datasets = paired_panels(pairs_in_order(r, datasets, names), datasets)
    shares = {name: stability_per_square(chosen, name) for name in ("stability", "stability_worst")}
    for group, axis in of_pairs.items():
        axis.set(xscale="log", yscale="log")
        for perturbation, name, style in curves:
            mean, error = (numbers.sel(perturbation=perturbation) for numbers in shares[name][group][:2])
            log_band(axis, r[group].sel(perturbation=perturbation), mean, error, **style)
    for dataset, axis in of_datasets.items():
        draw_segments(axis, chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset)), names)
    finish_block(of_pairs.values(), xlabel=NORM, ylabel="stability$/r^2$")
    finish_block(of_datasets.values(), xlabel=r"fraction $\lambda$ of the way", ylabel=r"$\Lambda_f$")
    reference = Line2D([], [], label=r"$\lambda^2$ (linear $f$)", **LINEAR)
    legend_below(figure, [*(Line2D([], [], **style) for *_, style in curves), reference, *network_handles(names)])
    return figure


def lines(checkpoints: xr.Dataset) -> list[tuple[str, str, dict[str, Any]]]:
    """Perturbation, variable and style of every line, as far as measured."""
    measured = checkpoints.perturbation.values.tolist()
    diffeos = [name for name in ("diffeo_bilinear", "diffeo_bicubic", "diffeo_gaussian") if name in measured]
    directions = [("noise", "$G_f$", NOISE), *((name, "$D_f$", DIFFEO) for name in diffeos[:1])]
    found: list[tuple[str, str, dict[str, Any]]] = [("towards", "stability", {**TOWARDS, "label": "$G'_f$, to an image"})]
    for name, symbol, style in directions:
        found.append((name, "stability", {**style, "label": f"{symbol}, mean"}))
        found.append((name, "stability_worst", {**style, **WORST, "label": f"{symbol}, worst draw"}))
    return [line for line in found if line[0] in measured]


def draw_segments(axis: Axes, checkpoints: xr.Dataset, names: list[str]) -> None:
    """Λ of each network on one data set against λ; on top the mean norm r of the step."""
    fraction = checkpoints.segment_fraction.mean("checkpoint")
    axis.plot(fraction, fraction**2, **LINEAR, zorder=1)
    if "segment" not in checkpoints.perturbation.values:
        return
    segment = checkpoints.sel(perturbation="segment")
    for (_, network), mean in averages(segment, "stability").items():
        band(axis, fraction, mean.value, mean.standard_error, **{**line_style(names.index(network)), **SMALL})
    distance = float(segment.r.isel(strength=-1).mean())
    top = axis.secondary_xaxis("top", functions=(partial(np.multiply, distance), partial(np.multiply, 1 / distance)))
    top.set_xlabel(NORM, labelpad=2)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
