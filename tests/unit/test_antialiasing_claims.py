import math

import numpy as np
import pytest

from tests.synthetic import plant_changes
from tests.synthetic_local_models import make_blurring_summary
from workflow_scripts.diffeo.antialiasing_claims import ANTIALIASING_CLAIMS, of_layers
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.run_averages import at_strength, trained

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
NAMED = {claim.name: claim for claim in ANTIALIASING_CLAIMS}


def decided(summary, name):
    return decide(NAMED[name], {"summary": summary}, SETTINGS)


@pytest.mark.parametrize("name", NAMED)
def test_planted_ratio_of_the_pair_is_found(name):
    decision = decided(make_blurring_summary(), name)
    pair, alone = decision.evidence
    assert (pair.network, alone.network) == ("vgg11_bn_blurred", "vgg11_bn_wide_blurred")
    assert pair.value == pytest.approx(math.log10(0.4), abs=1e-12)
    assert pair.standard_error == pytest.approx(math.sqrt(2) * 0.01 / math.log(10), abs=1e-12)
    assert alone.reason == "the same network without the blur is missing"
    assert decision.verdict == "holds"


def test_layers_are_those_between_input_and_logits():
    chosen = trained(at_strength(make_blurring_summary(), **SETTINGS))
    for kind, factor in (("input", 100), ("logits", 0.01), ("softmax", 7)):
        chosen["D"] = chosen.D.where(chosen.operation != kind, chosen.D * factor)
    values, errors = of_layers(chosen)
    inside = np.log10(chosen.D.values[:, 1:7]).mean(axis=1)  # six operations
    assert values.values[0] == pytest.approx(inside[0], abs=1e-12)
    assert errors.values[0] == pytest.approx(0.01 / math.log(10), abs=1e-12)


@pytest.mark.parametrize("name", NAMED)
def test_more_is_not_less(name):
    summary = make_blurring_summary()
    summary["D"] = summary.D.where(~summary.antialiased, 4 * summary.D)
    assert decided(summary, name).verdict == "does not hold"


def test_networks_observed_at_their_outputs_alone_have_no_layers():
    summary = make_blurring_summary()
    summary["operation"] = summary.operation.where(summary.operation.isin(["input", "logits", "softmax"]), "")
    summary = plant_changes(summary, 0.01)
    reason = decided(summary, "antialiased_layers").evidence[0].reason
    assert reason == "D is not a positive number, or no operation inside the network was measured"
    assert decided(summary, "antialiased_output").verdict == "holds"


@pytest.mark.parametrize("name", NAMED)
def test_without_a_network_that_blurs_nothing_is_decided(name):
    summary = make_blurring_summary()
    plain = summary.isel(checkpoint=np.flatnonzero(~summary.antialiased))
    assert decided(plain, name).reason == "no trained network with antialiased: true was measured"
