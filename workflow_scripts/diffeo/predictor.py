"""The network function around the images, as a function of r, from the per-sample numbers of a predictor file. Knows no torch.

Averages and their errors are those of `statistics`. What is read off whole curves, called landmarks (the end of the linear
regime, the bump, where labels change), is computed for the images and for resamples of them in the same arrays; its errors are
the scatter of the resamples.

Source: slides "Gaussian noise stability around data-points" and "What's the case for diffeo stability?".
"""

from typing import NamedTuple

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.bootstrap import Floats, Integers, resample_indices, resampled_mean, resampled_median, standard_error
from workflow_scripts.diffeo.bump import between, find_bump, first_reaching, linear_edge, rise
from workflow_scripts.diffeo.statistics import mean, median, of_reference, squared_distance_of_pairs
from workflow_scripts.diffeo.variables import described, variable

Variables = dict[str, xr.Variable]

NORM = "normalised image"
CURVE = ("perturbation", "output", "statistic")
SURE = 0.95  # a bump counts if at least this fraction of the resamples has one
FACTOR = 1.1  # within which interpolations agree
PAIRS = (("bicubic", "bilinear"), ("bicubic", "gaussian"), ("bilinear", "gaussian"))
STATISTICS = {"mean": resampled_mean, "median": resampled_median}
BIN_EDGES = np.logspace(-2, 3, 41)
AVERAGES = {
    "stability": "mean squared distance of the outputs of moved and reference images over that of two images",
    "stability_median": "the same with the median over samples above",
    "stability_worst": "the same with the largest of the draws above",
    "label_changed": "fraction of moved images whose label is not that of the reference image",
    "wrong_label": "fraction of moved images whose label is not the true one",
    "probability_true": "mean softmax probability of the true class",
    "probability_reference": "mean softmax probability of the class predicted for the reference image",
    "entropy": "mean entropy of the softmax",
    "flip_fraction": "fraction of directions along which the label changes",
}
LANDMARKS = {
    "linear_edge": ("largest r up to which stability/r² is constant within 10 %", NORM),
    "rise": ("largest stability/r², first and last r excepted, over that at the smallest r", "1"),
    "rise_and_fall": ("the same over the lowest stability/r² at any larger r too, of the two factors the smaller one", "1"),
    "bump_position": ("r of the bump of stability/r²", NORM),
    "bump_height": ("stability/r² at the bump over that at the smallest r", "1"),
    "bump_width": ("decades of r between the points half-way up the bump", "1"),
    "onset_over_bump": ("log10 of the onset of label changes over the position of the bump", "1"),
    "flip_over_bump": ("log10 of the median distance to the boundary over the position of the bump", "1"),
    "onset": ("smallest r at which a tenth of the labels has changed", NORM),
    "half": ("smallest r at which half of the labels has changed", NORM),
    "flip_median": ("median norm at which the label changes along a direction", NORM),
}
NOT_LOGARITHMIC = ("bump_width", "onset_over_bump", "flip_over_bump")  # errors of the others are those of their log10


def predictor_statistics(measured: xr.Dataset, seed: int = 0, resamples: int = 200) -> xr.Dataset:
    """Reduce a predictor file to curves against r with errors, and to what is read off them.

    Args:
        measured: a file of `measure_predictor` without the dims of its run: `squared_distance` (perturbation, strength, output,
            sample, draw) and what docs/results.md lists beside it.
        seed: of the resamples; they are the same for all files with as many samples.
        resamples: number of resamples of the samples.

    Returns:
        The variables of `results/predictor.nc` without its dim `checkpoint`; their `long_name` says what each is. The denominator
        of `stability` is ⟨|f(x) − f(z)|²⟩ over pairs of reference images, but for `segment` over the pairs that it joins, so
        that Λ(0) = 0 and Λ(1) = 1. What is read off a curve stability/r² does not depend on it. A bump is reported where the
        sample and 95 % of its resamples have one; NaN elsewhere, as is what is compared with it.
    """
    drawn = draw_averages(measured)
    variables = averages(measured, drawn)
    variables["r"] = described(drawn["norm"].mean("sample"), "mean norm |x' − x| of the motion", NORM)
    indices = resample_indices(measured.sizes["sample"], resamples, seed)
    curves = resampled_curves(drawn, indices)
    variables |= landmarks(measured, curves, indices)
    variables |= relative_stability(measured, curves)
    variables |= agreement(measured, variables)
    variables["flip_histogram"] = flip_histogram(measured.flip_norm.values)
    variables["image_norm"] = described(measured.image_norm.variable.astype(float).mean(), "mean norm |x| of the images", NORM)
    for name in ("displacement", "temperature", "radius", "segment_fraction", "pixels"):
        variables[name] = measured[name].variable
    kept = {name: measured[name].variable for name in ("perturbation", "kind", "interpolation", "strength", "output")}
    made = {
        "statistic": list(STATISTICS),
        "pair": ["-".join(pair) for pair in PAIRS],
        "bin": np.arange(len(BIN_EDGES) - 1),
        "bin_low": variable(("bin",), BIN_EDGES[:-1], "smallest norm of the bin", NORM),
        "bin_high": variable(("bin",), BIN_EDGES[1:], "end of the bin", NORM),
    }
    return xr.Dataset(variables, kept | made)


