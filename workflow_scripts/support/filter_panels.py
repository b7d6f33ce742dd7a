"""Pictures of filters, side by side; what the figures of first layers share."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import NDArray

from workflow_scripts.diffeo.gabor import principal_pictures
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, open_dataset
from workflow_scripts.support.plotting import network_order

Array = NDArray[np.float64]
ENDS = ("initialisation", "trained")


def first_layers(files: Iterable[Path], architectures: Mapping[str, str]) -> dict[tuple[str, str], xr.Dataset]:
    """What the files say of first layers, at the first and the last epoch, by data set and network, without labels of the run.

    Of several runs, that with the largest training set, then the one first by recipe and seed. A file without a first layer of
    several pixels is left out. Networks are in the order of `network_order`; `architectures` maps their names.
    """
    found: dict[tuple[str, str], tuple[tuple[int, str, int], xr.Dataset]] = {}
    for path in files:
        with open_dataset(path) as measured:
            if "first_layer_filters" not in measured:
                continue
            labels = {name: measured[name].item() for name in RUN_DIMENSIONS}
            names = [name for name in measured if "filter" in measured[name].dims]
            ends = measured[names].squeeze(RUN_DIMENSIONS, drop=True).isel(epoch=[0, -1]).load()
        group, rank = (labels["dataset"], labels["network"]), (-labels["train_size"], labels["recipe"], labels["seed"])
        if group not in found or rank < found[group][0]:
            found[group] = rank, ends
    networks = [network for _, network in found]
    order = network_order(networks, [architectures[network] for network in networks])
    groups = sorted(found, key=lambda group: (order.index(group[1]), group[0]))
    return {group: found[group][1] for group in groups}


def pictures(filters: Array) -> Array:
    """Filters (filter, channel, k, k) as grey pictures (filter, k, k), or of three channels as coloured ones (filter, k, k, 3).

    From −1 to 1, each filter by its own largest weight. Of other numbers of channels, their combination with the largest norm.
    """
    shown = np.moveaxis(filters, 1, -1) if filters.shape[1] == 3 else principal_pictures(filters)
    largest = abs(shown).max(axis=tuple(range(1, shown.ndim)), keepdims=True)
    return np.asarray(shown / np.where(largest > 0, largest, 1))


def mosaic(axes: Axes, images: Array, columns: int) -> None:
    """Draw pictures of −1 (black) to 1 (white) in rows of so many, with white gaps."""
    rows, size = -(-len(images) // columns), images.shape[1]
    step = size + max(1, size // 5)
    canvas = np.full((rows * step, columns * step, *images.shape[3:]), 1.0)
    for place, image in enumerate(images):
        row, column = (step * number for number in divmod(place, columns))
        canvas[row : row + size, column : column + size] = image
    axes.imshow((canvas[: step * rows - step + size] + 1) / 2, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()
