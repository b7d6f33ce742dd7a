import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic import PLANTED, make_summary
from workflow_scripts.diffeo.claims import CLAIMS, Z95, Claim, Evidence, decide, depth_slopes, verdict
from workflow_scripts.diffeo.run_averages import at_strength, trained

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
NAMED = {claim.name: claim for claim in CLAIMS}
DEEP = ("lenet", "vgg11_bn_narrow", "resnet18_narrow")


def decided(summary, name):
    return decide(NAMED[name], summary, SETTINGS)


def claim_of(rows, interval=(0.0, 1.0)):
    return Claim("x", "statement", "slide", "quantity", interval, lambda summary, settings: rows)


# Verdicts


@pytest.mark.parametrize(
    ("value", "error", "interval", "expected"),
    [
        (0.5, 0.1, (0, 1), "holds"),
        (0.9, 0.1, (0, 1), "undecided"),
        (1.1, 0.1, (0, 1), "undecided"),
        (1.3, 0.1, (0, 1), "does not hold"),
        (-0.3, 0.1, (0, 1), "does not hold"),
        (0.5, 1.0, (0, 1), "undecided"),
        (-9.0, 0.1, (-math.inf, 0), "holds"),
        (9.0, 0.1, (-math.inf, 0), "does not hold"),
        (1.0, 0.0, (0, 1), "holds"),
        (math.nan, 0.1, (0, 1), "undecided"),
        (0.5, math.nan, (0, 1), "undecided"),
    ],
)
def test_verdict(value, error, interval, expected):
    assert verdict(value, error, interval) == expected


@given(st.floats(-5, 5), st.floats(1e-3, 3), st.floats(-5, 5), st.floats(0.01, 5))
def test_claim_and_opposite_never_both_hold(value, error, low, width):
    inside = verdict(value, error, (low, low + width))
    above = verdict(value, error, (np.nextafter(low + width, np.inf), math.inf))
    assert (inside, above) != ("holds", "holds")
    if inside == "holds":
        assert above == "does not hold"


def test_decide_averages_rows_and_combines_errors():
    rows = [Evidence("a", "n", 0.2, 0.03, 2), Evidence("a", "m", 0.6, 0.04, 2), Evidence("b", "n", reason="nothing was measured")]
    decision = decide(claim_of(rows), xr.Dataset(), SETTINGS)
    assert decision.value == pytest.approx(0.4, abs=1e-12)
    scatter = ((0.2 - 0.4) ** 2 + (0.6 - 0.4) ** 2) / 1
    assert decision.standard_error == pytest.approx(math.sqrt((scatter + (0.03**2 + 0.04**2) / 2) / 2), abs=1e-12)
    assert decision.reason == "nothing was measured"
    assert decision.evidence == rows


def test_decide_says_what_is_not_known():
    decision = decide(claim_of([Evidence("a", "n", 0.5, 0.1, 1)]), xr.Dataset(), SETTINGS)
    assert (decision.value, decision.standard_error, decision.verdict) == (0.5, 0.1, "holds")
    assert "scatter between seeds" in decision.reason
    assert "scatter between networks" in decision.reason


def test_decide_without_rows_is_undecided():
    decision = decide(claim_of([]), xr.Dataset(), SETTINGS)
    assert (decision.verdict, decision.reason) == ("undecided", "no network of this kind was measured")
    assert math.isnan(decision.value)


# Evidence


def test_slope_of_a_straight_line_and_its_largest_error():
    chosen = at_strength(make_summary(planted={"lenet": (1.0, 0.1)}, relative_error=0.05), **SETTINGS)
    average = depth_slopes(trained(chosen))["fashion_mnist", "lenet"]
    assert float(average.value) == pytest.approx(-1, abs=1e-12)
    depth = np.linspace(0, 1, 8)  # the input, 6 operations, the logits
    weights = (depth - 0.5) / ((depth - 0.5) ** 2).sum()
    assert float(average.standard_error) == pytest.approx(np.abs(weights).sum() * 0.05 / math.log(10), abs=1e-12)


# Claims on planted summaries


