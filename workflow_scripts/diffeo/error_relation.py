"""The relation between the test error and the stability of networks: power laws and rank correlations. Knows no torch.

The points are those of `error_points.py`. Fits and correlations are made for each data set, of the points with the largest P of
each network (what claims look at: networks alone differ), and of all points. Their errors are over networks (`power_laws.py`).
Points of which no test image is misclassified are the lowest in an order, and are not fitted.

Source: slides "Probing neural nets with diffeo" ("Is there a relation with performance?"); Petrini et al., NeurIPS 2021, where
the test error is about 0.2 √R_f on CIFAR-10 over 15 architectures.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.bootstrap import Floats, standard_error
from workflow_scripts.diffeo.error_points import QUANTITIES, error_points, learning_curves
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.power_laws import (
    FEWEST_NETWORKS,
    ROUNDING,
    difference_error,
    effect_error,
    effects,
    fit_power_law,
    mean_over_networks,
    network_weights,
    rank_correlations,
)
from workflow_scripts.diffeo.variables import variable

LARGEST, ALL = SELECTIONS = ("largest_train_size", "all_train_sizes")
PUBLISHED_PREFACTOR, PUBLISHED_EXPONENT = 0.2, 0.5
RESAMPLES, SEED = 2000, 0
FIT = "the fit test error = a q^b, q = R, D or G of the logits"
ORDER = "Spearman's rank correlation ρ of test error and q = R, D or G of the logits"
COUNTS = {
    "networks": "number of networks",
    "fitted_networks": "number of networks of which a test image is misclassified",
    "number_of_points": "number of points: networks, recipes and train sizes",
    "number_of_runs": "number of trainings",
}
BY_QUANTITY = {
    "exponent": f"exponent b of {FIT}",
    "exponent_standard_error": "standard error of exponent (over networks)",
    "prefactor": f"prefactor a of {FIT}",
    "log10_prefactor_standard_error": "standard error of log10 prefactor (over networks)",
    "log10_prefactor_exponent_covariance": "covariance of log10 prefactor and exponent (over networks)",
    "log10_scatter": f"root mean square distance of log10 test error from {FIT}",
    "log_correlation": "correlation of log10 test error and log10 q, q = R, D or G of the logits",
    "log_correlation_standard_error": "standard error of log_correlation (bootstrap over networks)",
    "rank_correlation": ORDER,
    "rank_correlation_standard_error": "standard error of rank_correlation (bootstrap over networks)",
    "rank_effect": f"log10((1 + ρ)/(1 - ρ)) of {ORDER}",
    "rank_effect_standard_error": "standard error of rank_effect (over networks)",
}
COMPARED = {
    "rank_advantage": f"log10((1 + |ρ|)/(1 - |ρ|)) of {ORDER}: of R, minus that of D or G",
    "rank_advantage_standard_error": "standard error of rank_advantage (over networks, paired)",
}
OF_R = {
    "exponent_z": "exponent of R minus 1/2, in standard errors",
    "published_ratio": "geometric mean of test error over 0.2 √R",
    "log10_published_ratio_standard_error": "standard error of log10 published_ratio (over networks)",
}
DIMS: dict[str, tuple[str, ...]] = {**dict.fromkeys(BY_QUANTITY, ("quantity",)), **dict.fromkeys(COMPARED, ("other",))}
SIZES = {"quantity": len(QUANTITIES), "other": len(QUANTITIES) - 1}
Numbers = dict[str, Any]  # of one data set and selection, by the names of the variables


def error_relation(summary: xr.Dataset, settings: Mapping[str, Any], collections: Mapping[str, str]) -> xr.Dataset:
    """Points, fits, correlations and learning curves of a summary.

    Args:
        summary: as for `error_points`.
        settings: `displacement` and `interpolation` at which R is looked at.
        collections: where the images of each data set come from, by its name: the coordinate `collection`.

    Returns:
        The points, the learning curves, and the variables `COUNTS`, `BY_QUANTITY`, `COMPARED` and `OF_R` (dataset, selection, …),
        NaN with fewer than `FEWEST_NETWORKS` networks; `note` (dataset, selection) says so, and what is not fitted.
    """
    points = error_points(summary, settings)
    datasets = sorted(set(usual_networks(summary).dataset.values.tolist()))
    cells = [relation_of(selected(points, dataset, selection)) for dataset in datasets for selection in SELECTIONS]

    def joined(name: str, long_name: str, kind: type) -> xr.Variable:
        dims = DIMS.get(name, ())
        shape = (len(datasets), len(SELECTIONS), *(SIZES[dim] for dim in dims))
        values: Any = np.array([cell.get(name, np.full(shape[2:], np.nan)) for cell in cells], kind).reshape(shape)
        return variable(("dataset", "selection", *dims), values, long_name)

    found = {name: joined(name, meaning, int) for name, meaning in COUNTS.items()}
    found |= {name: joined(name, meaning, float) for name, meaning in {**BY_QUANTITY, **COMPARED, **OF_R}.items()}
    found["note"] = joined("note", "what is missing, and why", str)
    labels = {"dataset": np.array(datasets, str), "selection": list(SELECTIONS), "other": list(QUANTITIES[1:])}
    sources = ("dataset", np.array([collections[dataset] for dataset in datasets], str))
    return xr.merge([points, xr.Dataset(found, {**labels, "collection": sources}), learning_curves(points)])


def selected(points: xr.Dataset, dataset: str, selection: str) -> xr.Dataset:
    """The points of one data set, all or those with the largest P of their network."""
    chosen = (points.point_dataset.values == dataset) & ((points.of_largest_train_size.values == 1) | (selection == ALL))
    return points.isel(point=np.flatnonzero(chosen))


def relation_of(points: xr.Dataset) -> Numbers:
    """All numbers of one data set and selection that can be known."""
    fitted = points.isel(point=np.flatnonzero(points.misclassified > 0))
    counts = [len(set(part.point_network.values.tolist())) for part in (points, fitted)]
    found: Numbers = dict(zip(COUNTS, (*counts, points.sizes["point"], int(points.seeds.sum())), strict=True))
    found["note"] = note(points.sizes["point"], fitted.sizes["point"], *counts)
    if counts[0] >= FEWEST_NETWORKS:
        found |= orders(points)
    if counts[1] >= FEWEST_NETWORKS:
        found |= power_laws(fitted) | against_published(fitted)
    return found


def note(points: int, fitted: int, networks: int, fitted_networks: int) -> str:
    """What is missing, and why; empty if nothing is."""
    if networks < FEWEST_NETWORKS:
        return f"trained networks with a known test error: {networks}, needed: {FEWEST_NETWORKS}"
    parts = [f"{points - fitted} of {points} points are not fitted: no test image is misclassified"] if fitted < points else []
    if fitted_networks < FEWEST_NETWORKS:
        parts.append(f"networks to fit: {fitted_networks}, needed: {FEWEST_NETWORKS}")
    return "; ".join(parts)


def logarithms(points: xr.Dataset) -> tuple[list[str], Floats, Floats]:
    """Networks, log10 of R, D and G (quantity, point), log10 of the test error (point)."""
    names: list[str] = points.point_network.values.tolist()
    return names, np.log10(points.stability.values.T), np.log10(points.test_error.values)


def power_laws(points: xr.Dataset) -> Numbers:
    """The fits of all quantities, of `FEWEST_NETWORKS` networks or more."""
    networks, values, error = logarithms(points)
    fits = [fit_power_law(networks, value, error, resamples=RESAMPLES, seed=SEED) for value in values]
    exponent, deviation = np.array([fit.exponent for fit in fits]), np.array([fit.covariance for fit in fits])
    of_r = math.sqrt(deviation[0, 1, 1])
    return {
        "exponent": exponent,
        "exponent_standard_error": np.sqrt(deviation[:, 1, 1]),
        "prefactor": np.array([10**fit.log10_prefactor for fit in fits]),
        "log10_prefactor_standard_error": np.sqrt(deviation[:, 0, 0]),
        "log10_prefactor_exponent_covariance": deviation[:, 0, 1],
        "log10_scatter": np.array([fit.scatter for fit in fits]),
        "log_correlation": np.array([fit.correlation for fit in fits]),
        "log_correlation_standard_error": np.array([fit.correlation_error for fit in fits]),
        "exponent_z": (exponent[0] - PUBLISHED_EXPONENT) / of_r if of_r else math.nan,
    }


def against_published(points: xr.Dataset) -> Numbers:
    """Mean of log10 of test error over 0.2 √R."""
    networks, values, error = logarithms(points)
    ratio = error - math.log10(PUBLISHED_PREFACTOR) - PUBLISHED_EXPONENT * values[0]
    value, deviation = mean_over_networks(networks, ratio, resamples=RESAMPLES, seed=SEED)
    return {"published_ratio": 10**value, "log10_published_ratio_standard_error": deviation}


def orders(points: xr.Dataset) -> Numbers:
    """The rank correlations of all quantities, and by how much R goes with the test error more than D and G do.

    Where R and the other put the networks in the same order, or in opposite ones, no data can tell: there is no number.
    """
    names, values, error = logarithms(points)
    networks, weights = len(set(names)), network_weights(names, RESAMPLES, SEED)
    found = np.array([rank_correlations(weights, value, error) for value in values])
    effect, strength = effects(found, networks), effects(abs(found), networks)
    advantages = []
    for place in range(1, len(QUANTITIES)):
        between = rank_correlations(weights[:1], values[0], values[place])[0] * np.sign(found[0, 0] * found[place, 0])
        if between > 1 - ROUNDING:
            advantages.append((math.nan, math.nan))
            continue
        drawn = strength[0] - strength[place]
        error_of = difference_error(drawn, abs(found[0, 0]), abs(found[place, 0]), between, networks)
        advantages.append((drawn[0], error_of))
    return {
        "rank_correlation": found[:, 0],
        "rank_correlation_standard_error": standard_error(found.T),
        "rank_effect": effect[:, 0],
        "rank_effect_standard_error": np.array([effect_error(drawn, networks) for drawn in effect]),
        **dict(zip(COMPARED, np.array(advantages).T, strict=True)),
    }
