import math

import numpy as np
import pytest

from tests.synthetic import make_summary, plant_changes, plant_operations
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.operation_claims import OPERATION_CLAIMS

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
NAMED = {claim.name: claim for claim in OPERATION_CLAIMS}
VGG = "vgg11_bn_narrow"
POOLS = ["convolution", "activation", "pool", "convolution", "pool", "pool"]
BLOCKS = ["convolution", "activation", "residual_sum", "convolution", "residual_sum", "pool"]


def planted(kinds, after, network=VGG, relative_error=0.01):
    """One network trained to the R of `after`, from the input to the logits."""
    summary = make_summary(planted={network: (1.0, 0.5)}, relative_error=relative_error)
    return plant_operations(summary, network, kinds, after=after)


def decided(summary, name):
    return decide(NAMED[name], {"summary": summary}, SETTINGS)


# Pooling


def test_pooling_is_the_mean_change_over_poolings_without_the_global_average():
    after = [1, 2, 2, 1, 3, 0.6, 0.006, 0.1]  # × 1/2 and × 1/5; the pooling after the last pooling does not count
    (row,) = decided(planted(POOLS, after), "pooling").evidence
    assert row.value == pytest.approx(-0.5, abs=1e-12)
    assert row.standard_error == pytest.approx(0.01 / math.log(10), abs=1e-12)
    assert row.runs == 1


@pytest.mark.parametrize(
    ("factors", "expected"),
    [((0.5, 0.5), "holds"), ((1.0, 1.0), "does not hold"), ((2.0, 0.5), "undecided"), ((0.92, 0.9), "undecided")],
)
def test_pooling_is_decided(factors, expected):
    first, second = factors
    after = [1, 1, 1, first, 1, second, second, 1]
    error = 0.1 if expected == "undecided" else 0.01
    assert decided(planted(POOLS, after, relative_error=error), "pooling").verdict == expected


def test_pooling_of_other_networks_does_not_count():
    decision = decided(planted(POOLS, [1, 1, 1, 0.1, 1, 0.1, 0.1, 0.1], network="lenet"), "pooling")
    assert (decision.verdict, decision.reason) == ("undecided", "no network of this kind was measured")


def test_networks_that_blur_and_local_models_do_not_count():
    names = ("vgg11_blurred", "conv_h16", VGG)
    blocks = {names[0]: {"architecture": "vgg11_bn", "antialiased": True}, names[1]: {"architecture": "local_model"}}
    summary = make_summary(planted=dict.fromkeys(names, (1.0, 0.1)), networks=blocks)
    assert [row.network for row in decided(summary, "pooling").evidence] == [VGG]
    assert [row.network for row in decided(summary, "monotone").evidence] == [names[0], VGG]


def test_initialisations_do_not_count():
    summary = plant_operations(make_summary(planted={VGG: (1.0, None)}), VGG, POOLS)
    for name in NAMED:
        assert decided(summary, name).reason == "no trained network was measured"


def test_networks_observed_at_their_outputs_alone_have_no_pooling():
    summary = make_summary(planted={VGG: (1.0, 0.1)})
    summary["operation"] = summary.operation.where(summary.operation.isin(["input", "logits", "softmax"]), "")
    summary = plant_changes(summary, 0.01)
    decision = decided(summary, "pooling")
    assert decision.verdict == "undecided"
    assert decision.reason == "R is not a positive number, or no operation inside the network was measured"
    assert decided(summary, "monotone").value == pytest.approx(-1, abs=1e-12)


# Monotone


@pytest.mark.parametrize(
    ("after", "value", "expected"),
    [
        (np.geomspace(1, 0.1, 8), -1 / 7, "holds"),
        ([1, 0.9, 0.8, 0.82, 0.5, 0.4, 0.3, 0.2], math.log10(0.82 / 0.8), "holds"),
        ([1] * 8, 0.0, "holds"),
        ([1, 0.5, 0.3, 0.4, 0.6, 0.3, 0.2, 0.1], math.log10(2), "does not hold"),
        ([1, 0.5, 0.3, 0.33, 0.3, 0.3, 0.2, 0.1], math.log10(1.1), "undecided"),
    ],
)
def test_monotone_is_decided(after, value, expected):
    decision = decided(planted(POOLS, after, relative_error=0.005), "monotone")
    assert decision.value == pytest.approx(value, abs=1e-12)
    assert decision.standard_error == pytest.approx(0.005 / math.log(10), abs=1e-12)
    assert decision.verdict == expected


def test_monotone_looks_at_residual_networks_after_each_block():
    after = [1, 3, 0.1, 0.8, 5, 0.6, 0.5, 0.4]  # inside the blocks R jumps up and down
    decision = decided(planted(BLOCKS, after, network="resnet18_narrow"), "monotone")
    assert decision.value == pytest.approx(math.log10(0.5 / 0.6), abs=1e-12)
    assert decision.verdict == "holds"


def test_simple_networks_do_not_count():
    assert decided(planted(POOLS, [1] * 8, network="fc2"), "monotone").reason == "no network of this kind was measured"


def test_rows_are_the_networks_that_the_claim_is_about():
    summary = make_summary(("b", "a"), {VGG: (1.0, 0.1), "lenet": (1.0, 0.2)})
    rows = decided(summary, "monotone").evidence
    assert [(row.dataset, row.network) for row in rows] == [("a", "lenet"), ("a", VGG), ("b", "lenet"), ("b", VGG)]
    assert [(row.dataset, row.network) for row in decided(summary, "pooling").evidence] == [("a", VGG), ("b", VGG)]
