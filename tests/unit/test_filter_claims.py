"""Claims on filters, on tables with planted changes."""

import math

import numpy as np
import pytest

from tests.synthetic_filters import make_filter_spectra
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.filter_claims import FILTER_CLAIMS, layer_means
from workflow_scripts.diffeo.run_averages import trained

CLAIMS = {claim.name: claim for claim in FILTER_CLAIMS}


def decided(name, spectra):
    return decide(CLAIMS[name], {"filter_spectra": spectra}, {})


@pytest.mark.parametrize(
    ("name", "planted", "value", "verdict"),
    [
        ("filters_low_pass", 0.3, 0.3, "holds"),
        ("filters_low_pass", 0.0, 0.0, "does not hold"),
        ("filters_low_pass", -0.3, -0.3, "does not hold"),
        ("filters_low_pass", math.log10(1.1), math.log10(1.1), "undecided"),
        ("filters_pool", 0.3, 0.15, "holds"),
        ("filters_pool", 0.04, 0.02, "does not hold"),
    ],
)
def test_planted_change_is_found(name, planted, value, verdict):
    decision = decided(name, make_filter_spectra(planted))
    assert decision.value == pytest.approx(value)
    assert decision.verdict == verdict


def test_rows_are_the_deep_networks_with_errors_of_independent_layers():
    decision = decided("filters_low_pass", make_filter_spectra(error=0.03))
    assert [(row.dataset, row.network) for row in decision.evidence] == [
        (dataset, network) for dataset in ("a", "b") for network in ("lenet", "vgg11")
    ]
    errors = {row.network: row.standard_error for row in decision.evidence}
    assert errors == pytest.approx({"lenet": 0.03 / 2**0.5, "vgg11": 0.03 / 3**0.5})


def test_scatter_between_seeds_is_counted():
    spectra = make_filter_spectra(seeds=2, error=0.0, datasets=("a",))
    offset = np.where(spectra.seed == 1, 0.2, 0.0)[:, None]
    spectra["low_pass"] = spectra.low_pass + offset
    average = layer_means(trained(spectra), "low_pass")["a", "vgg11"]
    assert average.value.item() == pytest.approx(0.4)
    assert average.standard_error.item() == pytest.approx(0.1)  # standard deviation 0.1 √2 of two seeds
    assert average.runs == 2


def test_filters_that_died_are_said_to_be_missing():
    spectra = make_filter_spectra(datasets=("a",))
    lenet = spectra.network == "lenet"
    for name in ("low_pass", "low_pass_standard_error"):
        spectra[name] = spectra[name].where(~lenet)
    decision = decided("filters_low_pass", spectra)
    assert [row.reason for row in decision.evidence] == ["the filters have no coefficient left that can be compared", ""]
    assert decision.value == pytest.approx(0.3)


def test_without_a_deep_network_nothing_is_decided():
    spectra = make_filter_spectra()
    alone = spectra.isel(checkpoint=np.flatnonzero(spectra.architecture == "simple_cnn"))
    decision = decided("filters_pool", alone)
    assert (decision.verdict, decision.reason) == ("undecided", "no network of this kind was measured")


@pytest.mark.parametrize(
    ("excess", "verdict"), [(-0.5, "holds"), (math.log10(0.5), "undecided"), (-0.1, "does not hold"), (0.1, "does not hold")]
)
def test_planted_gabor_filters_are_found(excess, verdict):
    decision = decided("filters_gabor", make_filter_spectra(excess=excess))
    assert decision.value == pytest.approx(excess)
    assert decision.verdict == verdict
    assert [(row.dataset, row.network) for row in decision.evidence] == [("a", "simple_cnn_9x9"), ("b", "simple_cnn_9x9")]


def test_without_large_filters_nothing_is_said_of_gabor_functions():
    spectra = make_filter_spectra()
    small = spectra.isel(checkpoint=np.flatnonzero(spectra.network != "simple_cnn_9x9"))
    decision = decided("filters_gabor", small)
    assert (decision.verdict, decision.evidence) == ("undecided", [])
    assert decision.reason == "no network with filters of 9 × 9 pixels or more was measured"
