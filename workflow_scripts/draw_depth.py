"""Draw R after each operation against depth, a panel for each network."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import at_strength, average_over_runs, initial, log10_with_error, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    DATASET_COLOURS,
    GREY,
    INITIAL,
    OPERATION_MARKERS,
    PAGE_WIDTH,
    TRAINED,
    datasets_and_networks,
    label,
    legend_below,
    log_band,
    operation_handles,
    save_figure,
    state_handles,
    wrapped_panels,
)


def main(summary: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Draw at the displacement and interpolation of `settings`."""
    save_figure(draw(read_dataset(summary), settings), svg, png)


def draw(summary: xr.Dataset, settings: dict[str, Any]) -> Figure:
    """Lines are geometric means over seeds, bands one standard error; dashed at initialisation, solid trained."""
    chosen = usual_networks(at_strength(summary, **settings))
    datasets, names = datasets_and_networks(chosen)
    width = PAGE_WIDTH if len(names) > 1 else PAGE_WIDTH / 2
    figure, axes, lowest = wrapped_panels(len(names), width=width, sharex=True, sharey=True)
    for axis, network in zip(axes, names, strict=True):
        axis.set(yscale="log", title=label(network), xlim=(-0.04, 1.04))
        axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        for colour, dataset in zip(DATASET_COLOURS, datasets, strict=False):
            here = (chosen.network == network) & (chosen.dataset == dataset)
            draw_network(axis, chosen.isel(checkpoint=np.flatnonzero(here)), colour)
    for axis in axes[:: min(3, len(names))]:
        axis.set_ylabel(r"relative stability $R_k$")
    for axis in lowest:
        axis.set_xlabel("relative depth (input 0, logits 1)")
    used = set(chosen.operation.values.ravel().tolist())
    legend_below(figure, legend_entries(datasets, used))
    return figure


def draw_network(axis: Axes, checkpoints: xr.Dataset, colour: str) -> None:
    """Both states of one network on one data set; checkpoints may be none."""
    for select, state in ((initial, INITIAL), (trained, TRAINED)):
        selected = select(checkpoints)
        if not selected.sizes["checkpoint"]:
            continue
        operations = selected.operation.values[0]
        inside = ~np.isin(operations, ["", "softmax"])
        (mean,) = average_over_runs(*log10_with_error(selected.R, selected.R_standard_error)).values()
        depth, value = selected.relative_depth.values[0, inside], mean.value.values[inside]
        log_band(axis, depth, value, mean.standard_error.values[inside], color=colour, **state)
        size = np.clip(90 / len(depth), 1.8, 4)
        for kind, marker in OPERATION_MARKERS.items():
            of_kind = operations[inside] == kind
            face = "white" if select is initial else colour
            style: dict[str, Any] = {"markersize": size, "markerfacecolor": face, "markeredgewidth": 0.6, "linestyle": "none"}
            if of_kind.any():
                axis.plot(depth[of_kind], 10 ** value[of_kind], marker, color=colour, **style)


def legend_entries(datasets: list[str], operations: set[str]) -> list[Line2D]:
    """Data sets by colour, states by line style, operations by marker."""
    entries = [Line2D([], [], color=colour, label=label(name)) for colour, name in zip(DATASET_COLOURS, datasets, strict=False)]
    entries += state_handles()
    return entries + operation_handles(operations)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
