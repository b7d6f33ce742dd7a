import math

import pytest

from tests.synthetic import PLANTED, make_summary, plant_changes
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.stability_claims import STABILITY_CLAIMS

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
NAMED = {claim.name: claim for claim in STABILITY_CLAIMS}
DEEP = ("lenet", "vgg11_bn_narrow", "resnet18_narrow")


def decided(summary, name):
    return decide(NAMED[name], {"summary": summary}, SETTINGS)


def test_slope_is_that_of_the_summary_with_its_error():
    (row,) = decided(make_summary(planted={"lenet": (1.0, 0.1)}, relative_error=0.05), "depth").evidence
    assert row.value == pytest.approx(-1, abs=1e-12)
    assert row.standard_error == pytest.approx(0.05 / math.log(10), abs=1e-12)


@pytest.mark.parametrize("name", ["initial", "training", "exception", "depth"])
def test_local_models_do_not_count(name):
    blocks = {"conv_h16": {"architecture": "local_model"}}
    planted = {"conv_h16": (9.0, 0.001), "lenet": (1.0, 0.1), "fc2": (1.0, 0.9)}
    with_them, without = (
        decided(make_summary(planted=chosen, networks=blocks), name) for chosen in (planted, dict(list(planted.items())[1:]))
    )
    assert [(row.network, row.runs) for row in with_them.evidence] == [(row.network, row.runs) for row in without.evidence]
    assert with_them.value == pytest.approx(without.value, abs=1e-12)


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
    summary = plant_changes(summary, 0.01)
    assert decided(summary, "depth").value == pytest.approx(-1, abs=1e-12)
