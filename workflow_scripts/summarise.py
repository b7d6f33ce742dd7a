"""Reduce the stability files of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import by_interpolation, relative_stability
from workflow_scripts.diffeo.variables import described
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset, write_dataset

LABELS = (*RUN_DIMENSIONS, "epoch")
LAYER_COORDINATES = {
    "layer_name": "name of the operation inside the network; empty where a network has fewer",
    "operation": "kind of the operation; empty where a network has fewer",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
}


def main(stability: list[Path], training: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write D, G, R of every checkpoint, with the loss and error of its epoch; `architectures` maps names of networks."""
    histories = {run_of(history): history for history in map(read_dataset, training)}
    rows = [summary_row(read_dataset(path), histories) for path in progress(stability)]
    table = xr.concat(rows, dim="checkpoint", join="outer", data_vars="all", coords="different", compat="equals")
    table = table.assign({name: table[name].fillna("") for name in ("layer_name", "operation")})
    table = table.assign_coords(architecture=("checkpoint", [architectures[name] for name in table.network.values.tolist()]))
    write_dataset(table, summary, title="Relative stability of all checkpoints", configuration={"networks": architectures})


def summary_row(measured: xr.Dataset, histories: dict[tuple[Any, ...], xr.Dataset]) -> xr.Dataset:
    """One checkpoint: its labels become coordinates of the dimension `checkpoint`."""
    labels = {name: measured[name].item() for name in LABELS}
    reduced = relative_stability(measured).squeeze(LABELS, drop=True).drop_vars(LAYER_COORDINATES, errors="ignore")
    measured = measured.squeeze(LABELS, drop=True)
    reduced["r"] = by_interpolation(measured.r, "diffeo").drop_vars("reference_images")
    reduced["displacement"], reduced["temperature"] = measured.displacement, measured.temperature
    for name, long_name in LAYER_COORDINATES.items():
        reduced[name] = described(measured[name].drop_vars(LAYER_COORDINATES), long_name)
    history = histories.get(tuple(labels[name] for name in RUN_DIMENSIONS))
    for name in ("loss", "error"):
        reduced[name] = at_epoch(history, name, labels["epoch"])
    row = reduced.expand_dims("checkpoint")
    return row.assign_coords({name: ("checkpoint", [label]) for name, label in labels.items()})


def at_epoch(history: xr.Dataset | None, name: str, epoch: int) -> xr.DataArray:
    """Loss or error of each split at an epoch; NaN for runs that were not trained."""
    long_name = f"{name} at the checkpoint's epoch"
    if history is None:
        splits = ["test", "train", "validation"]
        return described(xr.DataArray(np.full(3, np.nan), dims="split", coords={"split": splits}), long_name)
    return described(history[name].sel(epoch=epoch).squeeze(RUN_DIMENSIONS, drop=True).drop_vars("epoch"), long_name)


def run_of(dataset: xr.Dataset) -> tuple[Any, ...]:
    """Labels of the run that a file belongs to."""
    return tuple(dataset[name].item() for name in RUN_DIMENSIONS)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
