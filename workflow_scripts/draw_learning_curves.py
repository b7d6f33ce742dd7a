"""Draw R and the test error of trained networks against the number P of training images."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    PAGE_WIDTH,
    few_log_ticks,
    label,
    legend_below,
    line_style,
    log_band,
    network_order,
    note_figure,
    panels,
    plain_log_ticks,
    save_figure,
)

MANY = 3  # columns, in which there is less room for numbers
Curve = tuple[str, str, str]  # data set, network, recipe


def main(relation: Path, svg: Path, png: Path) -> None:
    """Draw all networks that were trained on several numbers of images."""
    save_figure(draw(read_dataset(relation)), svg, png)


def draw(relation: xr.Dataset) -> Figure:
    """R above, the test error below, a column for each data set; lines are geometric means over seeds, bands standard errors."""
    labels = (relation[f"curve_{name}"].values.tolist() for name in ("dataset", "network", "recipe"))
    curves: list[Curve] = list(zip(*labels, strict=True))
    if not curves:
        return note_figure("No network with a known test error was trained on several numbers of images.")
    datasets = sorted({dataset for dataset, *_ in curves})
    names = network_order(relation.curve_network.values.tolist(), relation.curve_architecture.values.tolist())
    kinds = sorted({curve[1:] for curve in curves}, key=lambda kind: (names.index(kind[0]), kind[1]))
    width = min(PAGE_WIDTH, 1.0 + 3.1 * len(datasets))
    figure, grid = panels(2, len(datasets), row_height=2.2, width=width, sharex="col", sharey="row")
    for curve in curves:
        draw_curve(grid[:, datasets.index(curve[0])], points_of(relation, curve), kinds.index(curve[1:]))
    for axes, dataset in zip(grid.T, datasets, strict=True):
        axes[0].axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes[0].set_title(label(dataset))
        axes[1].set_xlabel("number of training images $P$")
    for axis, name in zip(grid[:, 0], ("relative stability $R_f$", "test error"), strict=True):
        axis.set_ylabel(name)
    for axis in grid.ravel():
        few_log_ticks(axis)
        plain_log_ticks(axis.xaxis, (1.0, 2.0, 5.0) if len(datasets) < MANY else (1.0, 3.0))
    legend_below(figure, [Line2D([], [], label=in_words(kind, kinds), **line_style(row)) for row, kind in enumerate(kinds)])
    return figure


def points_of(relation: xr.Dataset, curve: Curve) -> xr.Dataset:
    """The points of a curve, P increasing."""
    labels = zip(*(relation[f"point_{name}"].values.tolist() for name in ("dataset", "network", "recipe")), strict=True)
    rows = [row for row, other in enumerate(labels) if other == curve]
    return relation.isel(point=sorted(rows, key=lambda row: relation.point_train_size.values[row]))


def draw_curve(axes: np.ndarray, points: xr.Dataset, place: int) -> None:
    """R and the test error of one curve in two panels."""
    of_r = points.sel(quantity="R")
    numbers = (
        (of_r.stability, of_r.log10_stability_standard_error),
        (points.test_error, points.log10_test_error_standard_error),
    )
    axis: Axes
    for axis, (value, error) in zip(axes, numbers, strict=True):
        log_band(axis, points.point_train_size, np.log10(value.values), error, **line_style(place))
        axis.set(xscale="log", yscale="log")


def in_words(kind: tuple[str, str], kinds: list[tuple[str, str]]) -> str:
    """The network, and its recipe where there are several."""
    recipes = [recipe for network, recipe in kinds if network == kind[0]]
    return f"{label(kind[0])}, {kind[1]}" if len(recipes) > 1 else label(kind[0])


if "snakemake" in globals():
    run(main, globals()["snakemake"])