def draw_averages(measured: xr.Dataset) -> Variables:
    """Averages over the draws of each image (perturbation, strength, ..., sample); of images with a label where it matters."""
    label, predicted = measured.label.variable, measured.predicted_class.variable
    known = np.flatnonzero(label.values >= 0)
    values = {
        "distance": measured.squared_distance.variable,
        "norm": measured.norm.variable,
        "label_changed": predicted != of_reference(measured, measured.reference_class.variable),
        "wrong_label": (predicted != label).isel(sample=known),
        "probability_true": measured.probability_true.variable.isel(sample=known),
        "probability_reference": measured.probability_reference.variable,
        "entropy": measured.entropy.variable,
        "flip_fraction": measured.flip_norm.variable.notnull(),
    }
    return {name: value.astype(float).mean("draw", skipna=False) for name, value in values.items()}


def averages(measured: xr.Dataset, drawn: Variables) -> Variables:
    """Averages over samples at each strength, with their standard errors."""
    pairs = mean(pair_distances(measured, drawn["distance"]))
    worst = measured.squared_distance.variable.astype(float).max("draw", skipna=False)
    with np.errstate(invalid="ignore"):  # the mean of no image, where no label is known, is NaN
        estimates = {name: mean(drawn[name]) for name in AVERAGES if name in drawn}
    estimates |= {
        "stability": mean(drawn["distance"]).over(pairs),
        "stability_median": median(drawn["distance"]).over(pairs),
        "stability_worst": mean(worst).over(pairs),
    }
    variables = {}
    for name, long_name in AVERAGES.items():
        units = "nat" if name == "entropy" else "1"
        variables[name] = described(estimates[name].value, long_name, units)
        error = described(estimates[name].standard_error(), f"standard error of {name}", units)
        variables[f"{name}_standard_error"] = error
    return variables


def pair_distances(measured: xr.Dataset, distance: xr.Variable) -> xr.Variable:
    """Squared distances (perturbation, output, sample) of pairs of images, to which those of moved images are compared."""
    pairs = squared_distance_of_pairs(measured)
    segments = np.flatnonzero(measured.kind.values == "segment")
    pairs[{"perturbation": segments}] = distance.isel(perturbation=segments, strength=measured.segment_fraction.values.argmax())
    return pairs


class Curves(NamedTuple):
    """Curves of the sample and of its resamples.

    Attributes:
        r: mean norms (1 + resamples, perturbation, strength).
        changed: fractions of changed labels, the same shape.
        distance: mean and median squared distances (1 + resamples, perturbation, output, statistic, strength).
    """

    r: Floats
    changed: Floats
    distance: Floats


def resampled_curves(drawn: Variables, indices: Integers) -> Curves:
    """Curves from averages over draws."""
    distance = drawn["distance"].transpose("perturbation", "output", "strength", "sample").values
    r, changed = (
        resampled_mean(drawn[name].transpose("perturbation", "strength", "sample").values, indices)
        for name in ("norm", "label_changed")
    )
    return Curves(r, changed, np.stack([statistic(distance, indices) for statistic in STATISTICS.values()], axis=3))


def relative_stability(measured: xr.Dataset, curves: Curves) -> Variables:
    """R = D/G of each deformation at its own r: G/r² of the noise on the same reference images, between two strengths."""
    found = np.full(curves.distance.shape, np.nan)
    place = measured.indexes["perturbation"]
    r = curves.r[:, :, None, None]
    for row in np.flatnonzero(measured.kind.values == "diffeo"):
        noise = "noise_smoothed" if measured.reference_images.values[row] == "smoothed" else "noise"
        if noise in place:
            of_noise = place.get_loc(noise)
            share = between(r[:, of_noise], curves.distance[:, of_noise] / r[:, of_noise] ** 2, r[:, row])
            found[:, row] = curves.distance[:, row] / r[:, row] ** 2 / share
    dims, name = (*CURVE, "strength"), "relative_stability"
    meaning = "relative stability R = D/G of the deformation, G that of noise of the same norm on the same reference images"
    error = variable(dims, standard_error(found), f"standard error of {name}")
    return {name: variable(dims, found[0], meaning), f"{name}_standard_error": error}


def landmarks(measured: xr.Dataset, curves: Curves, indices: Integers) -> Variables:
    """What is read off the curves of the sample, with errors from its resamples."""
    found = resampled_landmarks(measured, curves, indices)
    exists = found.pop("bump_exists")
    probability = exists[1:].mean(axis=0)
    reported = (exists[0] == 1) & (probability >= SURE)
    variables = {"bump_probability": variable(CURVE, probability, "fraction of resamples of the images with a bump")}
    for name, (long_name, units) in LANDMARKS.items():
        values = np.where(reported, found[name], np.nan) if "bump" in name else found[name]
        variables[name] = variable(CURVE[: values.ndim - 1], values[0], long_name, units)
        logarithmic = name not in NOT_LOGARITHMIC
        error = standard_error(np.log10(values) if logarithmic else values)
        meaning = f"standard error of {'log10 of ' if logarithmic else ''}{name}"
        variables[f"{name}_standard_error"] = variable(CURVE[: values.ndim - 1], error, meaning)
    return variables


