"""The claims on single operations: what a pooling does to R, and whether R falls at every step. Knows no torch.

Operations of one network share the probe images, so that their errors are correlated in an unknown way. The error of a sum
Σ_k w_k log10 R_k of one checkpoint is therefore the largest that they allow, Σ_k |w_k| se_k.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import MECHANISM, Claim, Evidence, row
from workflow_scripts.diffeo.depth_profiles import in_sequence, poolings
from workflow_scripts.diffeo.run_averages import Groups, at_strength, average_over_runs, log10_with_error, trained
from workflow_scripts.diffeo.stability_claims import ACHIEVED, UNDEFINED, networks

TENTH = math.log10(1.1)


def pooling_changes(checkpoints: xr.Dataset) -> Groups:
    """Change of log10 R over a pooling, mean over the poolings of a network, for each (data set, network)."""
    values, errors = log10_with_error(checkpoints.R, checkpoints.R_standard_error)
    counted = poolings(checkpoints.operation)
    changes, change_errors = values - values.shift(layer=1), errors + errors.shift(layer=1)
    return average_over_runs(*(part.where(counted).mean("layer") for part in (changes, change_errors)))


def largest_changes(checkpoints: xr.Dataset) -> Groups:
    """Largest change of log10 R from one operation in sequence to any later one, for each (data set, network).

    It is negative where R falls at every step; its error is that of the two operations between which it lies. As the largest of
    many differences it lies above the true one by part of that error, which can only speak against the claim.
    """
    counted = in_sequence(checkpoints.operation)
    values, errors = log10_with_error(checkpoints.R.where(counted), checkpoints.R_standard_error.where(counted))
    found = [largest_change(*pair) for pair in zip(values.values, errors.values, strict=True)]
    like = values.isel(layer=0, drop=True)
    return average_over_runs(*(like.copy(data=np.reshape(part, like.shape)) for part in np.reshape(found, (-1, 2)).T))


def largest_change(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Largest of values[k] − values[j] over j < k, and errors[j] + errors[k] there; NaN are skipped; NaN if no pair is left."""
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return math.nan, math.nan
    values, errors = values[known], errors[known]
    last = 1 + int(np.argmax(values[1:] - np.minimum.accumulate(values)[:-1]))
    first = int(np.argmin(values[:last]))
    return float(values[last] - values[first]), float(errors[first] + errors[last])


def pooling(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """`pooling_changes` of trained VGGs."""
    chosen = at_strength(summary, **settings)
    of_vggs = chosen.isel(checkpoint=np.flatnonzero(chosen.architecture.str.startswith("vgg")))
    found = pooling_changes(trained(of_vggs))
    undefined = "R is not a positive number, or no operation inside the network was measured"
    return [row(group, found.get(group), "no trained network was measured", undefined) for group in networks(of_vggs)]


def monotone(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """`largest_changes` of all trained networks but the simple ones."""
    chosen = at_strength(summary, **settings)
    found = largest_changes(trained(chosen))
    missing = "no trained network was measured"
    return [row(group, found.get(group), missing, UNDEFINED) for group in networks(chosen, simple=False)]


OPERATION_CLAIMS = (
    Claim(
        "monotone",
        "R_f monotonically decreases with depth (after no operation is R 10 % above what it was after an earlier one).",
        MECHANISM,
        ACHIEVED,
        "Largest change of log10 R_k from one operation to any later one, input to logits, of trained networks (all but fully "
        "connected networks and simple CNNs; of residual networks the sum at the end of each block, poolings and logits); "
        "that R falls at all is another row",
        (-math.inf, TENTH),
        "summary",
        monotone,
    ),
    Claim(
        "pooling",
        "Pooling gives relative stability (R falls by 10 % over a pooling).",
        MECHANISM,
        ACHIEVED,
        "log10 (R after a pooling / R just before it), mean over the poolings of a trained VGG, "
        "without the global average at its end",
        (-math.inf, -TENTH),
        "summary",
        pooling,
    ),
)
