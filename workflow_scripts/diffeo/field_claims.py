"""The claims on displacement fields: how large the parts of their gradients are, and what is no local translation. No torch.

Every row is one mode rule and one cutoff; the draws of each ensemble are its own, so that rows are independent. Ratios of means
over the same draws have errors that count their correlation. All ratios are the same at every temperature.
"""

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import FIELDS, QUARTER, TENTH, Claim, Evidence, EvidenceMaker
from workflow_scripts.diffeo.run_averages import log10_with_error
from workflow_scripts.diffeo.statistics import mean

NEARER = math.log10(math.pi) / 2  # two formulas that differ by a factor π: the measured value is nearer to one of them
TWENTIETH = math.log10(1.05)


def rows(value: xr.DataArray, error: xr.DataArray, draws: int) -> list[Evidence]:
    """A row for each mode rule and cutoff of the logarithm of (mode_rule, cutoff) numbers."""
    ordered = [part.transpose("mode_rule", "cutoff") for part in log10_with_error(value, error)]
    names = product(value.mode_rule.values.tolist(), value.cutoff.values.tolist())
    numbers = zip(*(part.values.ravel().tolist() for part in ordered), strict=True)
    return [
        Evidence(rule, f"c = {cutoff}", logarithm, standard_error, draws)
        for (rule, cutoff), (logarithm, standard_error) in zip(names, numbers, strict=True)
    ]


