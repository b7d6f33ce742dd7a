"""Claims on displacement fields, on a measured file and with planted changes."""

import math

import numpy as np
import pytest

from tests.synthetic_fields import make_fields
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.field_claims import FIELD_CLAIMS, at_patch
from workflow_scripts.diffeo.field_norms import mean_squares
from workflow_scripts.diffeo.patch_norms import linear_estimate, patch_mean_squares

CLAIMS = {claim.name: claim for claim in FIELD_CLAIMS}


@pytest.fixture(scope="module")
def fields():
    return make_fields(cutoffs=[3, 8], draws=1000)


def decided(name, fields):
    return decide(CLAIMS[name], {"fields": fields}, {})


def exact(name, rule, cutoff):
    """The value of a claim's row from the exact sums."""
    squares = mean_squares(cutoff, rule, size=16, on_grid=True)
    patches = {p: patch_mean_squares(cutoff, rule, size=16, patch=p, on_grid=True) for p in (2, 8)}
    whole = {p: parts["translation"] + parts["remainder"] for p, parts in patches.items()}
    return {
        "gradient_formula": squares["C"] / (math.pi**2 * cutoff**2 / 32),
        "gradient_formula_with_pi": squares["C"] / (math.pi**3 * cutoff**2 / 32),
        "shear_twice_compression": 1.0,
        "rotation_equals_compression": 1.0,
        "norms_without_square": 1.0,
        "leading_logarithm": squares["tau"] / (math.pi / 4 * 16**2 * math.log(cutoff)),
        "not_only_translations": patches[8]["remainder"] / whole[8],
        "linear_on_small_patches": patches[2]["rest"] / whole[2],
        "not_linear_on_large_patches": patches[8]["rest"] / whole[8],
        "linear_estimate_fails": linear_estimate(cutoff, rule, size=16, patch=8, on_grid=True) / patches[8]["remainder"],
    }[name]


@pytest.mark.parametrize("name", CLAIMS)
def test_rows_are_the_exact_values_within_five_errors(name, fields):
    rows = decided(name, fields).evidence
    cutoffs = [8] if "at the largest cutoff" in CLAIMS[name].quantity else [3, 8]
    assert [(row.dataset, row.network) for row in rows] == [
        (rule, f"c = {cutoff}") for rule in ("disc", "padded") for cutoff in cutoffs
    ]
    for row in rows:
        expected = math.log10(exact(name, row.dataset, int(row.network.removeprefix("c = "))))
        assert abs(row.value - expected) < 5 * row.standard_error + 1e-12
        assert 0 < row.standard_error < 0.05
        assert row.runs == 1000


def test_the_formula_of_the_slides_lacks_a_factor_pi(fields):
    assert decided("gradient_formula", fields).verdict == "does not hold"
    assert decided("gradient_formula_with_pi", fields).verdict == "holds"
    difference = decided("gradient_formula", fields).value - decided("gradient_formula_with_pi", fields).value
    assert difference == pytest.approx(math.log10(math.pi), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "variable", "part", "factor", "change"),
    [
        ("shear_twice_compression", "squared_norm_of_draw", "S", 1.3, math.log10(1.3)),
        ("rotation_equals_compression", "squared_norm_of_draw", "R", 0.7, math.log10(0.7)),
        ("norms_without_square", "norm_of_draw", "C", 1.2, -math.log10(1.2)),
    ],
)
def test_planted_ratio_is_found(name, variable, part, factor, change, fields):
    planted = fields.copy()
    planted[variable] = planted[variable] * np.where(planted.part == part, factor, 1.0)
    before, after = decided(name, fields), decided(name, planted)
    assert before.verdict == "holds"
    assert after.value - before.value == pytest.approx(change, abs=1e-9)
    assert after.verdict == "does not hold"


def test_correlation_between_the_parts_is_counted(fields):
    planted = fields.copy()
    drawn = planted.squared_norm_of_draw
    planted["squared_norm_of_draw"] = drawn.where(drawn.part != "R", drawn.sel(part="C"))
    decision = decided("rotation_equals_compression", planted)
    assert (decision.value, decision.standard_error) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize(("name", "part"), [("not_only_translations", "remainder"), ("not_linear_on_large_patches", "rest")])
def test_fields_that_are_translations_on_patches_are_seen(name, part, fields):
    planted = fields.copy()
    planted["patch_share"] = planted.patch_share.where(planted.patch_part != part, 0.05)
    decision = decided(name, planted)
    assert decision.value == pytest.approx(math.log10(0.05))
    assert decision.verdict == "does not hold"


def test_a_constant_gradient_would_make_the_linear_estimate_right(fields):
    planted = fields.copy()
    planted["patch_square"] = planted.linear_estimate.sel(average="grid").expand_dims(patch_part=fields.patch_part.values)
    assert decided("linear_estimate_fails", planted).value == pytest.approx(0, abs=1e-12)
    assert decided("linear_estimate_fails", planted).verdict == "does not hold"


@pytest.mark.parametrize(("fraction", "patch"), [(1 / 2, 8), (1 / 8, 2), (1.0, 16), (0.9, 16)])
def test_the_nearest_patch_is_looked_at(fraction, patch, fields):
    assert at_patch(fields, fraction).patch_size == patch
