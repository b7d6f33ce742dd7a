"""Draw the distances to the decision boundary along noise and deformations beside the bump of G/r², a panel for each data set."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workflow_scripts.diffeo.predictor_averages import positions
from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    label,
    legend_below,
    network_order,
    note_figure,
    save_figure,
    wrapped_panels,
)

ROW = 0.5  # inches of a network
HEIGHT = 0.78  # of the highest bar, in rows
SCALE = 0.1  # fraction of directions that the scale bar stands for
BUMP: dict[str, Any] = {"marker": "D", "color": "black", "markersize": 3.5, "capsize": 2, "elinewidth": 0.9}
ONSET: dict[str, Any] = {**BUMP, "marker": "o", "markerfacecolor": "white", "markersize": 4}
MEDIAN: dict[str, Any] = {"color": "black", "linewidth": 0.9}
DIFFEO: dict[str, Any] = {"linestyle": (0, (3, 1.5)), "linewidth": 0.8}


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Rows are networks: the histogram along noise is filled, that along deformations dashed, all on one scale."""
    chosen = shown(trained(predictor))
    names = network_order(chosen.network.values, chosen.architecture.values)
    datasets = sorted(set(chosen.dataset.values.tolist()))
    if not datasets or not chosen.sizes["perturbation"]:
        return note_figure("no trained network was measured along noise or deformations")
    columns = min(3, len(datasets))
    by_dataset = {name: chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == name)) for name in datasets}
    counts = [len(set(here.network.values.tolist())) for here in by_dataset.values()]
    heights = [max(counts[start : start + columns]) for start in range(0, len(datasets), columns)]
    options: dict[str, Any] = {"height_ratios": heights, "sharex": True}
    row_height = ROW * sum(heights) / len(heights) + 0.4
    figure, axes, lowest = wrapped_panels(len(datasets), columns=columns, row_height=row_height, **options)
    top = max(SCALE, float(chosen.flip_histogram.max()))
    for place, (axis, (dataset, here)) in enumerate(zip(axes, by_dataset.items(), strict=True)):
        rows = heights[place // columns]
        axis.set(title=label(dataset), xscale="log", ylim=(-0.35, rows - 0.1), yticks=[])
        axis.spines["left"].set_visible(False)
        present = set(here.network.values.tolist())
        for row, network in enumerate(name for name in names if name in present):
            mine = here.isel(checkpoint=np.flatnonzero(here.network == network))
            draw_row(axis, mine, rows - 1 - row, top, COLOURS[names.index(network) % len(COLOURS)])
    axes[0].set_xlim(*limits(chosen))
    for axis in lowest:
        axis.set_xlabel("norm $r$ at which the label changes")
    for axis in axes[::columns]:
        add_scale(axis, top)
    finish(figure, chosen)
    return figure


def draw_row(axis: Axes, checkpoints: xr.Dataset, base: float, top: float, colour: str) -> None:
    """One network on one data set: on a line at `base`, histograms (`HEIGHT` high where they are `top`) and marks."""
    network, edges = checkpoints.network.values[0], np.append(checkpoints.bin_low, checkpoints.bin_high[-1])
    axis.axhline(base, color=GREY, linewidth=0.5, zorder=1)
    noise, diffeo = along(checkpoints, "noise"), along(checkpoints, diffeo_of(checkpoints))
    lines = []
    if diffeo is not None:
        axis.stairs(base + HEIGHT * fractions(diffeo) / top, edges, baseline=None, color=colour, zorder=3, **DIFFEO)
        lines.append(f"τ {never(diffeo)}")
    if noise is not None:
        bars = base + HEIGHT * fractions(noise) / top
        axis.stairs(bars, edges, baseline=base, fill=True, color=colour, alpha=0.35, linewidth=0, zorder=2)
        draw_marks(axis, noise, base, bars, edges)
        lines.insert(0, f"η {never(noise)}")
    text: dict[str, Any] = {"transform": axis.get_yaxis_transform(), "fontsize": 6.5, "va": "top", "linespacing": 1.3}
    axis.text(0.01, base + HEIGHT, f"{label(str(network))}\nnever: {', '.join(lines)}", **text)


def draw_marks(axis: Axes, noise: xr.Dataset, base: float, bars: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> None:
    """Median of the histogram, bump of G/r² and onset of misclassification, as far as there are."""
    mean_of_logits = noise.sel(output="logits", statistic="mean")
    for found, height, style in (
        (positions(mean_of_logits, "bump_position"), base, BUMP),
        (positions(noise, "onset"), base - 0.15, ONSET),
    ):
        for average in found.values():
            middle, low, high = (10 ** float(average.value + side * average.standard_error.fillna(0)) for side in (0, -1, 1))
            axis.errorbar(middle, height, xerr=[[middle - low], [high - middle]], zorder=5, **style)
    for average in positions(noise, "flip_median").values():
        middle = 10 ** float(average.value)
        bar = int(np.clip(np.searchsorted(edges, middle) - 1, 0, len(bars) - 1))
        axis.plot([middle, middle], [base, max(bars[bar], base + 0.3)], zorder=4, **MEDIAN)


def along(checkpoints: xr.Dataset, perturbation: str | None) -> xr.Dataset | None:
    """The rows along one perturbation, if it was measured."""
    return checkpoints.sel(perturbation=perturbation) if perturbation in checkpoints.perturbation.values else None


def diffeo_of(checkpoints: xr.Dataset) -> str | None:
    """The deformations to draw: bilinear ones, which act on the images that the noise acts on, or the first others."""
    names = checkpoints.perturbation.values[checkpoints.kind.values == "diffeo"].tolist()
    return "diffeo_bilinear" if "diffeo_bilinear" in names else next(iter(names), None)


def shown(checkpoints: xr.Dataset) -> xr.Dataset:
    """The perturbations that are drawn."""
    names = ("noise", diffeo_of(checkpoints))
    return checkpoints.sel(perturbation=[name for name in names if name in checkpoints.perturbation.values])


def mean_over_runs(values: xr.DataArray) -> xr.DataArray:
    """Mean over the runs of the one network that `values` belong to."""
    groups: Groups = average_over_runs(values, xr.zeros_like(values))
    return next(iter(groups.values())).value


def fractions(checkpoints: xr.Dataset) -> np.ndarray[Any, Any]:
    """Fraction of directions in each bin."""
    return np.asarray(mean_over_runs(checkpoints.flip_histogram))


def never(checkpoints: xr.Dataset) -> str:
    """Percentage of directions along which the label never changes."""
    return f"{100 * (1 - float(mean_over_runs(checkpoints.flip_fraction))):.0f} %"


def limits(chosen: xr.Dataset) -> tuple[float, float]:
    """Limits of r: the bins that are not nearly empty, with room for text on the left."""
    full = np.flatnonzero((chosen.flip_histogram > 0.01).any(["checkpoint", "perturbation"]))
    if not len(full):
        return 0.1, 100.0
    return float(chosen.bin_low[full[0]]) / 10, float(chosen.bin_high[full[-1]]) * 1.3


def add_scale(axis: Axes, top: float) -> None:
    """A bar on the left that says how high a tenth of the directions is."""
    base = np.ceil(axis.get_ylim()[1]) - 1
    height = HEIGHT * SCALE / top
    axis.plot([-0.02, -0.02], [base, base + height], transform=axis.get_yaxis_transform(), clip_on=False, color="black")
    text: dict[str, Any] = {"rotation": 90, "fontsize": 6.5, "ha": "right", "va": "center"}
    axis.text(-0.04, base + height / 2, f"{100 * SCALE:.0f} %", transform=axis.get_yaxis_transform(), **text)


def finish(figure: Figure, chosen: xr.Dataset) -> None:
    """The legend."""
    marks = ((r"bump of $G_f/r^2$", BUMP), ("a tenth of the labels changed (η)", ONSET))
    points = [Line2D([], [], linestyle="none", label=name, **without_bars(style)) for name, style in marks]
    handles = [Patch(color=GREY, alpha=0.35, linewidth=0, label="along noise η"), Line2D([], [], label="median (η)", **MEDIAN)]
    name = diffeo_of(chosen)
    if name:
        handles.insert(1, Line2D([], [], color=GREY, label=f"along deformations τ ({name.removeprefix('diffeo_')})", **DIFFEO))
    legend_below(figure, [*handles, *points])


def without_bars(style: dict[str, Any]) -> dict[str, Any]:
    """The style of a mark without that of its error bar."""
    return {key: value for key, value in style.items() if key not in ("capsize", "elinewidth")}


if "snakemake" in globals():
    run(main, globals()["snakemake"])
