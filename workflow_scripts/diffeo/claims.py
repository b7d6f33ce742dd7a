"""The claims of the slides, each decided by a number that was written down before it was measured. Knows no torch.

Every quantity is the base-10 logarithm of an R or of a ratio of two: its errors are symmetric, and 10^quantity is a factor.

Errors. A claim is the mean over its rows, one row per data set and network (`run_averages.py` gives a row's error), with
se² = (scatter between rows² + mean(se_row²))/rows. What is not known (the scatter of a single seed or row) is left out, and said.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.run_averages import (
    Average,
    Groups,
    at_strength,
    average_over_runs,
    initial,
    log10_with_error,
    stability_of,
    trained,
)

Z95 = 1.959963984540054  # a normal variable is within ± Z95 with probability 95 %
SIMPLE = ("fully_connected", "simple_cnn")  # the architectures that the slides except
HALF = math.log10(0.5)


@dataclass(frozen=True)
class Evidence:
    """One row under a claim: what one network shows on one data set. `value` is NaN where `reason` says why there is none."""

    dataset: str
    network: str
    value: float = math.nan
    standard_error: float = math.nan
    runs: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement of the slides and the number that decides it.

    Attributes:
        name: short and fixed; the label in the result file.
        statement: what the slides say.
        slide: title of the slide that says it.
        quantity: definition of the number.
        interval: the claim holds where the number is in this interval, ends included.
        evidence: makes the rows from the summary of all checkpoints and the block `summary` of the configuration.
    """

    name: str
    statement: str
    slide: str
    quantity: str
    interval: tuple[float, float]
    evidence: Callable[[xr.Dataset, Mapping[str, Any]], list[Evidence]]


@dataclass(frozen=True)
class Decision:
    """What the measurements say of a claim."""

    claim: Claim
    value: float
    standard_error: float
    verdict: str
    reason: str
    evidence: list[Evidence]


def verdict(value: float, standard_error: float, interval: tuple[float, float]) -> str:
    """Say `holds` if the 95 % interval of the value is inside `interval`, `does not hold` if outside, else `undecided`."""
    low, high = value - Z95 * standard_error, value + Z95 * standard_error
    if interval[0] <= low and high <= interval[1]:
        return "holds"
    return "does not hold" if high < interval[0] or low > interval[1] else "undecided"


def decide(claim: Claim, summary: xr.Dataset, settings: Mapping[str, Any]) -> Decision:
    """Decide one claim; data that are missing make it undecided, with the reason.

    Args:
        claim: the claim.
        summary: one row per checkpoint (`results/summary.nc`).
        settings: `displacement` and `interpolation` at which R is looked at.
    """
    rows = claim.evidence(summary, settings)
    measured = [row for row in rows if math.isfinite(row.value)]
    if not measured:
        reason = "; ".join(sorted({row.reason for row in rows})) or "no network of this kind was measured"
        return Decision(claim, math.nan, math.nan, "undecided", reason, rows)
    values = np.array([row.value for row in measured])
    scatter = values.var(ddof=1) if len(values) > 1 else 0.0
    error = math.sqrt((scatter + np.mean([row.standard_error**2 for row in measured])) / len(values))
    notes = sorted({row.reason for row in rows if row.reason})
    if max(row.runs for row in measured) == 1:
        notes.append("one seed per row: the scatter between seeds is not known")
    if len(values) == 1:
        notes.append("one row only: the scatter between networks is not known")
    return Decision(claim, float(values.mean()), error, verdict(values.mean(), error, claim.interval), "; ".join(notes), rows)


# Evidence


def networks(summary: xr.Dataset, *, simple: bool | None = None) -> list[tuple[str, str]]:
    """Pairs (data set, network) of the summary, sorted; only the simple ones, or only the others, where asked for."""
    names = zip(*(summary[name].values.tolist() for name in ("dataset", "network", "architecture")), strict=True)
    return sorted({(dataset, network) for dataset, network, kind in names if simple is None or (kind in SIMPLE) == simple})


def depth_slopes(checkpoints: xr.Dataset) -> Groups:
    """Least-squares slope of log10 R_k against relative depth, input to logits, for each (data set, network).

    Operations share the probe images, so that their errors are correlated in an unknown way: the error of a checkpoint's slope
    is the largest that they allow, Σ_k |dslope/dlog10 R_k| se_k.
    """
    inside = ~checkpoints.operation.isin(["", "softmax"])
    values, errors = log10_with_error(checkpoints.R.where(inside), checkpoints.R_standard_error.where(inside))
    depth = checkpoints.relative_depth.where(values.notnull())
    centred = depth - depth.mean("layer")
    squares = (centred**2).sum("layer")
    weights = centred / squares.where(squares > 0)
    slopes, slope_errors = (part.sum("layer", min_count=2) for part in (weights * values, abs(weights) * errors))
    return average_over_runs(slopes, slope_errors)


