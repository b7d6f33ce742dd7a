"""Tables with one row for each checkpoint: what the scripts that summarise runs share."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.support.jobs import progress
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, open_dataset, read_dataset

LABELS = (*RUN_DIMENSIONS, "epoch")
Labels = Mapping[str, Any]


def checkpoint_table(
    files: list[Path], reduce: Callable[[xr.Dataset, Labels], xr.Dataset], architectures: Mapping[str, str]
) -> xr.Dataset:
    """Reduce the file of each checkpoint to a row and join the rows.

    Args:
        files: one for each checkpoint, with its labels `dataset, network, recipe, train_size, seed, epoch` as dims of size 1.
        reduce: makes the variables of a row, from a file without these dims and the labels by name.
        architectures: architecture of each network, by the network's name.

    Returns:
        Variables (checkpoint, ...); what a row lacks and others have is NaN. The labels and `architecture` are coordinates of
        `checkpoint`. A coordinate of another dim (`kind` of `perturbation`) is the same in all rows, and stays so.

    Raises:
        xarray.MergeError: two rows differ in such a coordinate.
    """
    labels, rows = [], []
    for measured in map(read_dataset, progress(files)):
        labels.append({name: measured[name].item() for name in LABELS})
        rows.append(reduce(measured.squeeze(LABELS, drop=True), labels[-1]))
    return joined(rows, labels, architectures)


def run_table(
    files: list[Path],
    reduce: Callable[[xr.Dataset], xr.Dataset],
    architectures: Mapping[str, str],
    *,
    text: Collection[str],
    unread: Collection[str] = (),
) -> xr.Dataset:
    """Reduce the file of each run to a row for each of its epochs: a `checkpoint_table` of files with a dim `epoch`.

    `reduce` is given a file without the dims of its run and keeps its `epoch`; it does without the variables `unread`, because
    they are large. Variables of `text` are "" where a row lacks them. A run whose file says in its `note` why it is empty has no
    row: the attribute `left_out` has a line `network on data set: note` for it. A table without rows has no variables.
    """
    labels, rows = [], []
    left_out: dict[str, None] = {}
    for path in progress(files):
        with open_dataset(path) as stored:
            measured = stored.drop_vars(unread, errors="ignore").load()
        if not measured.data_vars:
            left_out[f"{measured.network.item()} on {measured.dataset.item()}: {measured.attrs['note']}"] = None
            continue
        of_run = {name: measured[name].item() for name in RUN_DIMENSIONS}
        reduced = reduce(measured.squeeze(RUN_DIMENSIONS, drop=True))
        for row, epoch in enumerate(reduced.epoch.values.tolist()):
            labels.append({**of_run, "epoch": epoch})
            rows.append(reduced.isel(epoch=row, drop=True))
    table = joined(rows, labels, architectures)
    filled = {name: table[name].fillna("") for name in text if rows}
    return table.assign(filled).assign_attrs(left_out="\n".join(left_out))


def joined(rows: list[xr.Dataset], labels: list[dict[str, Any]], architectures: Mapping[str, str]) -> xr.Dataset:
    """Rows along `checkpoint`, labelled; the labels alone if there is no row."""
    columns = {name: [label[name] for label in labels] for name in LABELS}
    columns["architecture"] = [architectures[network] for network in columns["network"]]
    if not rows:
        return xr.Dataset(coords={name: ("checkpoint", np.array([], str)) for name in columns})
    shared = xr.merge([row.coords.to_dataset().reset_coords() for row in rows], join="outer", compat="no_conflicts")
    bare = [row.reset_coords(drop=True) for row in rows]
    table = xr.concat(bare, dim="checkpoint", join="outer", data_vars="all", coords="minimal", compat="override")
    return table.assign_coords(shared.data_vars).assign_coords({name: ("checkpoint", column) for name, column in columns.items()})
