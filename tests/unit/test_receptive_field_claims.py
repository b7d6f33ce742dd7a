"""Claims on receptive fields, on tables with planted shares and growth."""

import math

import numpy as np
import pytest

from tests.synthetic_receptive_fields import make_receptive_fields
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.receptive_field_claims import RECEPTIVE_FIELD_CLAIMS

CLAIMS = {claim.name: claim for claim in RECEPTIVE_FIELD_CLAIMS}


def decided(name, fields):
    return decide(CLAIMS[name], {"receptive_fields": fields}, {})


@pytest.mark.parametrize("name", ["patch_box", "patch_effective"])
@pytest.mark.parametrize(("share", "verdict"), [(0.25, "holds"), (0.9, "does not hold")])
def test_share_of_the_image_at_the_deepest_convolution_decides(name, share, verdict):
    decision = decided(name, make_receptive_fields(share=share))
    assert decision.value == pytest.approx(math.log10(share))
    assert decision.verdict == verdict
    assert [(row.dataset, row.network) for row in decision.evidence] == [
        (dataset, network) for dataset in ("a", "b") for network in ("lenet", "resnet18", "vgg11")
    ]


def test_a_box_has_no_error_and_a_field_that_of_its_images():
    fields = make_receptive_fields(error=0.02)
    assert {row.standard_error for row in decided("patch_box", fields).evidence} == {0.0}
    assert [row.standard_error for row in decided("patch_effective", fields).evidence] == pytest.approx([0.02] * 6)


@pytest.mark.parametrize(("growth", "verdict"), [(0.2, "holds"), (0.0, "does not hold"), (math.log10(1.1), "undecided")])
def test_planted_growth_is_found(growth, verdict):
    decision = decided("field_growth", make_receptive_fields(growth=growth))
    assert decision.value == pytest.approx(growth)
    assert decision.verdict == verdict


def test_networks_that_were_not_trained_have_a_box_but_no_effective_share():
    fields = make_receptive_fields(datasets=("a",))
    untrained = fields.isel(checkpoint=np.flatnonzero(fields.epoch == 0))
    assert decided("patch_box", untrained).verdict == "holds"
    for name in ("patch_effective", "field_growth"):
        decision = decided(name, untrained)
        assert decision.verdict == "undecided"
        assert decision.reason == "no trained run was measured"
