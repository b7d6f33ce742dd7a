"""Draw the puzzle of the image size: the bump of G/r² against the norm r and against the noise per pixel, for all sizes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.predictor_averages import positions, radii, stability_per_square
from workflow_scripts.diffeo.run_averages import Groups, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    label,
    legend_below,
    network_order,
    note_figure,
    panels,
    plain_log_ticks,
    save_figure,
)

ENLARGED = "_enlarged"  # a data set of this ending holds the images of the data set without it, resampled to more pixels
MARK: dict[str, Any] = {"marker": "o", "markersize": 4, "elinewidth": 0.9, "capsize": 2, "zorder": 3}
MARKED: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 0.9}
AXES = ((r"norm $r = \|\eta\|$", 0.0), (r"noise per pixel $r/\sqrt{d}$", 0.5))  # label, power of d that divides r
Group = tuple[str, str]


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Left against r, right against the noise per pixel; above G/r² over its linear value, below the positions of the bumps."""
    chosen = trained(predictor)
    groups = sorted_groups(chosen)
    if not groups or "noise" not in chosen.perturbation.values:
        return note_figure("no trained network was measured along noise")
    chosen = chosen.sel(perturbation="noise")
    logits = chosen.sel(output="logits", statistic="mean")
    pixels = dict(zip(chosen.dataset.values.tolist(), chosen.pixels.values.tolist(), strict=True))
    colours = colours_of(sorted(set(pixels.values())))
    rows = 0.14 * len(groups) + 0.1
    options: dict[str, Any] = {"height_ratios": (2.0, rows), "sharex": "col", "sharey": "row"}
    figure, axes = panels(2, 2, row_height=(2.4 + rows) / 2, **options)
    curves, radius = stability_per_square(logits, relative=True), radii(chosen)
    bumps = positions(logits, "bump_position")
    for column, (title, power) in zip(axes.T, AXES, strict=True):
        for group in groups:
            size = pixels[group[0]]
            column[0].plot(radius[group] / size**power, 10 ** curves[group].value, color=colours[size], linewidth=0.9, alpha=0.8)
        column[0].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        column[0].set(xscale="log", yscale="log")
        draw_bumps(column[1], groups, bumps, pixels, colours, power)
        column[1].set(xlabel=title)
    axes[0, 0].set_ylabel(r"$G_f/r^2$ over its linear value")
    keep_top_in_view(axes[0, 0], curves)
    plain_log_ticks(axes[0, 0].yaxis)
    axes[1, 0].set_yticks(range(len(groups)), [f"{label(dataset)}, {label(network)}" for dataset, network in groups])
    axes[1, 0].set_ylim(len(groups) - 0.4, -0.6)
    finish(figure, colours, any(partner(group) in groups for group in groups))
    return figure


def sorted_groups(chosen: xr.Dataset) -> list[Group]:
    """Pairs (data set, network) by the size of the images, then by data set, networks in their usual order."""
    order = network_order(chosen.network.values, chosen.architecture.values)
    names = (chosen[name].values.tolist() for name in ("pixels", "dataset", "network"))
    found = {(int(size), dataset, order.index(network), network) for size, dataset, network in zip(*names, strict=True)}
    return [(dataset, network) for _, dataset, _, network in sorted(found)]


def colours_of(sizes: list[int]) -> dict[int, Any]:
    """A colour for each number of pixels, from dark for the smallest to light for the largest."""
    scale = matplotlib.colormaps["viridis"]
    return {size: scale(place) for size, place in zip(sizes, np.linspace(0, 0.82, len(sizes)), strict=True)}


def draw_bumps(
    axis: Axes, groups: list[Group], bumps: Groups, pixels: Mapping[str, int], colours: Mapping[int, Any], power: float
) -> None:
    """A row for each pair of `groups`: the position of its bump, or that it has none; a line joins the two sizes of an image."""
    axis.spines["left"].set_visible(False)
    axis.tick_params(axis="y", length=0)
    places = {
        group: 10 ** float(average.value) / pixels[group[0]] ** power for group, average in bumps.items() if group in groups
    }
    for row, group in enumerate(groups):
        axis.axhline(row, color="#DDDDDD", linewidth=0.5, zorder=0)
        if group not in places:
            text: dict[str, Any] = {"fontsize": 6, "color": GREY, "va": "center", "bbox": {"color": "white", "pad": 0.5}}
            axis.text(0.01, row, "no bump", transform=axis.get_yaxis_transform(), **text)
            continue
        middle, spread = places[group], 10 ** float(bumps[group].standard_error.fillna(0))
        error = [[middle - middle / spread], [middle * spread - middle]]
        axis.errorbar(middle, row, xerr=error, color=colours[pixels[group[0]]], **MARK)
        other = partner(group)
        if other in places:
            axis.plot([middle, places[other]], [row, groups.index(other)], color=GREY, linewidth=0.8, zorder=2)


def partner(group: Group) -> Group | None:
    """The same network on the images before their enlargement, if `group` is on enlarged ones."""
    dataset, network = group
    return (dataset.removesuffix(ENLARGED), network) if dataset.endswith(ENLARGED) else None


def keep_top_in_view(axis: Axes, curves: Groups) -> None:
    """Limit the y axis to what is near the linear regime and the bumps; where noise swamps the images curves fall as 1/r²."""
    highest = max(float(average.value.max()) for average in curves.values())
    lowest = min(float(average.value.min()) for average in curves.values())
    axis.set_ylim(10 ** max(-1.5, lowest - 0.1), 10 ** (highest + 0.1))


def finish(figure: Figure, colours: Mapping[int, Any], paired: bool) -> None:
    """The legend."""
    handles = [Line2D([], [], color=colour, label=f"$d$ = {size} pixels", **MARKED) for size, colour in colours.items()]
    if paired:
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, label="the same network, images enlarged"))
    legend_below(figure, handles)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
