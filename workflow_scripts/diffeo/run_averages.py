"""Which checkpoints are compared, and means of log10 R over runs, with errors: what figures show and claims decide. No torch.

The error of one checkpoint is that over probe images. The checkpoints of one network share the probe images, so that this error
does not shrink with their number; it is added to the scatter between seeds, pooled over networks and data sets because each has
few: se² = scatter²/seeds + mean(se_checkpoint²).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

Groups = dict[tuple[Any, ...], "Average"]


class Average(NamedTuple):
    """Mean over the checkpoints of one group (data set and network), its standard error, and their number."""

    value: xr.DataArray
    standard_error: xr.DataArray
    runs: int


def at_strength(summary: xr.Dataset, displacement: float, interpolation: str) -> xr.Dataset:
    """The summary at one displacement (pixels) and interpolation: no dims `strength` and `interpolation` any more.

    Raises:
        ValueError: the sweep does not have that displacement or interpolation.
    """
    if interpolation not in summary.interpolation.values:
        raise ValueError(
            f"interpolation is {interpolation!r}; the summary has {', '.join(summary.interpolation.values.tolist())}"
        )
    displacements = summary.displacement.mean("checkpoint").values
    found = np.flatnonzero(np.isclose(displacements, displacement))
    if not len(found):
        raise ValueError(
            f"displacement is {displacement!r}; the summary has {', '.join(f'{value:g}' for value in displacements)}"
        )
    return summary.sel(interpolation=interpolation).isel(strength=int(found[0]))


def initial(summary: xr.Dataset) -> xr.Dataset:
    """The checkpoints at initialisation: one for each data set, network and seed, whatever the recipe that would follow."""
    labels = zip(*(summary[name].values.tolist() for name in ("dataset", "network", "seed")), strict=True)
    first = {label: row for row, label in reversed(list(enumerate(labels))) if summary.epoch.values[row] == 0}
    return summary.isel(checkpoint=sorted(first.values()))


def last_of_runs(summary: xr.Dataset) -> xr.Dataset:
    """The last checkpoint of each trained run."""
    last: dict[tuple[Any, ...], int] = {}
    run = [summary[name].values.tolist() for name in ("dataset", "network", "train_size", "recipe", "seed")]
    epochs = summary.epoch.values
    for row, label in enumerate(zip(*run, strict=True)):
        if epochs[row] > 0:
            last[label] = row if label not in last or epochs[row] > epochs[last[label]] else last[label]
    return summary.isel(checkpoint=sorted(last.values()))


def trained(summary: xr.Dataset) -> xr.Dataset:
    """The last checkpoint of each trained run with the largest training set of its data set and network."""
    last = last_of_runs(summary)
    groups = list(zip(*(last[name].values.tolist() for name in ("dataset", "network")), strict=True))
    return last.isel(checkpoint=np.flatnonzero(is_largest(groups, last.train_size.values.tolist())))


def is_largest(groups: Sequence[tuple[Any, ...]], sizes: Sequence[int]) -> list[bool]:
    """Whether each size is the largest of its group."""
    largest: dict[tuple[Any, ...], int] = {}
    for group, size in zip(groups, sizes, strict=True):
        largest[group] = max(size, largest.get(group, size))
    return [size == largest[group] for group, size in zip(groups, sizes, strict=True)]


def along_training(summary: xr.Dataset) -> list[xr.Dataset]:
    """The checkpoints of the runs of which `trained` takes the last, one dataset for each epoch that all of them kept, in order.

    Of one data set and network; the summary must have a trained run.
    """
    last = trained(summary)
    of_run = ("train_size", "recipe", "seed")
    runs = set(zip(*(last[name].values.tolist() for name in of_run), strict=True))
    labels = zip(*(summary[name].values.tolist() for name in of_run), strict=True)
    chosen = summary.isel(checkpoint=[row for row, label in enumerate(labels) if label in runs])
    parts = [chosen.isel(checkpoint=np.flatnonzero(chosen.epoch == epoch)) for epoch in np.unique(chosen.epoch)]
    return [part for part in parts if part.sizes["checkpoint"] == len(runs)]


def dataset_with_most(checkpoints: xr.Dataset) -> str:
    """The data set with most networks, counted at initialisation and trained; of equals the first by name."""
    names: list[str] = checkpoints.dataset.values.tolist()
    states = set(zip(names, checkpoints.network.values.tolist(), checkpoints.epoch.values > 0, strict=True))
    counts = Counter(dataset for dataset, *_ in states)
    return min(names, key=lambda dataset: (-counts[dataset], dataset))


def output(summary: xr.Dataset, name: str) -> xr.DataArray:
    """A variable with dim `layer` at the logits."""
    return summary[name].where(summary.operation == "logits").mean("layer", keep_attrs=True)


def log10_with_error(values: xr.DataArray, errors: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Base-10 logarithm and its standard error; NaN where the value is not positive."""
    positive = values.where(values > 0)
    return xr.apply_ufunc(np.log10, positive), errors / positive / math.log(10)


def average_over_runs(values: xr.DataArray, errors: xr.DataArray, by: Sequence[str] = ("dataset", "network")) -> Groups:
    """Mean over the checkpoints of each group, with the error of the module's description.

    Args:
        values: (checkpoint, ...) with the coordinates that `by` names.
        errors: their standard errors over probe images, the same shape.
        by: the labels that the checkpoints of a group share.
    """
    names = list(zip(*(values[name].values.tolist() for name in by), strict=True))
    rows = {group: [row for row, name in enumerate(names) if name == group] for group in dict.fromkeys(names)}
    parts = {group: values.isel(checkpoint=members) for group, members in rows.items()}
    variance = pooled_variance(parts.values())
    found: Groups = {}
    for group, members in rows.items():
        error = (errors.isel(checkpoint=members) ** 2).mean("checkpoint") + variance / len(members)
        found[group] = Average(parts[group].mean("checkpoint", skipna=False), error**0.5, len(members))
    return found


def pooled_variance(groups: Iterable[xr.DataArray]) -> xr.DataArray | float:
    """Variance over `checkpoint` within groups, of all groups together; 0 where no group has two checkpoints."""
    several = [group for group in groups if group.sizes["checkpoint"] > 1]
    squares = [((group - group.mean("checkpoint")) ** 2).sum("checkpoint") for group in several]
    freedom = [(group.notnull().sum("checkpoint") - 1).clip(min=0) for group in several]
    if not several:
        return 0.0
    freedoms = sum(freedom[1:], freedom[0])
    return (sum(squares[1:], squares[0]) / freedoms).where(freedoms > 0, 0.0)


def stability_of(checkpoints: xr.Dataset) -> Groups:
    """log10 R_f of the logits for each (data set, network)."""
    values, errors = (output(checkpoints, name) for name in ("R", "R_standard_error"))
    return average_over_runs(*log10_with_error(values, errors))
