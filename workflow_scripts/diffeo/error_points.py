"""Test error and stability of trained networks, network by network, and against the number P of training images. Knows no torch.

A point is one network trained on one data set with one recipe and P images, at its last epoch: the geometric means over seeds of
D, G and R of the logits and of the test error. Simple local models are left out: they are a grid of their own, which would
outnumber the networks of the slides. So are networks trained elsewhere, whose error on these images is not known.

An error of 0 has no logarithm: it counts as half a test image, and the point says how many images are misclassified.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.power_laws import FEWEST_SIZES, measured_slope
from workflow_scripts.diffeo.run_averages import (
    Groups,
    at_strength,
    average_over_runs,
    is_largest,
    last_of_runs,
    log10_with_error,
    output,
)
from workflow_scripts.diffeo.variables import variable

QUANTITIES = ("R", "D", "G")
MEASURED = (*QUANTITIES, "test_error")
LABELS = ("dataset", "network", "recipe", "architecture", "train_size")  # of a point


def error_points(summary: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
    """The points of all trained runs of which the test error is known.

    Args:
        summary: D, G, R (checkpoint, interpolation, strength, layer) and `error` (checkpoint, split) with `*_standard_error`, and
            `error_images`.
        settings: `displacement` and `interpolation` at which R is looked at.

    Returns:
        `stability` (point, quantity) and `test_error` (point), with standard errors of their log10: of images, and the scatter
        between seeds. Labels are the coordinates `point_{dataset, network, recipe, architecture, train_size}`. Points of which D
        or G is no positive number (of a constant network) are left out.
    """
    last = last_of_runs(usual_networks(at_strength(summary, **settings)))
    error, own, images = (last[name].sel(split="test", drop=True) for name in ("error", "error_standard_error", "error_images"))
    pairs = [log10_with_error(output(last, name), output(last, f"{name}_standard_error")) for name in QUANTITIES]
    pairs += [log10_with_error(error.where(error != 0, 0.5 / images), own), (error * images, 0 * images)]
    labels = {name: last[name].variable for name in LABELS}
    values, errors = (
        xr.DataArray(np.stack([part.values for part in parts], 1), labels, ("checkpoint", "measured"))
        for parts in zip(*pairs, strict=True)
    )
    known = np.flatnonzero(np.isfinite(values.values).all(axis=1))
    return as_points(average_over_runs(values[known], errors[known], LABELS))


def as_points(groups: Groups) -> xr.Dataset:
    """Points from the averages, by `LABELS`, of log10 R, D, G and test error, and of the number of misclassified images."""
    means, errors = (
        np.array([part.values for part in parts]).reshape(-1, len(MEASURED) + 1)
        for parts in ([average.value for average in groups.values()], [average.standard_error for average in groups.values()])
    )
    columns = [np.array([group[place] for group in groups], str) for place in range(len(LABELS) - 1)]
    sizes = np.array([group[-1] for group in groups], int)
    largest = is_largest([group[:2] for group in groups], sizes.tolist())
    seeds = [average.runs for average in groups.values()]
    point, by_quantity = ("point",), ("point", "quantity")
    return xr.Dataset(
        {
            "stability": variable(by_quantity, 10 ** means[:, :-2], "R, D or G of the logits, geometric mean over seeds"),
            "log10_stability_standard_error": variable(by_quantity, errors[:, :-2], "standard error of log10 stability"),
            "test_error": variable(point, 10 ** means[:, -2], "fraction of misclassified test images, geometric mean over seeds"),
            "log10_test_error_standard_error": variable(point, errors[:, -2], "standard error of log10 test_error"),
            "misclassified": variable(
                point,
                means[:, -1],
                "number of misclassified test images, mean over seeds; no image counts as half of one in test_error",
            ),
            "seeds": variable(point, np.array(seeds, int), "number of seeds averaged"),
            "of_largest_train_size": variable(
                point, np.array(largest, np.int8), "whether P is the largest of its data set and network"
            ),
        },
        {
            "quantity": list(QUANTITIES),
            **{f"point_{name}": (point, column) for name, column in zip(LABELS, [*columns, sizes], strict=True)},
        },
    )


def learning_curves(points: xr.Dataset) -> xr.Dataset:
    """Exponents x of R, D, G and test error ∝ P^x of each (data set, network, recipe) that has two P at least.

    Returns:
        `train_size_exponent` (curve, measured), NaN with fewer than `FEWEST_SIZES` P, with standard error; `train_sizes` and
        `curve_runs` (curve). The labels are the coordinates `curve_{dataset, network, recipe, architecture}`.
    """
    labels = list(zip(*(points[f"point_{name}"].values.tolist() for name in LABELS[:-1]), strict=True))
    members = {label: [row for row, other in enumerate(labels) if other == label] for label in dict.fromkeys(labels)}
    members = {label: rows for label, rows in members.items() if len(rows) > 1}
    slopes = [exponents(points.isel(point=rows)) for rows in members.values()]
    values, errors = np.array(slopes).reshape(-1, len(MEASURED), 2).transpose(2, 0, 1)
    columns = [np.array([label[place] for label in members], str) for place in range(len(LABELS) - 1)]
    curve, by_measured = ("curve",), ("curve", "measured")
    sizes = np.array([len(rows) for rows in members.values()], int)
    runs = np.array([int(points.seeds.values[rows].sum()) for rows in members.values()], int)
    return xr.Dataset(
        {
            "train_size_exponent": variable(by_measured, values, "exponent x of R, D, G of the logits or test error ∝ P^x"),
            "train_size_exponent_standard_error": variable(by_measured, errors, "standard error of train_size_exponent"),
            "train_sizes": variable(curve, sizes, "number of P, the number of training images"),
            "curve_runs": variable(curve, runs, "number of trainings"),
        },
        {
            "measured": list(MEASURED),
            **{f"curve_{name}": (curve, column) for name, column in zip(LABELS[:-1], columns, strict=True)},
        },
    )


def exponents(points: xr.Dataset) -> list[tuple[float, float]]:
    """Exponent and standard error of each of `MEASURED`; of the test error, of the points where an image is misclassified."""
    found = []
    for name in MEASURED:
        of_error = name == "test_error"
        used = points.isel(point=np.flatnonzero(points.misclassified > 0)) if of_error else points
        value = used.test_error if of_error else used.stability.sel(quantity=name)
        error = used.log10_test_error_standard_error if of_error else used.log10_stability_standard_error.sel(quantity=name)
        sizes = used.point_train_size.values
        enough = len(sizes) >= FEWEST_SIZES
        found.append(measured_slope(np.log10(sizes), np.log10(value.values), error.values) if enough else (np.nan, np.nan))
    return found
