"""Reduce the stability files of all runs to one tidy dataset, one row per checkpoint."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.depth_changes import depth_changes
from workflow_scripts.diffeo.network_options import with_options
from workflow_scripts.diffeo.statistics import fraction_standard_error, of_kind, relative_stability
from workflow_scripts.diffeo.variables import described, variable
from workflow_scripts.support.images import count_images
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset, write_dataset
from workflow_scripts.support.tables import checkpoint_table

LAYER_COORDINATES = {
    "layer_name": "name of the operation inside the network; empty where a network has fewer",
    "operation": "kind of the operation; empty where a network has fewer",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
}
Histories = dict[tuple[Any, ...], xr.Dataset]
Sizes = Mapping[str, Mapping[str, int]]  # of the splits of each data set


def main(
    stability: list[Path],
    training: list[Path],
    data: list[Path],
    summary: Path,
    architectures: dict[str, str],
    networks: dict[str, dict[str, Any]],
) -> None:
    """Write D, G, R of every checkpoint, with the loss and error of its epoch.

    `data` are the files of the data sets; `architectures` maps names of networks, `networks` their blocks of the configuration.
    """
    histories = {run_of(history): history for history in map(read_dataset, training)}
    sizes = {path.stem: count_images(path) for path in data}
    table = checkpoint_table(stability, partial(summary_row, histories, sizes), architectures)
    table = table.assign({name: table[name].fillna("") for name in ("layer_name", "operation")})
    table = with_options(table, networks)
    write_dataset(table, summary, title="Relative stability of all checkpoints", configuration={"networks": networks})


def summary_row(histories: Histories, sizes: Sizes, measured: xr.Dataset, labels: Mapping[str, Any]) -> xr.Dataset:
    """D, G, R of one checkpoint, how R changes with depth, what its strengths and layers are, how well it does its task."""
    row = relative_stability(measured).drop_vars(LAYER_COORDINATES).assign(depth_changes(measured).data_vars)
    row["r"] = of_kind(measured, measured.r.variable, "diffeo")
    for name in ("displacement", "temperature"):
        row[name] = measured[name].variable
    for name, long_name in LAYER_COORDINATES.items():
        row[name] = described(measured[name].variable, long_name)
    history = histories.get(tuple(labels[name] for name in RUN_DIMENSIONS))
    row = row.assign({name: at_epoch(history, name, labels["epoch"]) for name in ("loss", "error")})
    return row.assign(counted(row["error"], sizes[labels["dataset"]], labels["train_size"]))


def counted(error: xr.DataArray, size: Mapping[str, int], train_size: int) -> dict[str, xr.DataArray]:
    """How many images an error of each split is a fraction of, and its standard error; NaN where it is not known."""
    numbers = {**size, "train": min(train_size, size["test"])}  # of the training images the first (`train_network.py`)
    number = error.copy(data=[float(numbers[split]) for split in error.split.values.tolist()]).where(error.notnull())
    return {
        "error_images": described(number, "number of images that error is a fraction of"),
        "error_standard_error": described(fraction_standard_error(error, number), "standard error of error (over images)"),
    }


def at_epoch(history: xr.Dataset | None, name: str, epoch: int) -> xr.DataArray:
    """Loss or error of each split at an epoch; NaN for runs that were not trained."""
    long_name = f"{name} at the checkpoint's epoch"
    if history is None:
        unknown = variable(("split",), np.full(3, np.nan), long_name)
        return xr.DataArray(unknown, coords={"split": ["test", "train", "validation"]})
    return described(history[name].sel(epoch=epoch).squeeze(RUN_DIMENSIONS, drop=True).drop_vars("epoch"), long_name)


def run_of(dataset: xr.Dataset) -> tuple[Any, ...]:
    """Labels of the run that a file belongs to."""
    return tuple(dataset[name].item() for name in RUN_DIMENSIONS)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
