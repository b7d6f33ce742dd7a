"""Draw the test error of all trained networks against their R, D and G, with the fitted and the published power law."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.error_relation import ALL, PUBLISHED_EXPONENT, PUBLISHED_PREFACTOR
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    FAMILIES,
    GREY,
    family,
    few_log_ticks,
    label,
    legend_below,
    line_style,
    log_band,
    note_figure,
    panels,
    save_figure,
)

QUANTITIES = {"R": "relative stability $R_f$", "D": "deformations $D_f$", "G": "noise $G_f$"}
PUBLISHED: dict[str, Any] = {"color": "black", "linestyle": (0, (4, 2)), "linewidth": 1.0}
FITTED: dict[str, Any] = {"color": GREY, "linestyle": "-", "linewidth": 1.2}
NARROWEST = 6.0  # an axis then has two numbers of 1, 2, 5 at least


def main(relation: Path, svg: Path, png: Path) -> None:
    """Draw all data sets with trained networks."""
    save_figure(draw(read_dataset(relation)), svg, png)


def draw(relation: xr.Dataset) -> Figure:
    """A row for each data set, a column for each of R, D, G; fits are those of all points, numbers above a panel theirs."""
    datasets = sorted(set(relation.point_dataset.values.tolist()))
    if not datasets:
        return note_figure("No trained network has a known test error.")
    figure, grid = panels(len(datasets), len(QUANTITIES), row_height=2.0, sharex="col", sharey="row")
    for axes, dataset in zip(grid, datasets, strict=True):
        points = relation.isel(point=np.flatnonzero(relation.point_dataset == dataset))
        for axis, quantity in zip(axes, QUANTITIES, strict=True):
            draw_points(axis, points.sel(quantity=quantity))
        axes[0].set_ylabel(f"{label(dataset)}\ntest error")
    for axis, name in zip(grid[-1], QUANTITIES.values(), strict=True):
        axis.set_xlabel(name)
    for axis in grid.ravel():
        widen(axis)
    for axes, dataset in zip(grid, datasets, strict=True):  # when all limits are known
        for axis, quantity in zip(axes, QUANTITIES, strict=True):
            draw_laws(axis, relation.sel(dataset=dataset, selection=ALL, quantity=quantity))
            few_log_ticks(axis)
    legend_below(figure, network_entries(relation))
    laws = law_entries(relation)
    figure.legend(handles=laws, loc="outside upper center", ncols=len(laws), handlelength=2.6)
    return figure


def draw_points(axis: Axes, points: xr.Dataset) -> None:
    """The points of one quantity with their errors; an arrow down where no test image is misclassified."""
    for place in range(points.sizes["point"]):
        point = points.isel(point=place)
        x, y = point.stability.item(), point.test_error.item()
        axis.errorbar(
            x,
            y,
            xerr=on_both_sides(x, point.log10_stability_standard_error.item()),
            yerr=on_both_sides(y, point.log10_test_error_standard_error.item()),
            uplims=not point.misclassified,
            elinewidth=0.6,
            markersize=4.5,
            markeredgewidth=0.8,
            **point_style(point),
        )
    axis.set(xscale="log", yscale="log")
    axis.margins(0.12)


def widen(axis: Axes) -> None:
    """Make both axes span a factor of `NARROWEST` at least."""
    for low, high, set_limits in ((*axis.get_xlim(), axis.set_xlim), (*axis.get_ylim(), axis.set_ylim)):
        factor = max(1.0, NARROWEST * low / high) ** 0.5
        set_limits(low / factor, high * factor)


def on_both_sides(value: float, log10_error: float) -> list[list[float]]:
    """Lengths of the error bar of a number from the standard error of its log10."""
    return [[value * (1 - 10**-log10_error)], [value * (10**log10_error - 1)]]


def point_style(point: xr.Dataset) -> dict[str, Any]:
    """Colour and marker of the family of the network; filled at its largest P."""
    style = line_style(family(point.point_architecture.item()))
    face = style["color"] if point.of_largest_train_size else "white"
    return {**style, "markerfacecolor": face, "linestyle": "none"}


def draw_laws(axis: Axes, fit: xr.Dataset) -> None:
    """The fit with one standard error on both sides, the published law of R, and exponent and rank correlation as title."""
    limits = axis.get_xlim(), axis.get_ylim()
    low, high = np.log10(limits[0])
    x = np.linspace(low, high, 50)
    if np.isfinite(fit.exponent):
        of_slope = fit.exponent_standard_error.item() ** 2 * x**2 + 2 * fit.log10_prefactor_exponent_covariance.item() * x
        variance = np.maximum(fit.log10_prefactor_standard_error.item() ** 2 + of_slope, 0)
        log_band(axis, 10**x, np.log10(fit.prefactor.item()) + fit.exponent.item() * x, np.sqrt(variance), zorder=0.5, **FITTED)
    if fit.quantity == "R":
        axis.plot(10**x, PUBLISHED_PREFACTOR * 10 ** (PUBLISHED_EXPONENT * x), zorder=0.6, **PUBLISHED)
    axis.set(xlim=limits[0], ylim=limits[1])
    axis.set_title(in_words(fit), fontsize=7)


def in_words(fit: xr.Dataset) -> str:
    """Exponent with its error and rank correlation, as far as they are known."""
    exponent, error, order = (fit[name].item() for name in ("exponent", "exponent_standard_error", "rank_correlation"))
    parts = [f"b = {exponent:.2f} ± {error:.2f}"] if np.isfinite(exponent) else []
    parts += [f"ρ = {order:.2f}"] if np.isfinite(order) else []
    return ", ".join(parts).replace("-", "−") or f"{fit.networks.item()} networks: no fit"


def network_entries(relation: xr.Dataset) -> list[Line2D]:
    """Families of networks, and what is hollow where something is."""
    entries = []
    for place in sorted(set(map(family, relation.point_architecture.values.tolist()))):
        name = label(FAMILIES[place]) if place < len(FAMILIES) else "other"
        entries.append(Line2D([], [], label=name, linestyle="none", **line_style(place)))
    if not relation.of_largest_train_size.all():
        for name, face in (("largest P", GREY), ("smaller P", "white")):
            entries.append(Line2D([], [], label=name, color=GREY, marker="o", markerfacecolor=face, linestyle="none"))
    return entries


def law_entries(relation: xr.Dataset) -> list[Line2D]:
    """The fit, where there is one, and the published law."""
    published = Line2D([], [], label="0.2 √R (Petrini et al. 2021, CIFAR-10)", **PUBLISHED)
    fitted = Line2D([], [], label="fit $a\\,q^b$ ± one standard error, q = R, D or G", **FITTED)
    return [fitted, published] if relation.exponent.sel(selection=ALL).notnull().any() else [published]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
