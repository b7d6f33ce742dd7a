"""How a claim of the slides is decided, by a number that was written down before it was measured. Knows no torch.

The claims themselves are in the modules `*_claims.py`, one for each file of results or part of it. Every quantity is a base-10
logarithm: its errors are symmetric, and 10^quantity is a factor.

Errors. A claim is the mean over its rows, one row per data set and network (`run_averages.py` gives a row's error), with
se² = (scatter between rows² + mean(se_row²))/rows. An error that all rows share does not shrink with their number and is added
in full. What is not known (the scatter of a single seed or row) is left out, and said.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.run_averages import Average
from workflow_scripts.diffeo.statistics import Z95

HALF, TENTH, QUARTER = (math.log10(factor) for factor in (0.5, 1.1, 1.25))  # bounds of claims

# The parts of the decks, in their order.
BACKGROUND = "Relative stability to diffeomorphisms"
PREDICTOR = "1. Stability as a function of the distance from data-points"
MECHANISM = "2. What's the mechanism by which relative stability is achieved?"
FIELDS = "Diffeos are not just local translations"
LOCAL = "Neurons' receptive field and linear transformations"
PARTS = (BACKGROUND, PREDICTOR, MECHANISM, FIELDS, LOCAL)


@dataclass(frozen=True)
class Evidence:
    """One row under a claim: what one network shows on one data set. `value` is NaN where `reason` says why there is none.

    Where there is no network, `Claim.labels` says what else `dataset`, `network` and `runs` hold.

    `shared_error` is the part of `standard_error` that all rows of the claim have in common.
    """

    dataset: str
    network: str
    value: float = math.nan
    standard_error: float = math.nan
    runs: int = 0
    reason: str = ""
    shared_error: float = 0.0


EvidenceMaker = Callable[[xr.Dataset, Mapping[str, Any]], list[Evidence]]


@dataclass(frozen=True)
class Claim:
    """A statement of the slides and the number that decides it.

    Attributes:
        name: short and fixed; the label in the result file.
        statement: what the slides say.
        part: part of the decks, one of `PARTS`.
        slide: title of the slide that says it.
        quantity: definition of the number.
        interval: the claim holds where the number is in this interval, ends included.
        source: stem of the result file that decides it, `summary` or the name of an analysis.
        evidence: makes the rows from that file and the block `summary` of the configuration.
        nothing: what is missing where there is no row at all.
        labels: what `dataset`, `network` and `runs` of the rows are called.
        rows: what the rows differ in.
    """

    name: str
    statement: str
    part: str
    slide: str
    quantity: str
    interval: tuple[float, float]
    source: str
    evidence: EvidenceMaker
    nothing: str = "no network of this kind was measured"
    labels: tuple[str, str, str] = ("data set", "network", "runs")
    rows: str = "networks"


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


def decide(claim: Claim, sources: Mapping[str, xr.Dataset], settings: Mapping[str, Any]) -> Decision:
    """Decide one claim; data that are missing make it undecided, with the reason.

    Args:
        claim: the claim.
        sources: the result files by their stems, one row per checkpoint in each (`results/summary.nc`, `results/{analysis}.nc`).
        settings: `displacement` and `interpolation` at which R is looked at.
    """
    if claim.source not in sources:
        return unknown(claim, f"the analysis {analysis_of(claim.source)!r} is switched off")
    if sources[claim.source].sizes.get("checkpoint") == 0:
        return unknown(claim, f"the analysis {analysis_of(claim.source)!r} makes no sense for the networks that were measured")
    rows = claim.evidence(sources[claim.source], settings)
    measured = [row for row in rows if math.isfinite(row.value)]
    if not measured:
        reason = "; ".join(sorted({row.reason for row in rows})) or claim.nothing
        return unknown(claim, reason, rows)
    shared = max(row.shared_error for row in measured)
    own = [math.sqrt(max(0.0, row.standard_error**2 - row.shared_error**2)) for row in measured]
    value, error = mean_with_error([row.value for row in measured], own)
    error = math.hypot(error, shared)
    notes = sorted({row.reason for row in rows if row.reason})
    if max(row.runs for row in measured) == 1:
        notes.append("one seed per row: the scatter between seeds is not known")
    if len(measured) == 1:
        notes.append(f"one row only: the scatter between {claim.rows} is not known")
    return Decision(claim, value, error, verdict(value, error, claim.interval), "; ".join(notes), rows)


def unknown(claim: Claim, reason: str, rows: Sequence[Evidence] = ()) -> Decision:
    """The decision on a claim for which nothing was measured, and why."""
    return Decision(claim, math.nan, math.nan, "undecided", reason, list(rows))


def analysis_of(source: str) -> str:
    """The key of the configuration that makes a source."""
    return "stability" if source in ("summary", "error_relation") else source


def mean_with_error(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Mean over rows and its standard error: se² = (scatter between rows² + mean(errors²))/rows."""
    scatter = float(np.var(values, ddof=1)) if len(values) > 1 else 0.0
    return float(np.mean(values)), math.sqrt((scatter + float(np.mean(np.square(errors)))) / len(values))


def row(group: tuple[str, str], average: Average | None, missing: str, undefined: str) -> Evidence:
    """The row of one network from its average; `missing` is why there is no average, `undefined` why it is no finite number."""
    if average is None:
        return Evidence(*group, reason=missing)
    value, error = float(average.value), float(average.standard_error)
    if not (math.isfinite(value) and math.isfinite(error)):
        return Evidence(*group, runs=average.runs, reason=undefined)
    return Evidence(*group, value, error, average.runs)


def difference(first: Average | None, second: Average | None) -> Average | None:
    """Difference of two independent averages, `None` if one is missing."""
    if first is None or second is None:
        return None
    error = (first.standard_error**2 + second.standard_error**2) ** 0.5
    return Average(first.value - second.value, error, min(first.runs, second.runs))
