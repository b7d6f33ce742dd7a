"""Draw error and loss of every training against the epoch, a column for each data set."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset
from workflow_scripts.support.plotting import GREY, label, legend_below, line_style, network_order, panels, save_figure

SPLITS: dict[str, dict[str, Any]] = {
    "train": {"linestyle": ":"},
    "validation": {"linestyle": (0, (4, 1.5)), "linewidth": 0.9},
    "test": {"linestyle": "-"},
}
QUANTITIES = {"error": "classification error", "loss": "loss"}


def main(training: list[Path], svg: Path, png: Path, architectures: dict[str, str]) -> None:
    """Draw all trainings; `architectures` maps names of networks and sets their order."""
    save_figure(draw([read_dataset(path) for path in training], architectures), svg, png)


def draw(histories: list[xr.Dataset], architectures: dict[str, str]) -> Figure:
    """Each run is one thin line per split: colour and marker tell the network, line style the split."""
    runs = [
        (dict(zip(RUN_DIMENSIONS, labels_of(history), strict=True)), history.squeeze(RUN_DIMENSIONS)) for history in histories
    ]
    datasets = sorted({labels["dataset"] for labels, _ in runs})
    used = {labels["network"] for labels, _ in runs}
    names = network_order(used, [architectures[name] for name in used])
    width = min(7.2, 1.0 + 2.5 * len(datasets))
    figure, axes = panels(len(QUANTITIES), len(datasets), width=width, row_height=2.1, sharex="col", sharey="row")
    for column, dataset in zip(axes.T, datasets, strict=True):
        column[0].set_title(label(dataset))
        column[-1].set_xlabel("epoch")
        for axis, quantity in zip(column, QUANTITIES, strict=True):
            axis.set_yscale("log", nonpositive="mask")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            for labels, history in runs:
                if labels["dataset"] == dataset:
                    for split, style in SPLITS.items():
                        look = {**line_style(names.index(labels["network"])), **style}
                        if split != "test":
                            look["marker"] = "none"
                        values = history[quantity].sel(split=split).values
                        axis.plot(history.epoch.values, np.where(values > 0, values, np.nan), **look)
    for axis, title in zip(axes[:, 0], QUANTITIES.values(), strict=True):
        axis.set_ylabel(title)
    figure.align_ylabels(axes[:, 0])
    entries = [Line2D([], [], label=label(name), **line_style(index)) for index, name in enumerate(names)]
    entries += [Line2D([], [], color=GREY, label=split, **style) for split, style in SPLITS.items()]
    legend_below(figure, entries)
    return figure


def labels_of(history: xr.Dataset) -> tuple[Any, ...]:
    """Labels of the run that a training file belongs to."""
    return tuple(history[name].item() for name in RUN_DIMENSIONS)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
