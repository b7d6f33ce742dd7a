"""Tables with one row for each checkpoint: what the scripts that summarise runs share."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from workflow_scripts.support.jobs import progress
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, open_dataset

LABELS = (*RUN_DIMENSIONS, "epoch")
Reduction = Callable[[xr.Dataset, Mapping[str, Any]], xr.Dataset]


def checkpoint_table(
    files: list[Path], reduce: Reduction, architectures: Mapping[str, str], unread: Collection[str] = ()
) -> xr.Dataset:
    """Reduce the file of each checkpoint to a row and join the rows.

    Args:
        files: one for each checkpoint, with its labels `dataset, network, recipe, train_size, seed, epoch` as dims of size 1; or
            one for each run, with all its epochs.
        reduce: makes the variables of a row, from a file without these dims and the labels by name.
        architectures: architecture of each network, by the network's name.
        unread: variables of the files that `reduce` does without, because they are large.

    Returns:
        Variables (checkpoint, ...); what a row lacks and others have is NaN. The labels and `architecture` are coordinates of
        `checkpoint`. A coordinate of another dim (`kind` of `perturbation`) is the same in all rows, and stays so.

    Raises:
        xarray.MergeError: two rows differ in such a coordinate.
    """
    labels, rows = [], []
    for path in progress(files):
        with open_dataset(path) as stored:
            of_file = stored.drop_vars(unread).load()
        for epoch in range(of_file.sizes["epoch"]):
            measured = of_file.isel(epoch=[epoch])
            labels.append({name: measured[name].item() for name in LABELS})
            rows.append(reduce(measured.squeeze(LABELS, drop=True), labels[-1]))
    shared = xr.merge([row.coords.to_dataset().reset_coords() for row in rows], join="outer", compat="no_conflicts")
    bare = [row.reset_coords(drop=True) for row in rows]
    table = xr.concat(bare, dim="checkpoint", join="outer", data_vars="all", coords="minimal", compat="override")
    columns = {name: [label[name] for label in labels] for name in LABELS}
    columns["architecture"] = [architectures[network] for network in columns["network"]]
    return table.assign_coords(shared.data_vars).assign_coords({name: ("checkpoint", column) for name, column in columns.items()})
