"""The claims on the relation between the test error and the stability of networks. Knows no torch.

A row is one data set, with its networks at their largest P; of the claim on P it is one network. Networks are few: errors of fits
are widened so that 1.96 of them are the 95 % interval of Student's t.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from workflow_scripts.diffeo.claims import BACKGROUND, HALF, TENTH, Claim, Evidence, EvidenceMaker
from workflow_scripts.diffeo.depth_profiles import SIMPLE
from workflow_scripts.diffeo.error_relation import LARGEST, PUBLISHED_EXPONENT
from workflow_scripts.diffeo.statistics import Z95

SIMPLE_MODEL = "scale_detection"  # the collection that is a model of data, and no images
CORRELATED = math.log10(3.0)  # the effect of ρ = 1/2
Labels = tuple[str, str]
Measure = Callable[[xr.Dataset], tuple[float, float]]  # a number of one data set and its standard error


def of_datasets(measure: Measure, *, simple_model: bool, alike: str) -> EvidenceMaker:
    """A row for each data set, of images or of the simple model of data; `alike` is why an order of networks may say nothing."""

    def evidence(relation: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        rows = []
        for place in np.flatnonzero((relation.collection.values == SIMPLE_MODEL) == simple_model):
            cell = relation.isel(dataset=place).sel(selection=LARGEST)
            labels = (cell.dataset.item(), str(cell.networks.item()))
            reason = cell.note.item() or alike
            rows.append(row_of(labels, *measure(cell), cell.number_of_runs.item(), reason))
        return rows

    return evidence


def row_of(labels: Labels, value: float, error: float, runs: int, reason: str) -> Evidence:
    """A row; `reason` is why there is no number, if there is none."""
    if math.isfinite(value) and math.isfinite(error):
        return Evidence(*labels, value, error, runs)
    return Evidence(*labels, runs=runs, reason=reason)


def correlation(cell: xr.Dataset) -> tuple[float, float]:
    """Effect of the rank correlation of the test error and R."""
    of_r = cell.sel(quantity="R")
    return of_r.rank_effect.item(), of_r.rank_effect_standard_error.item()


def advantage(other: str) -> Measure:
    """By how much the test error goes with R more than with D or G."""

    def measure(cell: xr.Dataset) -> tuple[float, float]:
        over = cell.sel(other=other)
        return over.rank_advantage.item(), over.rank_advantage_standard_error.item()

    return measure


def exponent(cell: xr.Dataset) -> tuple[float, float]:
    """Exponent of R in the test error."""
    of_r = cell.sel(quantity="R")
    return of_r.exponent.item(), widened(of_r.exponent_standard_error.item(), cell.fitted_networks.item() - 2)


def prefactor(cell: xr.Dataset) -> tuple[float, float]:
    """log10 of the test error over 0.2 √R."""
    error = widened(cell.log10_published_ratio_standard_error.item(), cell.fitted_networks.item() - 1)
    return math.log10(cell.published_ratio.item()), error


def widened(error: float, freedom: int) -> float:
    """An error of which 1.96 are what Student's t makes of the error with so many degrees of freedom."""
    return error * float(stdtrit(freedom, 0.975)) / Z95


def change_per_doubling(relation: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """Change of log10 R when P doubles, of all but the simple networks."""
    change = relation.sel(measured="R").train_size_exponent.values * math.log10(2)
    error = relation.sel(measured="R").train_size_exponent_standard_error.values * math.log10(2)
    names = zip(relation.curve_dataset.values.tolist(), relation.curve_network.values.tolist(), strict=True)
    return [
        row_of(labels, change[place], error[place], int(relation.curve_runs.values[place]), "fewer than three train sizes")
        for labels, place in sorted((labels, place) for place, labels in enumerate(names))
        if relation.curve_architecture.values[place] not in SIMPLE
    ]


PERFORMANCE = "Probing neural nets with diffeo: Is there a relation with performance?"
QUESTIONS = "Many questions arise"
OVER_NETWORKS = "over trained networks, each at its largest training set (all but the simple local models)"
EFFECT = "log10((1 + ρ)/(1 − ρ)), log10 3 at ρ = ½, of Spearman's rank correlation ρ of test error and R_f"
MORE = "log10((1 + |ρ|)/(1 − |ρ|)) of Spearman's rank correlation ρ of test error and R_f, minus that of test error and"
TO_A_QUARTER = (PUBLISHED_EXPONENT - 0.25, PUBLISHED_EXPONENT + 0.25)


def relation_claim(
    name: str,
    statement: str,
    quantity: str,
    interval: tuple[float, float],
    measure: Measure,
    *,
    slide: str = PERFORMANCE,
    simple_model: bool = False,
    alike: str = "the networks do not differ",
) -> Claim:
    """A claim with a row for each data set."""
    nothing = (
        f"no data set {'of scale detection ' if simple_model else ''}was measured with other networks than simple local models"
    )
    made = of_datasets(measure, simple_model=simple_model, alike=alike)
    labels = ("data set", "networks", "runs")
    source = "error_relation"
    return Claim(name, statement, BACKGROUND, slide, quantity, interval, source, made, nothing, labels, rows="data sets")


def comparison_claim(name: str, other: str, what: str) -> Claim:
    """The claim that the test error goes with R more than with `other`, the stability to `what` alone."""
    return relation_claim(
        name,
        f"The test error goes with R_f, and less with the stability to {what} {other}_f alone (by an effect of 10 %).",
        f"{MORE} {other}_f, {OVER_NETWORKS}",
        (TENTH, math.inf),
        advantage(other),
        alike=f"R_f and {other}_f put the networks in the same order, or in opposite ones",
    )


ERROR_RELATION_CLAIMS = (
    relation_claim(
        "error_relation",
        "There is a relation with performance: the smaller R_f, the smaller the test error (rank correlation of ½ at least).",
        f"{EFFECT}, {OVER_NETWORKS}",
        (CORRELATED, math.inf),
        correlation,
    ),
    relation_claim(
        "error_exponent",
        "The test error grows as √R_f (exponent nearer to ½ than to 0 or 1).",
        f"Change of log10 test error when R_f grows tenfold: exponent b of the least-squares fit of test error = a R_f^b, "
        f"{OVER_NETWORKS}",
        TO_A_QUARTER,
        exponent,
    ),
    relation_claim(
        "error_prefactor",
        "The test error is 0.2 √R_f, as published for CIFAR-10 (within a factor of 2).",
        f"log10 of the test error over 0.2 √R_f, mean {OVER_NETWORKS}",
        (HALF, -HALF),
        prefactor,
    ),
    comparison_claim("error_deformations", "D", "deformations"),
    comparison_claim("error_noise", "G", "noise"),
    relation_claim(
        "error_simple_model",
        "A simple model of data where the diffeo invariance is present reproduces the relation of test error and R_f (rank "
        "correlation of ½ at least).",
        f"{EFFECT} on scale detection, {OVER_NETWORKS}",
        (CORRELATED, math.inf),
        correlation,
        slide=QUESTIONS,
        simple_model=True,
    ),
    Claim(
        "train_size",
        "R_f falls with the number P of training images (by 10 % when P doubles).",
        BACKGROUND,
        PERFORMANCE,
        "Change of log10 R_f when P doubles: least-squares slope against log2 P of trained networks with three P or more; all "
        "but fully connected networks, simple CNNs and simple local models",
        (-math.inf, -TENTH),
        "error_relation",
        change_per_doubling,
        "no network was trained on several numbers of images",
    ),
)
