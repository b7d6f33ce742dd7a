"""How R = D/G changes from operation to operation, with errors that count what the operations share. Knows no torch.

All operations of a network see the same probe images, so that their R go up and down together: the error of a change is smaller
than those of the two R (4 to 15 times in VGGs). Every number here is a base-10 logarithm, its error that of one statistic of the
images (`statistics.Estimate`), to first order.
"""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.depth_profiles import in_sequence, inside, poolings
from workflow_scripts.diffeo.statistics import Estimate, mean, numerators
from workflow_scripts.diffeo.variables import described

Mask = NDArray[np.bool_]


def depth_changes(stability: xr.Dataset) -> xr.Dataset:
    """Reduce the stability file of one checkpoint to the changes of log10 R with depth.

    Args:
        stability: as `statistics.relative_stability` takes it, without the dims of its run, with the coordinates `operation` and
            `relative_depth` of `layer`.

    Returns:
        With dims (interpolation, strength, layer): `R_step`, log10 of R_k over R after the operation before it in sequence
        (`depth_profiles.in_sequence`; NaN at the input and at operations that are not in sequence). With dims
        (interpolation, strength): `pooling_step`, mean of it over poolings; `depth_slope`, least-squares slope of log10 R_k
        against relative depth, input to logits; `largest_rise`, the largest log10(R_k/R_j) of an operation k and an earlier one
        j, both in sequence. All with `*_standard_error` over images; NaN where R is not positive or there is nothing to compare.

    Source: slides "What's the mechanism by which relative stability is achieved?".
    """
    diffeo, noise = numerators(stability)
    stabilities = mean(diffeo).over(mean(noise)).log10()
    sequence = in_sequence(stability.operation).values
    steps = steps_in_sequence(stabilities, sequence)
    pooled = poolings(stability.operation).values
    estimates = {
        "R_step": (steps, "log10 of R over R after the operation before it in sequence"),
        "pooling_step": (mean_over(steps, pooled), "mean of R_step over poolings"),
        "depth_slope": (
            slope(stabilities, stability.relative_depth.variable, inside(stability.operation).values),
            "slope of log10 R against relative depth",
        ),
        "largest_rise": (
            largest_rise(stabilities.at(layer=np.flatnonzero(sequence))),
            "largest log10 of R after an operation over R after an earlier one",
        ),
    }
    variables = {}
    for name, (estimate, meaning) in estimates.items():
        variables[name] = described(estimate.value, meaning)
        variables[f"{name}_standard_error"] = described(estimate.standard_error(), f"standard error of {name}")
    return xr.Dataset(variables)


def steps_in_sequence(logarithm: Estimate, sequence: Mask) -> Estimate:
    """Change at each operation in sequence (a mask over `layer`, the first in it) since the one before it; NaN elsewhere."""
    last = np.maximum.accumulate(np.where(sequence, np.arange(len(sequence)), 0))
    change = logarithm.minus(logarithm.at(layer=np.r_[0, last[:-1]]))
    follows = xr.Variable("layer", sequence & (np.arange(len(sequence)) > 0))
    return Estimate(*(part.where(follows) for part in change))  # type: ignore[no-untyped-call]


def mean_over(steps: Estimate, chosen: Mask) -> Estimate:
    """Mean over the chosen layers; NaN where there is none."""
    weights = np.where(chosen, 1 / max(chosen.sum(), 1), 0.0 if chosen.any() else np.nan)
    return steps.weighted_sum(xr.Variable("layer", weights), "layer")


def slope(logarithm: Estimate, depth: xr.Variable, counted: Mask) -> Estimate:
    """Least-squares slope against `depth` (layer) over the counted layers where the logarithm is known, if there are two."""
    known = logarithm.value.notnull() & xr.Variable("layer", counted)
    centred = (depth + xr.zeros_like(logarithm.value)).where(known)  # type: ignore[no-untyped-call]
    centred = centred - centred.mean("layer")
    squares = (centred**2).sum("layer")
    weights = (centred / squares.where(squares > 0)).where(known | ~(squares > 0), 0.0)
    return logarithm.weighted_sum(weights, "layer")


def largest_rise(logarithm: Estimate) -> Estimate:
    """Largest difference between a layer and one before it; what is NaN is skipped; NaN if no pair is left.

    The error is that of the two layers found. As the largest of many differences it lies above the true one by part of the error.
    """
    ordered = logarithm.value.transpose(..., "layer")
    values = ordered.values
    lowest = np.minimum.accumulate(np.where(np.isnan(values), np.inf, values), axis=-1)
    rises = values[..., 1:] - lowest[..., :-1]
    last = np.where(np.isnan(rises), -np.inf, rises).argmax(axis=-1) + 1
    before = np.arange(values.shape[-1]) < last[..., None]
    first = np.where(before & ~np.isnan(values), values, np.inf).argmin(axis=-1)
    top, bottom = (logarithm.at(layer=xr.Variable(ordered.dims[:-1], place)) for place in (last, first))
    return top.minus(bottom)
