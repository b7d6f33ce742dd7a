"""Claims on activation spectra, on tables with planted changes."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_activations import make_activation_table
from workflow_scripts.diffeo.activation_claims import ACTIVATION_CLAIMS
from workflow_scripts.diffeo.claims import Decision, decide

CLAIMS = {claim.name: claim for claim in ACTIVATION_CLAIMS}
TENTH = math.log10(1.1)


def decided(name: str, spectra: xr.Dataset) -> Decision:
    return decide(CLAIMS[name], {"activation_spectra": spectra}, {})


@pytest.mark.parametrize(
    ("name", "change", "step", "value", "verdict"),
    [
        ("activations_low_frequency", -0.2, 0.1, -0.2, "holds"),
        ("activations_low_frequency", -0.03, 0.1, -0.03, "does not hold"),
        ("activations_low_frequency", 0.2, 0.1, 0.2, "does not hold"),
        ("activations_contradict", -0.2, 0.1, -0.2, "does not hold"),
        ("activations_contradict", 0.0, 0.1, 0.0, "holds"),
        ("convolutions_low_pass", -0.2, 0.1, -0.1, "holds"),  # of two convolutions one follows what training does not change
        ("convolutions_low_pass", -0.08, 0.1, -0.04, "does not hold"),
        ("activations_raise_frequency", 0.0, 0.02, 0.02, "holds"),
        ("activations_raise_frequency", 0.0, -0.02, -0.02, "does not hold"),
        ("activations_raise_frequency_with_mean", 0.0, 0.02, -0.02, "does not hold"),
        ("batch_norms_raise_frequency", 0.0, 0.1, math.log10(0.3 / 0.25), "holds"),
    ],
)
def test_planted_change_is_found(name: str, change: float, step: float, value: float, verdict: str) -> None:
    planted = {"lenet": (change, step), "vgg11_bn_narrow": (change, step), "simple_cnn": (3.0, 3.0)}
    decision = decided(name, make_activation_table(planted, seeds=2))
    assert decision.value == pytest.approx(value, abs=1e-6)
    assert decision.verdict == verdict
    assert [(row.network, row.runs) for row in decision.evidence] == [("lenet", 2), ("vgg11_bn_narrow", 2)]


def test_a_change_of_ten_percent_sharp_is_undecided() -> None:
    """The errors of images that all checkpoints share cancel; what is left is the scatter of each checkpoint."""
    spectra = make_activation_table({"lenet": (-TENTH, 0.1)})
    spectra["convolution_change_standard_error"] = spectra.convolution_change_standard_error + 0.01
    for name in ("activations_low_frequency", "activations_contradict"):
        decision = decided(name, spectra)
        assert decision.verdict == "undecided"
        assert decision.standard_error == pytest.approx(0.01, abs=1e-6)


def test_seeds_and_networks_scatter() -> None:
    spectra = make_activation_table({"lenet": (-0.2, 0.1), "vgg11_bn_narrow": (-0.1, 0.1)}, seeds=2)
    offset = np.where(spectra.seed == 1, 0.2, 0.0)[:, None, None]
    spectra["convolution_change"] = spectra.convolution_change + offset
    decision = decided("activations_low_frequency", spectra)
    assert [row.value for row in decision.evidence] == pytest.approx([-0.1, 0.0], abs=1e-6)
    assert [row.standard_error for row in decision.evidence] == pytest.approx([0.1, 0.1], abs=1e-6)  # 0.1 √2 of two seeds
    assert decision.standard_error == pytest.approx(math.sqrt((0.1**2 / 2 + 0.1**2) / 2), abs=1e-6)


def test_what_is_missing_is_said() -> None:
    spectra = make_activation_table({"lenet": (-0.2, 0.1)})
    for name in ("batch_norm_step", "batch_norm_step_standard_error"):
        spectra[name] = spectra[name] * np.nan
    decision = decided("batch_norms_raise_frequency", spectra)
    assert (decision.verdict, decision.reason) == ("undecided", "it has no batch norm after a convolution with such maps")
    untrained = spectra.isel(checkpoint=np.flatnonzero(spectra.epoch == 0))
    assert decided("activations_low_frequency", untrained).reason == "no trained network was measured"
    simple = make_activation_table({"simple_cnn": (-0.2, 0.1)})
    assert decided("activations_low_frequency", simple).reason == "no network of this kind was measured"
