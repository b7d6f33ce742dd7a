"""Pairs of checkpoints whose networks differ in one thing that the configuration says of them. Knows no torch."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.network_options import OPTIONS
from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, log10_with_error, output

LABELS = ("dataset", "network", "architecture", "recipe", "train_size", "seed", "epoch", *OPTIONS)
BLUR = ("network", "antialiased")  # labels in which a network that blurs differs from the same without the blur
Measure = Callable[[xr.Dataset], tuple[xr.DataArray, xr.DataArray]]


def alike(first: xr.Dataset, second: xr.Dataset, but: Collection[str]) -> tuple[xr.Dataset, xr.Dataset]:
    """Rows of two tables that agree in all `LABELS` except those in `but`, one beside the other, in the order of the first.

    Those of `second` differ from each other in the labels that are compared.
    """
    names = [name for name in LABELS if name not in but]
    there = {key: row for row, key in enumerate(labels(second, names))}
    pairs = [(row, there[key]) for row, key in enumerate(labels(first, names)) if key in there]
    return tuple(  # type: ignore[return-value]
        table.isel(checkpoint=[pair[side] for pair in pairs]) for side, table in enumerate((first, second))
    )


def labels(checkpoints: xr.Dataset, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Labels of each checkpoint as text, in which missing numbers are equal."""
    columns = [map(str, checkpoints[name].values.tolist()) for name in names]
    return list(zip(*columns, strict=True))


def of_logits(quantity: str) -> Measure:
    """log10 of D, G or R of the logits of each checkpoint, with its error."""
    return lambda table: log10_with_error(*(output(table, name) for name in (quantity, f"{quantity}_standard_error")))


def log10_ratios(first: xr.Dataset, second: xr.Dataset, but: Collection[str], measure: Measure) -> Groups:
    """A logarithm less that of the partner in `second` (`alike`), mean over seeds, for each (data set, network) of `first`.

    The two are taken as independent; probe images that they share make the true error smaller.
    """
    (above, above_error), (below, below_error) = map(measure, alike(first, second, but))
    errors = np.hypot(above_error.values, below_error.values)
    return average_over_runs(above.copy(data=above.values - below.values), above.copy(data=errors))
