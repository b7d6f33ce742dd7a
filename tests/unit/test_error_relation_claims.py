"""The claims on the test error, on planted laws."""

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import stdtrit

from tests.synthetic_relation import COLLECTIONS, MANY, NETWORKS, SETTINGS, Law, make_related_summary
from workflow_scripts.diffeo.claims import Decision, decide
from workflow_scripts.diffeo.error_relation import LARGEST, error_relation
from workflow_scripts.diffeo.error_relation_claims import ERROR_RELATION_CLAIMS, widened

NAMED = {claim.name: claim for claim in ERROR_RELATION_CLAIMS}
SIZES = {"train_sizes": (100, 1000, 10000)}


def related(law: Law = lambda r, d, g: 0.2 * r**0.5, **options: Any) -> xr.Dataset:
    return error_relation(make_related_summary(law, **options), SETTINGS, COLLECTIONS)


def decided(relation: xr.Dataset, name: str) -> Decision:
    return decide(NAMED[name], {"error_relation": relation}, SETTINGS)


@pytest.mark.parametrize(
    ("name", "law", "options", "expected"),
    [
        ("error_relation", lambda r, d, g: 0.2 * r**0.5, {}, "holds"),
        ("error_relation", lambda r, d, g: 0.2 * r**0.5, {"stabilities": dict(list(NETWORKS.items())[:4])}, "undecided"),
        ("error_relation", lambda r, d, g: 0.02 * r**-0.5, {}, "does not hold"),
        ("error_exponent", lambda r, d, g: 0.02 * r**0.5, {}, "holds"),
        ("error_exponent", lambda r, d, g: 0.2 * r, {}, "does not hold"),
        ("error_exponent", lambda r, d, g: 0.2 * r**0.76 * np.resize([0.9, 0.9, 1.1, 1.1], r.shape), {}, "undecided"),
        ("error_prefactor", lambda r, d, g: 0.2 * r**0.5, {}, "holds"),
        ("error_prefactor", lambda r, d, g: 0.05 * r**0.5, {}, "does not hold"),
        ("error_prefactor", lambda r, d, g: 0.4 * r**0.5 * np.resize([0.8, 0.8, 1.2, 1.2], r.shape), {}, "undecided"),
        ("error_deformations", lambda r, d, g: 0.2 * r**0.5, {"stabilities": MANY}, "holds"),
        ("error_deformations", lambda r, d, g: 0.2 * d**0.1, {"stabilities": MANY}, "does not hold"),
        ("error_deformations", lambda r, d, g: 0.2 * r**0.5, {}, "undecided"),
        ("error_noise", lambda r, d, g: 0.2 * r**0.5, {"stabilities": MANY}, "holds"),
        ("error_noise", lambda r, d, g: 0.05 * g**-0.5, {"stabilities": MANY}, "does not hold"),  # the other way round counts
        ("error_simple_model", lambda r, d, g: 0.2 * r**0.5, {"datasets": ("dots",)}, "holds"),
        ("error_simple_model", lambda r, d, g: 0.02 * r**-0.5, {"datasets": ("dots",)}, "does not hold"),
        ("train_size", lambda r, d, g: 0.2 * r**0.5, {**SIZES, "train_size_exponent": -0.3}, "holds"),
        ("train_size", lambda r, d, g: 0.2 * r**0.5, {**SIZES, "train_size_exponent": 0.0}, "does not hold"),
        ("train_size", lambda r, d, g: 0.2 * r**0.5, {**SIZES, "train_size_exponent": -0.14}, "undecided"),
    ],
)
def test_claim_is_decided(name: str, law: Law, options: dict[str, Any], expected: str) -> None:
    assert decided(related(law, **options), name).verdict == expected


def test_rows_are_the_data_sets_of_images_or_of_the_simple_model() -> None:
    relation = related(datasets=("a", "b", "dots"), trained_seeds=2)
    for name in NAMED:
        rows = [(row.dataset, row.network, row.runs) for row in decided(relation, name).evidence]
        of_model, of_images = [("dots", "6", 12)], [("a", "6", 12), ("b", "6", 12)]
        assert rows == {"error_simple_model": of_model, "train_size": []}.get(name, of_images)


def test_values_are_those_of_the_file_at_the_largest_train_size() -> None:
    relation = related(
        lambda r, d, g: 0.3 * r**0.6 * np.resize([0.9, 0.9, 1.2, 1.2], r.shape), train_sizes=(10, 1000), stabilities=MANY
    )
    cell = relation.sel(dataset="a", selection=LARGEST)
    of_r = cell.sel(quantity="R")
    wide = stdtrit(14, 0.975) / 1.959963984540054
    expected = {
        "error_relation": (of_r.rank_effect, of_r.rank_effect_standard_error),
        "error_exponent": (of_r.exponent, of_r.exponent_standard_error * wide),
        "error_prefactor": (np.log10(cell.published_ratio), None),
        "error_deformations": (cell.rank_advantage[0], cell.rank_advantage_standard_error[0]),
        "error_noise": (cell.rank_advantage[1], cell.rank_advantage_standard_error[1]),
    }
    for name, (value, error) in expected.items():
        (row,) = decided(relation, name).evidence
        assert row.value == pytest.approx(float(value), abs=1e-12)
        if error is not None:
            assert row.standard_error == pytest.approx(float(error), rel=1e-12)


def test_train_sizes_count_for_all_but_the_simple_networks() -> None:
    decision = decided(related(**SIZES, train_size_exponent=-0.3), "train_size")
    assert [row.network for row in decision.evidence] == ["lenet", "resnet18_narrow", "vgg11", "vgg11_bn_narrow"]
    assert [row.value for row in decision.evidence] == pytest.approx([-0.3 * math.log10(2)] * 4, abs=1e-12)
    assert [row.runs for row in decision.evidence] == [3] * 4


@pytest.mark.parametrize("name", [name for name in NAMED if name not in ("error_simple_model", "train_size")])
def test_three_networks_leave_it_undecided(name: str) -> None:
    decision = decided(related(stabilities=dict(list(NETWORKS.items())[:3])), name)
    assert decision.verdict == "undecided"
    assert decision.reason == "trained networks with a known test error: 3, needed: 4"


def test_reasons_say_what_is_missing() -> None:
    relation = related(train_sizes=(10, 1000))
    assert decided(relation, "train_size").reason == "fewer than three train sizes"
    assert decided(related(), "train_size").reason == "no network was trained on several numbers of images"
    assert "no data set of scale detection was measured" in decided(relation, "error_simple_model").reason
    same = related(lambda r, d, g: 0 * r + 0.1)
    assert decided(same, "error_relation").reason == "the networks do not differ"
    assert (decided(same, "error_exponent").verdict, math.isnan(same.exponent_z[0, 0])) == ("does not hold", True)
    assert decided(related(), "error_noise").reason == "R_f and G_f put the networks in the same order, or in opposite ones"
    assert "between data sets is not known" in decided(relation, "error_relation").reason
    switched_off = decide(NAMED["error_relation"], {}, SETTINGS)
    assert switched_off.reason == "the analysis 'stability' is switched off"


def test_few_networks_widen_errors_as_student_says() -> None:
    assert widened(1.0, 1) == pytest.approx(12.706 / 1.96, rel=1e-4)
    assert widened(1.0, 10**6) == pytest.approx(1, rel=1e-5)
    assert math.isnan(widened(math.nan, -2))
