"""Draw R, D, G and the test error of simple local models against their numbers of channels, edges of filters and of poolings."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from workflow_scripts.diffeo.configured_pairs import Measure, of_logits
from workflow_scripts.diffeo.local_model_averages import against
from workflow_scripts.diffeo.network_options import local_models
from workflow_scripts.diffeo.run_averages import at_strength, dataset_with_most, initial, log10_with_error, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    INITIAL,
    MARKERS,
    TRAINED,
    label,
    legend_below,
    log_band,
    panels,
    plain_log_ticks,
    save_figure,
)

NUMBERS = {"channels": "channels $h$", "filter_size": "filter size $f_s$ (px)", "pool_size": "pooling size $p_s$ (px)"}
CONNECTIONS = {False: ("convolutional", COLOURS[0]), True: ("locally connected", COLOURS[3])}
POOLINGS = ("max", "average")
READ_OUT: dict[str, Any] = {"linestyle": (0, (1, 1.2)), "linewidth": 1.4, "markerfacecolor": "#BBBBBB"}


def test_error(checkpoints: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Logarithm of the test error with its error over test images."""
    return log10_with_error(*(checkpoints[name].sel(split="test", drop=True) for name in ("error", "error_standard_error")))


class State(NamedTuple):
    """What was trained, which checkpoints that are, and their style."""

    name: str
    select: Callable[[xr.Dataset], xr.Dataset]
    parts: tuple[str, ...]
    style: dict[str, Any]


STATES = (
    State("initialisation", initial, ("all", "readout"), {**INITIAL, "markerfacecolor": "white"}),
    State("read-out trained", trained, ("readout",), READ_OUT),
    State("whole net trained", trained, ("all",), TRAINED),
)
QUANTITIES: dict[str, tuple[str, Measure]] = {
    "R": ("relative stability $R_f$", of_logits("R")),
    "D": ("deformations $D_f$", of_logits("D")),
    "G": ("noise $G_f$", of_logits("G")),
    "error": ("test error", test_error),
}


def main(summary: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Draw at the displacement and interpolation of `settings`."""
    save_figure(draw(read_dataset(summary), settings), svg, png)


def draw(summary: xr.Dataset, settings: dict[str, Any]) -> Figure:
    """A row for each number that varies, a column for each known quantity; lines are means over seeds and other numbers."""
    models = local_models(at_strength(summary, **settings))
    dataset = dataset_with_most(models)
    models = models.isel(checkpoint=np.flatnonzero(models.dataset == dataset))
    numbers = [name for name in NUMBERS if len(np.unique(models[name])) > 1] or ["pool_size"]
    quantities = [entry for name, entry in QUANTITIES.items() if np.isfinite(models[name]).any()]
    figure, grid = panels(len(numbers), len(quantities), row_height=1.75, sharex="row", sharey="col")
    for axes, number in zip(grid, numbers, strict=True):
        for axis, (_, measure) in zip(axes, quantities, strict=True):
            for members, style in series(models):
                curve = against(members, number, measure)
                log_band(axis, curve.x, np.where(np.isfinite(curve.value), curve.value, np.nan), curve.standard_error, **style)
            axis.set_xlabel(NUMBERS[number])
        finish(axes, np.unique(models[number]))
    for axis, (name, _) in zip(grid[0], quantities, strict=True):
        axis.set_title(name)
    for axis in grid[:, 0]:
        axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axis.set_ylabel(label(dataset))
    legend_below(figure, legend_entries(models))
    return figure


def series(models: xr.Dataset) -> Iterator[tuple[xr.Dataset, dict[str, Any]]]:
    """The checkpoints and style of each line, where there are any."""
    for (connected, pooling), state in product(product(CONNECTIONS, POOLINGS), STATES):
        kind = (models.locally_connected == connected) & (models.pooling == pooling) & models.trained.isin(state.parts)
        members = state.select(models.isel(checkpoint=np.flatnonzero(kind)))
        if members.sizes["checkpoint"]:
            yield members, {"color": CONNECTIONS[connected][1], "marker": marker(connected, pooling), **state.style}


def marker(connected: bool, pooling: str) -> str:
    """Circles and triangles for shared filters (max, average), squares and diamonds for others."""
    return MARKERS[2 * POOLINGS.index(pooling) + connected]


def finish(axes: Any, values: Any) -> None:
    """Logarithmic axes with the values of the models as ticks."""
    axis: Axes
    for axis in axes:
        axis.set(xscale="log", yscale="log", xlim=(values[0] / 1.25, values[-1] * 1.25))
        axis.xaxis.set_major_locator(FixedLocator(values))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(ScalarFormatter())
        plain_log_ticks(axis.yaxis)


def legend_entries(models: xr.Dataset) -> list[Line2D]:
    """Kinds of models by colour and marker, what was trained by line style."""
    kinds = sorted(set(zip(models.locally_connected.values.tolist(), models.pooling.values.tolist(), strict=True)))
    several = len({pooling for _, pooling in kinds}) > 1
    entries = []
    for connected, pooling in sorted(kinds, key=lambda kind: (kind[0], POOLINGS.index(kind[1]))):
        name, colour = CONNECTIONS[connected]
        style: dict[str, Any] = {"color": colour, "marker": marker(connected, pooling), "linestyle": "none"}
        entries.append(Line2D([], [], label=f"{name}, {pooling} pooling" if several else name, **style))
    return entries + [Line2D([], [], label=state.name, color=GREY, marker="o", **state.style) for state in STATES]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
