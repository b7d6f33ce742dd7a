"""Draw how much of the stability spatial and channel pooling account for, layer by layer, in deep networks."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.depth_profiles import SIMPLE, in_sequence
from workflow_scripts.diffeo.run_averages import average_over_runs, initial, trained
from workflow_scripts.diffeo.shuffle_averages import RECALIBRATED
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import networks_of_one_dataset
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    INITIAL,
    TRAINED,
    band,
    figure_of,
    legend_below,
    note_figure,
    panels_by_network,
    plain_log_ticks,
    save_figure,
)

SHARES: dict[str, tuple[str, dict[str, Any]]] = {
    "spatial_share": ("spatial pooling", {"color": COLOURS[0], "marker": "s"}),
    "channel_share": ("channel pooling", {"color": COLOURS[1], "marker": "^", "linestyle": (0, (1, 1))}),
}
SINGLES: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("one convolution shuffled: initialisation", initial, {**INITIAL, "marker": "o", "markerfacecolor": "white"}),
    ("one convolution shuffled: trained", trained, {**TRAINED, "marker": "o"}),
)
BARS: dict[str, Any] = {"color": COLOURS[5], "elinewidth": 0.8, "markersize": 3, "markeredgewidth": 0.6}
LIMITS = (-0.6, 1.6)  # shares beyond are not drawn
LARGEST_ERROR = 0.25  # nor are those known worse: where R is hardly below 1
ROWS = [r"share of $\log R_k$", "$R_f$ shuffled / standard"]
NO_SHARE = "$R_k$ is nowhere below 1"


def main(channel_shuffle: Path, svg: Path, png: Path) -> None:
    """Draw the last epoch of the runs, and of single convolutions the first as well."""
    save_figure(figure_of(draw, read_dataset(channel_shuffle)), svg, png)


def draw(table: xr.Dataset) -> Figure:
    """Two rows, a column for each deep network of one data set; lines are means over seeds, bands one standard error."""
    chosen = table.isel(checkpoint=np.flatnonzero(~table.architecture.isin(SIMPLE)))
    if not chosen.sizes["checkpoint"]:
        return note_figure("No deep network whose channels can be shuffled was measured.")
    networks = networks_of_one_dataset(chosen)
    figure, by_network = panels_by_network(list(networks), ROWS, row_height=1.8)
    for checkpoints, (shares, singles) in zip(networks.values(), by_network, strict=True):
        draw_shares(shares, trained(checkpoints))
        draw_singles(singles, checkpoints)
    legend_below(figure, legend_entries())
    return figure


def draw_shares(axis: Axes, checkpoints: xr.Dataset) -> None:
    """Both shares of log R_k of trained networks against the depth of the operation, where there are any."""
    axis.set_ylim(*LIMITS)
    for level in (0, 1):
        axis.axhline(level, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    if checkpoints.spatial_share.sel(variant=RECALIBRATED).isnull().all():
        axis.text(0.5, 0.5, NO_SHARE, transform=axis.transAxes, ha="center", va="center", color=GREY)
        return
    drawn = in_sequence(checkpoints.operation).values[0]
    depth = checkpoints.relative_depth.values[0, drawn]
    for name, (_, style) in SHARES.items():
        (mean,) = average_over_runs(checkpoints[name], checkpoints[f"{name}_standard_error"]).values()
        value, error = (part.sel(variant=RECALIBRATED).values[drawn] for part in mean[:2])
        value = np.where(error <= LARGEST_ERROR, value, np.nan)
        band(axis, depth, value, error, **{**style, "markersize": np.clip(60 / drawn.sum(), 1.8, 3.5)})


def draw_singles(axis: Axes, checkpoints: xr.Dataset) -> None:
    """R of the logits with one convolution shuffled over R of the network as it is, against the depth of the convolution."""
    axis.set_yscale("log")
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
    for _, select, style in SINGLES:
        selected = select(checkpoints)
        if selected.sizes["checkpoint"]:
            (mean,) = average_over_runs(selected.single_change, selected.single_change_standard_error).values()
            value, error = mean.value.values, mean.standard_error.values
            middle, low, high = (10 ** (value + side * error) for side in (0, -1, 1))
            axis.errorbar(selected.convolution_depth.values[0], middle, (middle - low, high - middle), **BARS, **style)
    plain_log_ticks(axis.yaxis, (1.0, 2.0, 5.0))


def legend_entries() -> list[Line2D]:
    """Shares by colour, single convolutions by line style."""
    entries = [Line2D([], [], label=name, **style) for name, style in SHARES.values()]
    return entries + [Line2D([], [], color=COLOURS[5], label=name, **style) for name, _, style in SINGLES]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