def resampled_landmarks(measured: xr.Dataset, curves: Curves, indices: Integers) -> dict[str, Floats]:
    """Landmarks (1 + resamples, perturbation) or (1 + resamples, perturbation, output, statistic), and who has a bump."""
    r, changed, distance = curves
    rows = [curve_landmarks(r[:, row], distance[:, row], changed[:, row]) for row in range(r.shape[1])]
    found = {name: np.stack([row[name] for row in rows], axis=1) for name in rows[0]}
    flips = measured.flip_norm.transpose("perturbation", "sample", "draw").values.astype(float)
    found["flip_median"] = resampled_flip_median(flips, indices)
    for name, place in (("onset_over_bump", "onset"), ("flip_over_bump", "flip_median")):
        found[name] = np.log10(found[place][..., None, None] / found["bump_position"])
    return found


def curve_landmarks(r: Floats, distance: Floats, changed: Floats) -> dict[str, Floats]:
    """Landmarks of one perturbation; strengths without motion are left out.

    Args:
        r: mean norms (1 + resamples, strength).
        distance: mean and median squared distances (1 + resamples, output, statistic, strength).
        changed: fractions of changed labels (1 + resamples, strength).
    """
    moved = r[0] > 0
    r, changed = r[:, moved], changed[:, moved].round(12)  # a tenth is a tenth, whatever its rounding
    radius = r[:, None, None]
    curve = distance[..., moved] / radius**2
    bump = find_bump(radius, curve)
    return {
        "linear_edge": linear_edge(radius, curve),
        "rise": rise(radius, curve, falls=False),
        "rise_and_fall": rise(radius, curve, falls=True),
        "bump_exists": bump.exists.astype(float),
        "bump_position": bump.position,
        "bump_height": bump.height,
        "bump_width": bump.width,
        "onset": first_reaching(r, changed, 0.1),
        "half": first_reaching(r, changed, 0.5),
    }


def resampled_flip_median(flips: Floats, indices: Integers) -> Floats:
    """Median over samples and draws of norms (perturbation, sample, draw); NaN, that is never, counts as the largest.

    Returns:
        (1 + resamples, perturbation); NaN where half or more never flip.
    """
    draws = flips.shape[-1]
    flat = np.where(np.isnan(flips), np.inf, flips).reshape(len(flips), -1)
    all_draws = (indices[..., None] * draws + np.arange(draws)).reshape(len(indices), -1)
    medians = resampled_median(flat, all_draws)
    return np.where(np.isfinite(medians), medians, np.nan)


def flip_histogram(flips: Floats) -> xr.Variable:
    """Fraction of (perturbation, sample, draw) in each bin of norms."""
    place = np.digitize(flips, BIN_EDGES) - 1  # NaN ends up behind the last bin
    counts = (place.reshape(len(flips), 1, -1) == np.arange(len(BIN_EDGES) - 1)[:, None]).mean(axis=-1)
    return variable(("perturbation", "bin"), counts, "fraction of directions along which the label changes within the bin")


def agreement(measured: xr.Dataset, variables: Variables) -> Variables:
    """From which r and δ on the curves D/r² (logits, means) of two interpolations agree; NaN for those that are not there."""
    r, perturbation, output = variables["r"].values, measured.indexes["perturbation"], measured.indexes["output"]
    rows = np.stack([perturbation.get_indexer([f"diffeo_{pair[side]}" for pair in PAIRS]) for side in (0, 1)])
    absent = (rows < 0)[..., None]
    with np.errstate(all="ignore"):
        curves = variables["stability"].isel(output=output.get_loc("logits")).values / r**2
        ratio = np.divide(*np.where(absent, np.nan, curves[rows]))
        agree = np.maximum(ratio, 1 / ratio) <= FACTOR
    from_here_on = np.logical_and.accumulate(agree[:, ::-1], axis=1)[:, ::-1]
    first = from_here_on.argmax(axis=1)
    smallest = {
        "r": (r[rows].mean(axis=0)[np.arange(len(PAIRS)), first], NORM),
        "displacement": (measured.displacement.values[first], "pixel"),
    }
    meaning = "from which on the curves stability/r² of two interpolations agree within 10 %"
    found = {
        "agreement_ratio": variable(("pair", "strength"), ratio, "stability/r² of the first interpolation over the second's")
    }
    for name, (values, units) in smallest.items():
        usable = np.where(from_here_on.any(axis=1), values, np.nan)
        found[f"agreement_{name}"] = variable(("pair",), usable, f"smallest {name} {meaning}", units)
    return found
