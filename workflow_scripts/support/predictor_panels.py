"""What figures of the predictor around the images have in common: strips of positions, a panel for each network and data set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from workflow_scripts.support.plotting import PAGE_WIDTH, label, line_style, panels

PAGE_HEIGHT = 8.6  # inches for panels, as far as they are not too small then
COLUMNS = 4  # of panels for each network and data set
STRIP_LINE = 0.11  # inches of a network in a strip
DASHES: dict[str, Any] = {"bilinear": "-", "bicubic": (0, (4, 1.5)), "gaussian": (0, (1, 1))}
NOISE_NORM = r"noise norm $r = \|\eta\|$"
NORM = r"norm $r$"
SMALL: dict[str, Any] = {"markersize": 2.4, "linewidth": 0.9, "markeredgewidth": 0.5}


def panels_with_strips(
    datasets: Sequence[str], networks: int, strips: Sequence[bool], *, row_height: float
) -> tuple[Figure, np.ndarray[Any, np.dtype[np.object_]]]:
    """A column for each data set over one logarithmic axis of r; rows marked in `strips` are low, with a line for each network.

    Returns:
        figure; axes (row, data set).
    """
    heights = [0.1 + STRIP_LINE * networks if strip else row_height for strip in strips]
    width = min(PAGE_WIDTH, 1.0 + 2.6 * len(datasets))
    options: dict[str, Any] = {"sharex": "col", "sharey": "row", "height_ratios": heights}
    figure, axes = panels(len(strips), len(datasets), width=width, row_height=sum(heights) / len(strips) + 0.1, **options)
    for column, dataset in zip(axes.T, datasets, strict=True):
        column[0].set_title(label(dataset))
        column[-1].set(xscale="log", xlabel=NOISE_NORM)
        column[-1].xaxis.set_major_locator(LogLocator(numticks=6))
    for axis in axes[np.array(strips)].ravel():
        axis.set(ylim=(networks - 0.4, -0.6), yticks=[])
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.tick_params(axis="x", which="both", length=0)
    return figure, axes


def mark_position(axis: Axes, line: int, log10_position: xr.DataArray, log10_error: xr.DataArray, **style: Any) -> None:
    """Mark an r and its standard error on a line of a strip, in the style of the network of that index."""
    error = float(log10_error.fillna(0))
    middle, low, high = (10 ** (float(log10_position) + shift) for shift in (0, -error, error))
    look = {**line_style(line), "markersize": 4, "markeredgewidth": 0.8, "elinewidth": 0.9, **style}
    axis.errorbar(middle, line, xerr=[[middle - low], [high - middle]], **look)


def paired_panels(
    pairs: Sequence[tuple[str, str]], datasets: Sequence[str]
) -> tuple[Figure, dict[tuple[str, str], Axes], dict[str, Axes]]:
    """Panels for each (data set, network), at most four in a row, below them one for each data set; both with titles.

    Returns:
        figure; axes of the pairs; axes of the data sets.
    """
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    total = rows + -(-len(datasets) // columns)
    height = min(1.85, max(1.4, PAGE_HEIGHT / total))
    figure, axes = panels(total, columns, width=min(PAGE_WIDTH, 1.0 + 2.6 * columns), row_height=height)
    upper, lower = list(axes[:rows].ravel()), list(axes[rows:].ravel())
    for spare in (*upper[len(pairs) :], *lower[len(datasets) :]):
        spare.remove()
    of_pairs, of_datasets = dict(zip(pairs, upper, strict=False)), dict(zip(datasets, lower, strict=False))
    for (dataset, network), axis in of_pairs.items():
        axis.set_title(f"{label(dataset)}\n{label(network)}", fontsize=7)
    for dataset, axis in of_datasets.items():
        axis.set_title(label(dataset))
    return figure, of_pairs, of_datasets


def finish_block(axes: Iterable[Axes], *, xlabel: str, ylabel: str) -> None:
    """Give panels that fill rows of four the same axes, labelled at the left and at the bottom of the block only."""
    block = list(axes)
    columns = min(COLUMNS, len(block))
    for place, axis in enumerate(block):
        left, lowest = place % columns == 0, place + columns >= len(block)
        if place:
            axis.sharex(block[0])
            axis.sharey(block[0])
        axis.tick_params(which="both", labelleft=left, labelbottom=lowest)
        axis.set(xlabel=xlabel if lowest else "", ylabel=ylabel if left else "")
    for axis in block:
        axis.autoscale()
        if axis.get_yscale() == "log":
            axis.yaxis.set_major_locator(LogLocator(numticks=6))


def network_handles(names: Sequence[str]) -> list[Line2D]:
    """Legend entries of networks, whose order sets their colours and markers."""
    return [Line2D([], [], label=label(name), **line_style(index)) for index, name in enumerate(names)]


def pairs_in_order(groups: Mapping[tuple[str, str], Any], datasets: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs (data set, network) that there are: by data set, then by network, in the given orders."""
    return [(dataset, network) for dataset in datasets for network in names if (dataset, network) in groups]
