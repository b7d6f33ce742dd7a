"""Claims on neurons, on tables with planted numbers."""

import math

import numpy as np
import pytest

from tests.synthetic_neurons import NETWORKS, make_table
from workflow_scripts.diffeo.claims import Decision, decide
from workflow_scripts.diffeo.neuron_claims import NEURON_CLAIMS

CLAIMS = {claim.name: claim for claim in NEURON_CLAIMS}


def decided(name: str, **planted: float) -> Decision:
    return decide(CLAIMS[name], {"local_transforms": make_table(**planted)}, {})


@pytest.mark.parametrize(
    ("name", "planted", "value", "verdict"),
    [
        ("linear_invariance", {"linear": -0.3}, -0.3, "holds"),
        ("linear_invariance", {"linear": 0.2}, 0.2, "does not hold"),
        ("linear_as_translation", {"relative": 0.01}, 0.01, "holds"),
        ("linear_as_translation", {"relative": 0.3}, 0.3, "does not hold"),
        ("inactive", {"active": 0.3}, math.log10(0.3), "holds"),
        ("inactive", {"active": 0.8}, math.log10(0.8), "does not hold"),
        ("inactive", {"active": 0.5}, math.log10(0.5), "undecided"),
        ("rotation_as_translation", {"share": 0.7}, math.log10(0.7), "holds"),
        ("rotation_as_translation", {"share": 0.2}, math.log10(0.2), "does not hold"),
        ("displacement_grows", {"growth": 3.0}, math.log10(3), "holds"),
        ("displacement_grows", {"growth": 0.8}, math.log10(0.8), "does not hold"),
    ],
)
def test_planted_number_is_found(name: str, planted: dict[str, float], value: float, verdict: str) -> None:
    decision = decided(name, **planted)
    assert decision.value == pytest.approx(value, abs=1e-12)
    assert decision.verdict == verdict
    assert [(row.dataset, row.network) for row in decision.evidence] == [(data, name) for data in "ab" for name in NETWORKS]


def test_errors_are_those_of_layers_and_of_the_two_ends() -> None:
    one = 0.03 / math.log(10)
    errors = {row.network: row.standard_error for row in decided("inactive").evidence}
    assert errors == pytest.approx({name: one / layers**0.5 for name, layers in NETWORKS.items()})
    assert [row.standard_error for row in decided("displacement_grows").evidence] == pytest.approx([one * 2**0.5] * 4)
    assert [row.standard_error for row in decided("linear_invariance").evidence] == pytest.approx([0.03 * 0.3] * 4)


def test_seeds_are_averaged() -> None:
    table = make_table(seeds=2)
    table["linear_change"] = table.linear_change + 0.2 * (table.seed == 1) * (table.epoch > 0)
    decision = decide(CLAIMS["linear_invariance"], {"local_transforms": table}, {})
    assert decision.value == pytest.approx(-0.2)
    assert {row.runs for row in decision.evidence} == {2}


def test_what_was_not_measured_is_said() -> None:
    table = make_table()
    untrained = table.isel(checkpoint=np.flatnonzero(table.epoch == 0))
    decision = decide(CLAIMS["linear_invariance"], {"local_transforms": untrained}, {})
    assert (decision.verdict, decision.reason) == ("undecided", "no trained run was measured")
    assert decide(CLAIMS["displacement_grows"], {"local_transforms": untrained}, {}).verdict == "holds"
    alone = table.assign(linear_change=table.linear_change * math.nan)
    decision = decide(CLAIMS["linear_invariance"], {"local_transforms": alone}, {})
    assert decision.reason == "the initialisation was not measured, or no activation changes under the transforms"
