"""What figures of the operations of networks have in common: panels for each network, and both states of it along its depth."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.depth_profiles import in_sequence, inside
from workflow_scripts.diffeo.run_averages import average_over_runs, initial, log10_with_error, trained
from workflow_scripts.support.plotting import (
    COLOURS,
    INITIAL,
    OPERATION_MARKERS,
    PAGE_WIDTH,
    TRAINED,
    label,
    log_band,
    operation_handles,
    panels,
    state_handles,
)

STATES: tuple[tuple[Callable[[xr.Dataset], xr.Dataset], dict[str, Any]], ...] = (
    (initial, {**INITIAL, "color": COLOURS[3]}),
    (trained, {**TRAINED, "color": COLOURS[0]}),
)
COLUMNS = 4  # networks beside each other; more are drawn below


def dataset_with_most(checkpoints: xr.Dataset) -> str:
    """The data set with most networks, counted at initialisation and trained; of equals the first by name."""
    names: list[str] = checkpoints.dataset.values.tolist()
    states = set(zip(names, checkpoints.network.values.tolist(), checkpoints.epoch.values > 0, strict=True))
    counts = Counter(dataset for dataset, *_ in states)
    return min(names, key=lambda dataset: (-counts[dataset], dataset))


def network_panels(
    dataset: str, networks: Sequence[str], rows: Sequence[str], *, row_height: float, **options: Any
) -> tuple[Figure, np.ndarray[Any, np.dtype[np.object_]]]:
    """A column of panels for each network, at most `COLUMNS` columns beside each other; the first panel has the network's name.

    Args:
        dataset: its name is under that of the network.
        networks: names of the networks.
        rows: labels of the y axes from top to bottom.
        row_height: in inches.
        options: as of `Figure.subplots`.

    Returns:
        figure; axes (network, row).
    """
    columns = min(COLUMNS, len(networks))
    blocks = -(-len(networks) // columns)
    width = PAGE_WIDTH if columns > 1 else PAGE_WIDTH / 2
    figure, grid = panels(len(rows) * blocks, columns, width=width, row_height=row_height, **options)
    by_network = grid.reshape(blocks, len(rows), columns).swapaxes(1, 2).reshape(-1, len(rows))
    for axis in by_network[len(networks) :].ravel():
        axis.remove()
    by_network = by_network[: len(networks)]
    for network, axes in zip(networks, by_network, strict=True):
        axes[0].set_title(f"{label(network)}\n{label(dataset)}")
        axes[-1].xaxis.set_tick_params(labelbottom=True)
    for axes in by_network[::columns]:
        for axis, name in zip(axes, rows, strict=True):
            axis.set_ylabel(name)
    return figure, by_network


def draw_along_depth(axis: Axes, checkpoints: xr.Dataset, quantity: str) -> None:
    """One quantity (checkpoint, layer) of one network in both states, log10, with one error of the average over runs.

    What is inside residual blocks is small and beside the line.
    """
    for select, style in STATES:
        selected = select(checkpoints)
        if not selected.sizes["checkpoint"]:
            continue
        (mean,) = average_over_runs(*log10_with_error(selected[quantity], selected[f"{quantity}_standard_error"])).values()
        first = selected.isel(checkpoint=[0])
        on_line = in_sequence(first.operation).values[0]
        beside = inside(first.operation).values[0] & ~on_line
        kinds, depth = first.operation.values[0], first.relative_depth.values[0]
        value, error = mean.value.values, mean.standard_error.values
        log_band(axis, depth[on_line], value[on_line], error[on_line], **style)
        colour = style["color"]
        face = "white" if select is initial else colour
        full = {"markersize": np.clip(90 / on_line.sum(), 2.6, 4), "markeredgewidth": 0.6, "markerfacecolor": face}
        small = {"markersize": 1.5, "markeredgewidth": 0.4, "markerfacecolor": face, "alpha": 0.5, "zorder": 1.5}
        for kind, marker in OPERATION_MARKERS.items():
            for drawn, size in ((on_line, full), (beside, small)):
                here = drawn & (kinds == kind)
                if here.any():
                    axis.plot(depth[here], 10 ** value[here], marker, color=colour, linestyle="none", **size)


def coloured_state_handles() -> list[Line2D]:
    """Legend entries for the two states, in the colours of `STATES`."""
    states = state_handles()
    for handle, (_, style) in zip(states, STATES, strict=True):
        handle.set_color(style["color"])
    return states


def legend_along_depth(kinds: Collection[str]) -> list[Line2D]:
    """Legend entries of `draw_along_depth`: states by line style and colour, operations by marker."""
    return [*coloured_state_handles(), *operation_handles(kinds)]