@pytest.mark.parametrize(
    ("name", "planted", "expected"),
    [
        ("initial", {"lenet": (1.0, None), "fc2": (0.9, None)}, "holds"),
        ("initial", {"lenet": (4.0, None), "fc2": (5.0, None)}, "does not hold"),
        ("initial", {"lenet": (2.0, None)}, "undecided"),
        ("training", {"lenet": (1.0, 0.1), "fc2": (1.0, 1.0)}, "holds"),
        ("training", {"lenet": (1.0, 0.9), "fc2": (1.0, 0.01)}, "does not hold"),
        ("training", {"lenet": (1.0, 0.5)}, "undecided"),
        ("magnitude", {"lenet": (1.0, 0.05)}, "holds"),
        ("magnitude", {"lenet": (1.0, 0.45)}, "does not hold"),
        ("magnitude", {"lenet": (1.0, 0.0005)}, "does not hold"),
        ("exception", {"fc2": (1.0, 0.9), "simple_cnn": (1.0, 1.2), "lenet": (1.0, 0.01)}, "holds"),
        ("exception", {"fc2": (1.0, 0.1), "simple_cnn": (1.0, 0.1), "lenet": (1.0, 1.0)}, "does not hold"),
        ("exception", {"fc2": (1.0, 0.5)}, "undecided"),
        ("depth", {"lenet": (1.0, 0.1), "fc2": (1.0, 5.0)}, "holds"),
        ("depth", {"lenet": (0.1, 1.0)}, "does not hold"),
        ("depth", {"lenet": (1.0, 0.5)}, "undecided"),
        ("depth_initial", {"lenet": (0.1, 1.0)}, "holds"),
        ("depth_initial", {"lenet": (1.0, 0.1)}, "does not hold"),
    ],
)
def test_claim_is_decided(name, planted, expected):
    assert decided(make_summary(planted=planted), name).verdict == expected


def test_noise_of_the_measurement_makes_undecided():
    planted = {"lenet": (1.0, 0.3)}
    assert decided(make_summary(planted=planted, relative_error=0.02), "training").verdict == "holds"
    assert decided(make_summary(planted=planted, relative_error=0.5), "training").verdict == "undecided"


def test_scatter_between_seeds_makes_undecided():
    planted = {"lenet": (1.4, None)}
    assert decided(make_summary(planted=planted, initial_seeds=2), "initial").verdict == "holds"
    assert decided(make_summary(planted=planted, initial_seeds=2, scatter=0.3), "initial").verdict == "undecided"


@pytest.mark.parametrize(("name", "networks"), [("initial", PLANTED), ("training", DEEP), ("exception", ("fc2", "simple_cnn"))])
def test_rows_are_the_networks_that_the_claim_is_about(name, networks):
    rows = decided(make_summary(("b", "a")), name).evidence
    assert [(row.dataset, row.network) for row in rows] == sorted((data, network) for data in "ab" for network in networks)


def test_row_is_the_difference_of_the_two_means():
    (row,) = decided(make_summary(planted={"lenet": (0.8, 0.05)}, relative_error=0.1), "training").evidence
    assert row.value == pytest.approx(math.log10(0.05 / 0.8), abs=1e-12)
    assert row.standard_error == pytest.approx(math.sqrt(2) * 0.1 / math.log(10), abs=1e-12)
    assert row.runs == 1


@pytest.mark.parametrize(
    ("name", "planted", "reason"),
    [
        ("training", {"lenet": (1.0, None)}, "no trained run, or no initialisation, was measured"),
        ("magnitude", {"lenet": (1.0, None)}, "no trained run, or no initialisation, was measured"),
        ("training", {"fc2": (1.0, 0.1)}, "no network of this kind was measured"),
        ("exception", {"lenet": (1.0, 0.1)}, "no network of this kind was measured"),
        ("depth", {"lenet": (1.0, None)}, "no trained network was measured"),
        ("depth_initial", {"fc2": (1.0, None)}, "no network of this kind was measured"),
    ],
)
def test_missing_data_leave_the_claim_undecided(name, planted, reason):
    decision = decided(make_summary(planted=planted), name)
    assert (decision.verdict, decision.reason) == ("undecided", reason)


def test_one_missing_network_is_named_and_the_others_decide():
    decision = decided(make_summary(planted={"lenet": (1.0, 0.1), "vgg11_bn_narrow": (1.0, None)}), "training")
    assert decision.verdict == "holds"
    assert "no trained run" in decision.reason
    assert [math.isnan(row.value) for row in decision.evidence] == [False, True]


def test_stability_that_is_no_number_is_a_reason_and_not_an_error():
    summary = make_summary(planted={"lenet": (1.0, 0.1)})
    summary["R"] = summary.R * 0
    decision = decided(summary, "initial")
    assert (decision.verdict, decision.reason) == ("undecided", "R is not a positive number")


def test_output_only_measurements_have_a_slope_from_two_points():
    summary = make_summary(planted={"lenet": (1.0, 0.1)})
    summary["operation"] = summary.operation.where(summary.operation.isin(["input", "logits", "softmax"]), "")
    assert decided(summary, "depth").value == pytest.approx(-1, abs=1e-12)


def test_names_are_unique_and_intervals_are_not_empty():
    assert len(NAMED) == len(CLAIMS)
    assert all(claim.interval[0] < claim.interval[1] for claim in CLAIMS)
    assert pytest.approx(1.96, abs=1e-4) == Z95