def row(group: tuple[str, str], average: Average | None, missing: str) -> Evidence:
    """The row of one network from its average, or from the lack of one."""
    if average is None:
        return Evidence(*group, reason=missing)
    value, error = float(average.value), float(average.standard_error)
    if not (math.isfinite(value) and math.isfinite(error)):
        return Evidence(*group, runs=average.runs, reason="R is not a positive number")
    return Evidence(*group, value, error, average.runs)


def difference(first: Average | None, second: Average | None) -> Average | None:
    """Difference of two independent averages, `None` if one is missing."""
    if first is None or second is None:
        return None
    error = (first.standard_error**2 + second.standard_error**2) ** 0.5
    return Average(first.value - second.value, error, min(first.runs, second.runs))


def initial_stability(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 R_f at initialisation, all networks."""
    chosen = at_strength(summary, **settings)
    found = stability_of(initial(chosen))
    return [row(group, found.get(group), "no initialisation was measured") for group in networks(chosen)]


def change_with_training(simple: bool) -> Callable[[xr.Dataset, Mapping[str, Any]], list[Evidence]]:
    """log10 (R_f trained / R_f at initialisation), of the simple networks or of the others."""

    def evidence(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = at_strength(summary, **settings)
        before, after = stability_of(initial(chosen)), stability_of(trained(chosen))
        groups = networks(chosen, simple=simple)
        missing = "no trained run, or no initialisation, was measured"
        return [row(group, difference(after.get(group), before.get(group)), missing) for group in groups]

    return evidence


def slope_with_depth(
    select: Callable[[xr.Dataset], xr.Dataset],
) -> Callable[[xr.Dataset, Mapping[str, Any]], list[Evidence]]:
    """Slope of log10 R against relative depth of all but the simple networks, at initialisation or trained."""

    def evidence(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = at_strength(summary, **settings)
        found = depth_slopes(select(chosen))
        missing = f"no {select.__name__} network was measured"
        return [row(group, found.get(group), missing) for group in networks(chosen, simple=False)]

    return evidence


PROBING, MECHANISM = "Probing neural nets with diffeo", "What's the mechanism by which relative stability is achieved?"
CHANGE = "log10 (R_f trained / R_f at initialisation), each a geometric mean over seeds"
SLOPE = "Slope of log10 R_k against relative depth (0 at the input, 1 at the logits) over all operations k,"

CLAIMS = (
    Claim(
        "initial",
        "At initialisation R_f ≈ 1: networks are no more stable to diffeomorphisms than to noise.",
        PROBING,
        "log10 R_f at initialisation, all networks, geometric mean over seeds",
        (HALF, -HALF),
        initial_stability,
    ),
    Claim(
        "training",
        "Training makes deep networks stable: R_f falls (by a factor of 2 at least).",
        PROBING,
        f"{CHANGE}; all but fully connected networks and simple CNNs",
        (-math.inf, HALF),
        change_with_training(simple=False),
    ),
    Claim(
        "magnitude",
        "Training reduces R_f by one order of magnitude or two.",
        PROBING,
        f"{CHANGE}; all but fully connected networks and simple CNNs; −1 and −2 to the nearest integer",
        (-2.5, -0.5),
        change_with_training(simple=False),
    ),
    Claim(
        "exception",
        "By contrast, fully connected networks and simple CNNs do not become stable (R_f does not fall by a factor of 2).",
        PROBING,
        f"{CHANGE}; fully connected networks and simple CNNs",
        (HALF, math.inf),
        change_with_training(simple=True),
    ),
    Claim(
        "depth",
        "In trained deep networks R decreases with depth (by a factor of 2 at least, from the input to the logits).",
        MECHANISM,
        f"{SLOPE} trained, all but fully connected networks and simple CNNs",
        (-math.inf, HALF),
        slope_with_depth(trained),
    ),
    Claim(
        "depth_initial",
        "R decreases with depth at initialisation already (for comparison with the row above).",
        MECHANISM,
        f"{SLOPE} at initialisation, all but fully connected networks and simple CNNs",
        (-math.inf, HALF),
        slope_with_depth(initial),
    ),
)
