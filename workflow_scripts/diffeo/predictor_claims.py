"""The claims on the network's output around the data points, as a function of r. Knows no torch.

All are about trained networks and, unless they say otherwise, about the logits under isotropic noise: g(r) = G_f/r², averaged
over images. A row is the mean over those runs of a network that have the number: a run without a bump has no bump position.
Numbers come from `results/predictor.nc` with their errors. Only the ratio of two
interpolations takes the errors of the two as independent; they share images, so that the true error is smaller.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import (
    HALF,
    PREDICTOR,
    TENTH,
    Claim,
    Evidence,
    EvidenceMaker,
    difference,
    mean_with_error,
    row,
)
from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, log10_with_error, trained

LARGE = 1e4  # pixels × channels: between small images (32 × 32 × 3 is 3072) and photographs (224 × 224 × 3 is 150528)
ENLARGED = "_enlarged"  # a data set of this ending holds the images of the data set without it, resampled to more pixels
NO_BUMP = "G/r² has no bump"
Group = tuple[str, str]  # data set, network


def along(predictor: xr.Dataset, name: str, perturbation: str = "noise") -> xr.DataArray:
    """A variable at the logits and the mean over samples, along one perturbation; NaN where that was not measured."""
    found = predictor[name].reindex(perturbation=[perturbation]).isel(perturbation=0, drop=True)
    labels = {"output": "logits", "statistic": "mean"}
    return found.sel({dim: label for dim, label in labels.items() if dim in found.dims}, drop=True)


def curve(predictor: xr.Dataset, perturbation: str) -> tuple[xr.DataArray, xr.DataArray]:
    """log10 of stability/r² and its standard error (checkpoint, strength)."""
    r = along(predictor, "r", perturbation)
    squares = (r**2).where(r > 0)
    stability = (along(predictor, name, perturbation) / squares for name in ("stability", "stability_standard_error"))
    return log10_with_error(*stability)


def log10(values: xr.DataArray) -> xr.DataArray:
    """Base-10 logarithm, labels kept."""
    logarithm: xr.DataArray = xr.apply_ufunc(np.log10, values)
    return logarithm


def bump_position(predictor: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """log10 of the bump's r and its standard error (checkpoint); NaN without a bump."""
    return log10(along(predictor, "bump_position")), along(predictor, "bump_position_standard_error")


def over_runs(values: xr.DataArray, errors: xr.DataArray) -> Groups:
    """Mean of each (data set, network) over the runs that have the number."""
    known = np.flatnonzero(np.isfinite(values) & np.isfinite(errors))
    return average_over_runs(values.isel(checkpoint=known), errors.isel(checkpoint=known))


def rows(found: Groups, groups: Sequence[Group], reason: str) -> list[Evidence]:
    """A row for each of `groups`, without a number, because of `reason`, where there is no average."""
    return [row(group, found.get(group), reason, reason) for group in groups]


def groups_of(checkpoints: xr.Dataset) -> list[Group]:
    """Pairs (data set, network), sorted."""
    return sorted(set(zip(checkpoints.dataset.values.tolist(), checkpoints.network.values.tolist(), strict=True)))


def why_missing(predictor: xr.Dataset, perturbations: Sequence[str], otherwise: str) -> str:
    """That a perturbation was not measured, or else `otherwise`."""
    absent = [name for name in perturbations if name not in predictor.perturbation.values]
    return f"not measured: {', '.join(absent)}" if absent else otherwise