def over_formula(part: str, formula: str) -> EvidenceMaker:
    """log10 of the mean squared norm of a part over a formula for large c, at the largest cutoff."""

    def evidence(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = fields.sel(part=part).isel(strength=0, cutoff=[int(fields.cutoff.values.argmax())])
        predicted = chosen.squared_norm_formula.sel(formula=formula)
        value, error = chosen.squared_norm / predicted, chosen.squared_norm_standard_error / predicted
        return rows(value, error, fields.sizes["draw"])

    return evidence


def ratio_of_parts(name: str, numerator: str, denominator: str, expected: float) -> EvidenceMaker:
    """log10 of the mean of a norm of one part over that of another, over the ratio that is expected."""

    def evidence(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        drawn = fields[f"{name}_of_draw"].astype(float).rename(draw="sample")
        first, second = (mean(drawn.sel(part=part).variable) for part in (numerator, denominator))
        found = first.over(second)
        like = drawn.isel(sample=0, part=0, drop=True)
        value, error = (like.copy(data=part.values / expected) for part in (found.value, found.standard_error()))
        return rows(value, error, fields.sizes["draw"])

    return evidence


def at_patch(fields: xr.Dataset, fraction: float) -> xr.Dataset:
    """The file at the patch size nearest to a fraction of the image."""
    distance = np.abs(fields.patch_size.values - fraction * float(fields["size"]))
    return fields.isel(patch_size=int(distance.argmin()))


def share_on_patches(part: str, fraction: float) -> EvidenceMaker:
    """log10 of the share of a part in the mean square of the displacement, on patches of a fraction of the image."""

    def evidence(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = at_patch(fields, fraction).sel(patch_part=part)
        return rows(chosen.patch_share, chosen.patch_share_standard_error, fields.sizes["draw"])

    return evidence


def estimate_over_remainder(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of p²⟨‖U‖²⟩/12 over the remainder, on patches of half of the image."""
    chosen = at_patch(fields, 1 / 2).sel(patch_part="remainder", average="grid")
    value = chosen.linear_estimate / chosen.patch_square
    return rows(value, value * chosen.patch_square_standard_error / chosen.patch_square, fields.sizes["draw"])


LABELS = ("modes", "cutoff", "draws")
NORMS = "How much of these transformations is there in a diffeo?"
PATCHES = "Is it ok to compare translations norm and gradients norm?"
NOT_TRANSLATIONS = "Diffeos are not just local translations"
ALL = "mean over mode rules and cutoffs"
LARGEST = "at the largest cutoff, mean over mode rules"
SAME, CLOSE = (-TWENTIETH, TWENTIETH), (-TENTH, TENTH)
NEAR = (-NEARER, NEARER)
HALF_IMAGE = "on patches of half of the image's edge"


def field_claim(
    name: str, statement: str, slide: str, quantity: str, interval: tuple[float, float], made: EvidenceMaker
) -> Claim:
    """A claim that `results/fields.nc` decides."""
    return Claim(name, statement, FIELDS, slide, quantity, interval, "fields", made, labels=LABELS, rows="cutoffs")


FIELD_CLAIMS = (
    field_claim(
        "gradient_formula",
        "⟨‖C‖²⟩ ≃ π²c²T/32 as printed (the measured value is nearer to it than to π times it).",
        NORMS,
        f"log10 of the measured ⟨‖C‖²⟩ over π²c²T/32, {LARGEST}",
        NEAR,
        over_formula("C", "slides"),
    ),
    field_claim(
        "gradient_formula_with_pi",
        "⟨‖C‖²⟩ ≃ π³c²T/32, with the factor π that the slide lacks (the measured value is nearer to it than to a factor π off).",
        NORMS,
        f"log10 of the measured ⟨‖C‖²⟩ over π³c²T/32, {LARGEST}",
        NEAR,
        over_formula("C", "asymptotic"),
    ),
    field_claim(
        "shear_twice_compression",
        "⟨‖S‖²⟩ = 2⟨‖C‖²⟩ (to 5 %).",
        NORMS,
        f"log10 of ⟨‖S‖²⟩/(2⟨‖C‖²⟩), {ALL}",
        SAME,
        ratio_of_parts("squared_norm", "S", "C", 2.0),
    ),
    field_claim(
        "rotation_equals_compression",
        "⟨‖R‖²⟩ = ⟨‖C‖²⟩ (to 5 %).",
        NORMS,
        f"log10 of ⟨‖R‖²⟩/⟨‖C‖²⟩, {ALL}",
        SAME,
        ratio_of_parts("squared_norm", "R", "C", 1.0),
    ),
    field_claim(
        "norms_without_square",
        "Without the square, ⟨‖S‖⟩/⟨‖C‖⟩ = π/2 (to 5 %; √2 would be the ratio of the root mean squares).",
        "Compute the average of the norm (w/o the square)",
        f"log10 of ⟨‖S‖⟩/⟨‖C‖⟩ over π/2, {ALL}",
        SAME,
        ratio_of_parts("norm", "S", "C", math.pi / 2),
    ),
    field_claim(
        "leading_logarithm",
        "⟨‖τ‖²⟩ ≃ (π/4)n²T ln c (to 10 %).",
        NORMS,
        f"log10 of the measured ⟨‖nτ‖²⟩ over (π/4)n²T ln c, {LARGEST}",
        CLOSE,
        over_formula("tau", "slides"),
    ),
    field_claim(
        "not_only_translations",
        f"Diffeos are not just local translations (a tenth of ⟨‖τ‖²⟩ or more is something else {HALF_IMAGE}).",
        NOT_TRANSLATIONS,
        f"log10 of the share of τ − τ̄ in ⟨‖τ‖²⟩ {HALF_IMAGE}, {ALL}",
        (-1.0, math.inf),
        share_on_patches("remainder", 1 / 2),
    ),
    field_claim(
        "linear_on_small_patches",
        "A diffeo can be approximated by a linear transformation locally (less than a tenth of ⟨‖τ‖²⟩ is neither translation nor "
        "linear on patches of an eighth of the image's edge).",
        "Neurons' receptive field",
        f"log10 of the share of the rest in ⟨‖τ‖²⟩ on patches of an eighth of the image's edge, {ALL}",
        (-math.inf, -1.0),
        share_on_patches("rest", 1 / 8),
    ),
    field_claim(
        "not_linear_on_large_patches",
        f"… and only locally (a tenth of ⟨‖τ‖²⟩ or more is neither translation nor linear {HALF_IMAGE}).",
        "Neurons' receptive field",
        f"log10 of the share of the rest in ⟨‖τ‖²⟩ {HALF_IMAGE}, {ALL}",
        (-1.0, math.inf),
        share_on_patches("rest", 1 / 2),
    ),
    field_claim(
        "linear_estimate_fails",
        "On finite patches, norms of gradients cannot be compared with those of translations any more "
        f"(p²⟨‖U‖²⟩/12 exceeds what is no translation by 25 % or more {HALF_IMAGE}).",
        PATCHES,
        f"log10 of p²⟨‖U‖²⟩/12 over ⟨‖τ − τ̄‖²⟩ {HALF_IMAGE}, on pixels (p² − 1 for p²), {ALL}",
        (QUARTER, math.inf),
        estimate_over_remainder,
    ),
)
