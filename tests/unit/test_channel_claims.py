"""The claims on channels from planted numbers."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_channels import make_coupling_table, make_shuffle_table
from workflow_scripts.diffeo.channel_claims import CHANNEL_CLAIMS
from workflow_scripts.diffeo.claims import Decision, decide

CLAIMS = {claim.name: claim for claim in CHANNEL_CLAIMS}


def decided(name: str, table: xr.Dataset) -> Decision:
    return decide(CLAIMS[name], {CLAIMS[name].source: table}, {})


@pytest.mark.parametrize(
    ("name", "planted", "value", "verdict"),
    [
        ("shuffle", (-1.0, -0.2), 0.8, "does not hold"),
        ("shuffle", (-0.5, -0.5), 0.0, "holds"),
        ("shuffle", (-0.5, -0.6), -0.1, "undecided"),
        ("shuffle", (-0.1, -0.5), -0.4, "does not hold"),
        ("spatial_pooling", (-1.0, -0.2), 0.3, "does not hold"),
        ("spatial_pooling", (-1.0, -0.8), -0.3, "holds"),
        ("spatial_pooling", (-1.0, -0.5), 0.0, "undecided"),
        ("spatial_pooling", (-1.0, 0.1), 0.6, "does not hold"),
    ],
)
def test_planted_change_of_r_is_found(name: str, planted: tuple[float, float], value: float, verdict: str) -> None:
    decision = decided(name, make_shuffle_table({"vgg11_bn_narrow": planted}))
    assert decision.value == pytest.approx(value)
    assert decision.standard_error == pytest.approx(0.01)
    assert decision.verdict == verdict


@pytest.mark.parametrize(("initial", "verdict"), [(0.0, "holds"), (0.3, "does not hold"), (-0.3, "does not hold")])
def test_the_control_looks_at_initialisation(initial: float, verdict: str) -> None:
    decision = decided("shuffle_initial", make_shuffle_table({"vgg11_bn_narrow": (-1.0, -0.2)}, initial=initial))
    assert decision.value == pytest.approx(initial)
    assert decision.verdict == verdict


def test_rows_are_the_deep_networks() -> None:
    decision = decided("shuffle", make_shuffle_table())
    values = {row.network: row.value for row in decision.evidence}
    assert values == pytest.approx({"lenet": 0.1, "vgg11_bn_narrow": 0.8})


@pytest.mark.parametrize(("name", "value"), [("shuffle", 0.8), ("spatial_pooling", 0.3)])
def test_networks_that_are_not_stable_are_left_out_and_say_so(name: str, value: float) -> None:
    decision = decided(name, make_shuffle_table({"lenet": (0.3, 0.1), "vgg11_bn_narrow": (-1.0, -0.2)}))
    rows = {row.network: row for row in decision.evidence}
    assert math.isnan(rows["lenet"].value)
    assert rows["lenet"].reason == "R_f is not below 1: there is no stability to account for"
    assert decision.value == pytest.approx(value)


def test_networks_in_which_nothing_was_shuffled_say_so() -> None:
    table = make_shuffle_table()
    table["change"] = table.change.where(table.network != "lenet")
    rows = {row.network: row for row in decided("shuffle", table).evidence}
    assert rows["lenet"].reason == "no convolution has input channels to shuffle"


@pytest.mark.parametrize(
    ("name", "rotation", "translation", "verdict"),
    [
        ("rotated_neurons", 0.3, 0.0, "holds"),
        ("rotated_neurons", 0.0, 0.3, "does not hold"),
        ("shifted_neurons", 0.0, 0.3, "holds"),
        ("shifted_neurons", 0.3, -0.3, "does not hold"),
        ("rotated_neurons_initial", 0.3, 0.3, "holds"),
    ],
)
def test_planted_coupling_is_found(name: str, rotation: float, translation: float, verdict: str) -> None:
    decision = decided(name, make_coupling_table({"vgg11_bn_narrow": (rotation, translation)}, error=0.01))
    planted = {"rotated_neurons": rotation, "shifted_neurons": translation}.get(name, 0.0)
    assert decision.value == pytest.approx(math.log10((1 + planted) / (1 - planted)))
    assert decision.standard_error == pytest.approx(2 / math.log(10) * 0.01 / (1 - planted**2) / 2**0.5)
    assert decision.verdict == verdict


def test_networks_without_pairs_say_so() -> None:
    decision = decided("rotated_neurons", make_coupling_table())
    rows = {row.network: row.reason for row in decision.evidence}
    assert set(rows) == {"lenet", "vgg11_bn_narrow"}
    assert "share 8 channels" in rows["lenet"]
    assert decision.value == pytest.approx(math.log10(1.1 / 0.9))


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_what_is_missing_leaves_a_claim_undecided(name: str) -> None:
    table = make_shuffle_table() if CLAIMS[name].source == "channel_shuffle" else make_coupling_table()
    simple = table.isel(checkpoint=np.flatnonzero(table.network == "simple_cnn"))
    assert decided(name, simple).verdict == "undecided"
    wanted = table.epoch == (2 if name.endswith("initial") else 0)
    decision = decided(name, table.isel(checkpoint=np.flatnonzero(wanted)))
    assert decision.verdict == "undecided"
    assert "was measured" in decision.reason