def linear_edge(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of the edge of the linear regime over 10."""
    chosen = trained(predictor)
    values, errors = log10(along(chosen, "linear_edge") / 10), along(chosen, "linear_edge_standard_error")
    reason = why_missing(chosen, ["noise"], "the linear regime has no known edge")
    return rows(over_runs(values, errors), groups_of(chosen), reason)


def over_bump(name: str, undefined: str) -> EvidenceMaker:
    """log10 of an r over the bump position, as the predictor's file has it."""

    def evidence(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = trained(predictor)
        values, errors = along(chosen, name), along(chosen, f"{name}_standard_error")
        return rows(over_runs(values, errors), groups_of(chosen), why_missing(chosen, ["noise"], f"{NO_BUMP}, or {undefined}"))

    return evidence


def rise(name: str, perturbation: str) -> EvidenceMaker:
    """log10 of how far stability/r² rises above its linear value, as the predictor's file has it."""

    def evidence(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = trained(predictor)
        values, errors = log10(along(chosen, name, perturbation)), along(chosen, f"{name}_standard_error", perturbation)
        reason = why_missing(chosen, [perturbation], "fewer than three strengths were measured, or the network is constant")
        return rows(over_runs(values, errors), groups_of(chosen), reason)

    return evidence


def large_over_small(per_pixel: bool) -> EvidenceMaker:
    """log10 of a large-image network's bump position over the geometric mean of the small-image networks'.

    Enlarged copies of small images do not count as small images. The error of the mean is common to all rows.
    """

    def evidence(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = trained(predictor)
        values, errors = bump_position(chosen)
        if per_pixel:
            values = values - np.log10(chosen.pixels) / 2
        found = over_runs(values, errors)
        pixels = dict(zip(chosen.dataset.values.tolist(), chosen.pixels.values.tolist(), strict=True))
        large = [group for group in groups_of(chosen) if pixels[group[0]] >= LARGE]
        small = [found[group] for group in found if group not in large and not group[0].endswith(ENLARGED)]
        reason = why_missing(chosen, ["noise"], NO_BUMP)
        if not small:
            return [Evidence(*group, reason=f"on small images {reason}") for group in large]
        middle, error = mean_with_error(*zip(*((float(one.value), float(one.standard_error)) for one in small), strict=True))
        return [minus_shared(one, middle, error) for one in rows(found, large, reason)]

    return evidence


def minus_shared(one: Evidence, value: float, error: float) -> Evidence:
    """A row minus a number that all rows share."""
    if not math.isfinite(one.value):
        return one
    total = math.hypot(one.standard_error, error)
    return Evidence(one.dataset, one.network, one.value - value, total, one.runs, one.reason, shared_error=error)


def enlarged_over_original(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of the bump position on enlarged images over that on the images as they are, for the same network."""
    chosen = trained(predictor)
    found, groups = over_runs(*bump_position(chosen)), groups_of(chosen)
    pairs = {group: (group[0].removesuffix(ENLARGED), group[1]) for group in groups if group[0].endswith(ENLARGED)}
    pairs = {enlarged: original for enlarged, original in pairs.items() if original in groups}
    ratios = {enlarged: difference(found.get(enlarged), found.get(original)) for enlarged, original in pairs.items()}
    reason = why_missing(chosen, ["noise"], f"{NO_BUMP} at one of the two sizes")
    return [row(group, ratio, reason, reason) for group, ratio in ratios.items()]


def disagreement(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """|log10 of the ratio of D/r²| of bilinear and gaussian interpolation, at the smallest strength."""
    chosen = trained(predictor)
    pair = ["diffeo_bilinear", "diffeo_gaussian"]
    (first, first_error), (second, second_error) = (curve(chosen.isel(strength=[0]), name) for name in pair)
    errors = (first_error**2 + second_error**2) ** 0.5
    found = over_runs((first - second).isel(strength=0), errors.isel(strength=0))
    absolute = {group: average._replace(value=abs(average.value)) for group, average in found.items()}
    return rows(absolute, groups_of(chosen), why_missing(chosen, pair, "D is zero at the smallest strength"))


def radius_over_bump(predictor: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of the norm of the deformations at the displacement of `settings` over the bump position of the noise."""
    chosen, displacement = trained(predictor), settings["displacement"]
    log_radius = xr.apply_ufunc(
        lambda steps, r: np.interp(math.log(displacement), np.log(steps), np.log10(r), left=math.nan, right=math.nan),
        chosen.displacement,
        along(chosen, "r", "diffeo_bilinear"),
        input_core_dims=[["strength"], ["strength"]],
        vectorize=True,
        output_dtypes=[float],
    )
    values, errors = bump_position(chosen)
    reason = f"{NO_BUMP}, or the sweep does not reach δ = {displacement:g} px"
    reason = why_missing(chosen, ["diffeo_bilinear", "noise"], reason)
    return rows(over_runs(log_radius - values, errors), groups_of(chosen), reason)


NOISE, PUZZLE, DIFFEO = "Gaussian noise stability around data-points", "Puzzle", "What's the case for diffeo stability?"
FACTOR_2 = (HALF, -HALF)
POSITION = "r of the bump of G/r² of the logits (mean over images)"
NO_LARGE = "no network on large images was measured"

PREDICTOR_CLAIMS = (
    Claim(
        "linear_edge",
        "Most architectures are in the linear regime up until η* ~ 10 (within a factor of 2) …",
        PREDICTOR,
        NOISE,
        "log10 (η*/10), η* the largest r up to which G/r² of the logits is within 10 % of its value at the smallest r; trained",
        FACTOR_2,
        "predictor",
        linear_edge,
    ),
    Claim(
        "bump",
        "… then there is a bump (G/r² rises, and falls again, by 10 % at least).",
        PREDICTOR,
        NOISE,
        "log10 of the factor by which G/r² of the logits, at the interior r where it is largest, is above both its value at the "
        "smallest r and its lowest value at any larger r (of the two factors the smaller one); trained",
        (TENTH, math.inf),
        "predictor",
        rise("rise_and_fall", "noise"),
    ),
    Claim(
        "boundary",
        "Hypothesis: the bump corresponds to the average decision boundary distance from data-points (within a factor of 2).",
        PREDICTOR,
        NOISE,
        f"log10 of the median r at which the label flips along a direction of noise over the {POSITION}; trained",
        FACTOR_2,
        "predictor",
        over_bump("flip_over_bump", "half of the directions or more never flip the label"),
    ),
    Claim(
        "misclassification",
        "Bump corresponds to the regime in which nets start misclassifying! (within a factor of 2)",
        PREDICTOR,
        NOISE,
        f"log10 of the smallest r at which noise changes a tenth of the labels over the {POSITION}; trained",
        FACTOR_2,
        "predictor",
        over_bump("onset_over_bump", "noise never changes a tenth of the labels"),
    ),
    Claim(
        "large_images",
        "Similar results are obtained for ImageNet, with the bump occurring around the same position (within a factor of 2).",
        PREDICTOR,
        PUZZLE,
        f"log10 of the {POSITION} on images of 10⁴ pixels or more over the geometric mean of that on small images; trained",
        FACTOR_2,
        "predictor",
        large_over_small(per_pixel=False),
        NO_LARGE,
    ),
    Claim(
        "noise_per_pixel",
        "ImageNet samples – though – are 224x224 pixel (CIFAR10 is 32x32) so that the bump occurs here at much smaller noise per "
        "pixel (by a factor of 2 at least).",
        PREDICTOR,
        PUZZLE,
        f"The same with r/√(pixels) in place of r: the {POSITION}, divided by the root of the number of pixels; trained",
        (-math.inf, HALF),
        "predictor",
        large_over_small(per_pixel=True),
        NO_LARGE,
    ),
    Claim(
        "enlarged",
        "Extension (a question of this project, not on the slides): is the bump at the same r when the same images are enlarged, "
        "everything else being equal?",
        PREDICTOR,
        PUZZLE,
        f"log10 of the {POSITION} on enlarged images over that on the images as they are, the same network trained on each. "
        "It holds if r is the same within a factor of √2: twice the edge at the same noise per pixel would be a factor of 2",
        (HALF / 2, -HALF / 2),
        "predictor",
        enlarged_over_original,
        "no data set was measured beside its enlarged copy",
    ),
    Claim(
        "diffeo_manifold",
        "No bump if we stay on the diffeo manifold (D/r² does not rise by 10 %).",
        PREDICTOR,
        DIFFEO,
        "log10 of the largest interior value of D/r² of the logits over its value at the smallest r, bilinear; trained",
        (-math.inf, TENTH),
        "predictor",
        rise("rise", "diffeo_bilinear"),
    ),
    Claim(
        "interpolations",
        "The two interpolation methods disagree in G_f linear region (by 10 % at least).",
        PREDICTOR,
        DIFFEO,
        "Absolute value of log10 of the ratio of D/r² of the logits, bilinear over gaussian, at the smallest δ; trained",
        (TENTH, math.inf),
        "predictor",
        disagreement,
    ),
    Claim(
        "bump_region",
        "R_f is computed in the bump region (within a factor of 2).",
        PREDICTOR,
        DIFFEO,
        f"log10 of r = ⟨‖τx − x‖⟩ (bilinear) at the displacement δ at which R_f is looked at over the {POSITION}; trained",
        FACTOR_2,
        "predictor",
        radius_over_bump,
    ),
)
