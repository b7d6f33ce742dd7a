import math

import pytest
import xarray as xr

from tests.synthetic_predictor_summary import PERTURBATIONS, PLANTED_BUMPS, make_predictor_summary
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.predictor_claims import PREDICTOR_CLAIMS

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
NAMED = {claim.name: claim for claim in PREDICTOR_CLAIMS}
ONE = ("fashion_mnist",)
WITH_PHOTOGRAPHS = ("fashion_mnist", "photographs")
SIZES = ("mnist_5k", "mnist_5k_enlarged")
EDGE = math.exp(-0.5 * math.sqrt(2 * math.log(20)))  # of the planted curves, over the bump position


def decided(predictor, name, settings=SETTINGS):
    return decide(NAMED[name], {"predictor": predictor}, settings)


def planted(bumps, datasets=ONE, **options):
    return make_predictor_summary(datasets, bumps, **options)


def scaled(predictor, name, factor, **labels):
    """The same with a variable multiplied by `factor` at some labels."""
    here = xr.ones_like(predictor[name], dtype=bool)
    for coordinate, label in labels.items():
        here = here & (predictor[coordinate] == label)
    return predictor.assign({name: predictor[name].where(~here, factor * predictor[name])})


# Verdicts on planted numbers


@pytest.mark.parametrize(
    ("name", "bumps", "options", "expected"),
    [
        ("linear_edge", {"lenet": 10 / EDGE}, {}, "holds"),
        ("linear_edge", {"lenet": 2 / EDGE}, {}, "does not hold"),
        ("linear_edge", {"lenet": 100 / EDGE}, {}, "does not hold"),
        ("linear_edge", {"lenet": 5 / EDGE}, {}, "undecided"),
        ("linear_edge", {"lenet": None}, {}, "holds"),  # without a bump the planted edge is 10
        ("bump", {"lenet": 8.0, "fc2": 12.0}, {}, "holds"),
        ("bump", {"lenet": None}, {"relative_error": 0.02}, "does not hold"),
        ("bump", {"lenet": 8.0}, {"relative_error": 0.8}, "undecided"),
        ("boundary", {"lenet": 8.0}, {"onset_over_bump": 0.5}, "holds"),
        ("boundary", {"lenet": 8.0}, {"onset_over_bump": 4.0}, "does not hold"),
        ("boundary", {"lenet": 8.0}, {"onset_over_bump": 1.2}, "undecided"),
        ("misclassification", {"lenet": 8.0}, {"onset_over_bump": 1.0}, "holds"),
        ("misclassification", {"lenet": 8.0}, {"onset_over_bump": 0.2}, "does not hold"),
        ("misclassification", {"lenet": 8.0}, {"onset_over_bump": 2.0}, "undecided"),
        ("large_images", {"lenet": 12.0, "fc2": 12.0}, {"datasets": WITH_PHOTOGRAPHS}, "holds"),
        ("large_images", {"lenet": 1.2}, {"datasets": WITH_PHOTOGRAPHS}, "does not hold"),
        ("large_images", {"lenet": 6.0}, {"datasets": WITH_PHOTOGRAPHS}, "undecided"),
        ("noise_per_pixel", {"lenet": 12.0}, {"datasets": WITH_PHOTOGRAPHS}, "holds"),
        ("noise_per_pixel", {"lenet": 12.0 / 13.86}, {"datasets": WITH_PHOTOGRAPHS}, "does not hold"),
        ("noise_per_pixel", {"lenet": 12.0 * 2 / 13.86}, {"datasets": WITH_PHOTOGRAPHS}, "undecided"),
        ("enlarged", {"lenet": 8.0}, {"datasets": SIZES, "relative_error": 0.01}, "holds"),
        ("enlarged", {"lenet": 8.0}, {"datasets": SIZES, "relative_error": 0.2}, "undecided"),
        ("diffeo_manifold", {"lenet": 8.0}, {}, "holds"),
        ("diffeo_manifold", {"lenet": 8.0}, {"relative_error": 0.9}, "undecided"),
        ("interpolations", {"lenet": 8.0}, {"agreement": 0.5}, "holds"),
        ("interpolations", {"lenet": 8.0}, {"agreement": 0.05, "relative_error": 0.005}, "does not hold"),
        ("interpolations", {"lenet": 8.0}, {"agreement": 0.05, "relative_error": 0.1}, "undecided"),
        ("bump_region", {"lenet": 5.0}, {}, "holds"),
        ("bump_region", {"lenet": 20.0}, {}, "does not hold"),
        ("bump_region", {"lenet": 10.0}, {}, "undecided"),
    ],
)
def test_claim_is_decided(name, bumps, options, expected):
    assert decided(planted(bumps, **options), name).verdict == expected


def test_bump_that_moves_with_the_edge_of_the_image_is_not_at_the_same_r():
    predictor = planted({"lenet": 8.0, "fc2": 5.0}, SIZES, relative_error=0.01)
    moved = scaled(predictor, "bump_position", 2 / 1.1, dataset="mnist_5k_enlarged")
    decision = decided(moved, "enlarged")
    assert decision.verdict == "does not hold"
    assert decision.value == pytest.approx(math.log10(2), abs=1e-12)


def test_bump_of_diffeos_is_seen():
    predictor = scaled(planted({"lenet": 8.0}), "rise", 3, perturbation="diffeo_bilinear")
    assert decided(predictor, "diffeo_manifold").verdict == "does not hold"


# Values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("linear_edge", math.log10(8 * EDGE / 10)),
        ("boundary", math.log10(9**0.25)),
        ("misclassification", 0.0),
        ("bump_region", math.log10(5 / 8)),
    ],
)
def test_value_of_one_network(name, value):
    (row,) = decided(planted({"lenet": 8.0}), name).evidence
    assert row.value == pytest.approx(value, abs=1e-9)
    assert row.runs == 2


def test_height_is_that_of_the_file():
    predictor = planted({"lenet": 8.0}, seeds=1)
    for name, variable, perturbation in (("bump", "rise_and_fall", "noise"), ("diffeo_manifold", "rise", "diffeo_bilinear")):
        found = predictor[variable].sel(perturbation=perturbation, output="logits", statistic="mean").item()
        (row,) = decided(predictor, name).evidence
        assert (row.value, row.standard_error) == (pytest.approx(math.log10(found)), pytest.approx(0.05))


def test_large_images_are_compared_with_the_mean_of_the_small_ones():
    predictor = planted({"lenet": 4.0, "fc2": 9.0}, WITH_PHOTOGRAPHS, relative_error=0.02)
    decision = decided(predictor, "large_images")
    (row,) = decision.evidence
    assert (row.dataset, row.network, row.runs) == ("photographs", "efficientnet_lite0", 1)
    assert row.value == pytest.approx(math.log10(12 / 6), abs=1e-12)
    scatter = math.log10(9 / 4) ** 2 / 2
    shared = math.sqrt((scatter + 0.02**2) / 2)
    assert row.shared_error == pytest.approx(shared, abs=1e-12)
    assert row.standard_error == pytest.approx(math.hypot(0.02, shared), abs=1e-12)
    assert decision.standard_error == pytest.approx(row.standard_error, abs=1e-12)
    (row,) = decided(predictor, "noise_per_pixel").evidence
    assert row.value == pytest.approx(math.log10(12 / 6) - math.log10(3 * 224 * 224 / 784) / 2, abs=1e-12)


def test_enlarged_copies_do_not_count_as_small_images():
    without = planted({"lenet": 4.0}, ("mnist_5k", "photographs"))
    beside = planted({"lenet": 4.0}, ("mnist_5k", "photographs", "mnist_5k_enlarged"))
    assert decided(beside, "large_images").value == pytest.approx(decided(without, "large_images").value, abs=1e-12)


def test_disagreement_is_that_of_the_file():
    predictor = planted({"lenet": 8.0}, agreement=0.3)
    (row,) = decided(predictor, "interpolations").evidence
    ratio = predictor.agreement_ratio.sel(pair="bilinear-gaussian").isel(strength=0, checkpoint=0)
    assert row.value == pytest.approx(abs(math.log10(ratio)), abs=1e-12)
    assert row.standard_error == pytest.approx(math.sqrt(2) * 0.05 / math.log(10), abs=1e-12)
    weaker = scaled(predictor, "stability", 0.1, perturbation="diffeo_bilinear")
    assert decided(weaker, "interpolations").evidence[0].value == pytest.approx(1 - row.value, abs=1e-12)


@pytest.mark.parametrize("displacement", [0.5, 2.0, 0.7])
def test_bump_region_is_looked_at_the_displacement_of_the_settings(displacement):
    (row,) = decided(planted({"lenet": 8.0}), "bump_region", {**SETTINGS, "displacement": displacement}).evidence
    assert row.value == pytest.approx(math.log10(5 * displacement / 8), abs=1e-9)


# Rows


def test_rows_are_the_trained_networks():
    rows = decided(make_predictor_summary(initial_seeds=3), "linear_edge").evidence
    small = {(dataset, network) for dataset in ("fashion_mnist", "mnist_5k") for network in PLANTED_BUMPS}
    assert [(row.dataset, row.network) for row in rows] == sorted(small | {("photographs", "efficientnet_lite0")})
    assert {row.runs for row in rows if row.dataset != "photographs"} == {2}


def test_scatter_between_seeds_counts():
    calm, noisy = (decided(planted({"lenet": 8.0}, scatter=size), "bump_region").evidence[0] for size in (0.0, 0.1))
    assert calm.value == pytest.approx(noisy.value, abs=1e-9)
    assert noisy.standard_error == pytest.approx(math.sqrt(calm.standard_error**2 + 0.1**2), abs=1e-9)


def test_run_without_a_bump_is_left_out_of_the_mean():
    predictor = scaled(planted({"lenet": 8.0}, scatter=0.1), "bump_position", math.nan, seed=0)
    (row,) = decided(predictor, "bump_region").evidence
    assert row.runs == 1
    assert row.value == pytest.approx(math.log10(5 / 8) + 0.1, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "datasets", "reason"),
    [
        ("boundary", ONE, "G/r² has no bump, or half of the directions or more never flip the label"),
        ("misclassification", ONE, "G/r² has no bump, or noise never changes a tenth of the labels"),
        ("large_images", WITH_PHOTOGRAPHS, "on small images G/r² has no bump"),
        ("large_images", ONE, "no network on large images was measured"),
        ("noise_per_pixel", ONE, "no network on large images was measured"),
        ("enlarged", ONE, "no data set was measured beside its enlarged copy"),
        ("enlarged", SIZES, "G/r² has no bump at one of the two sizes"),
        ("bump_region", ONE, "G/r² has no bump, or the sweep does not reach δ = 1 px"),
    ],
)
def test_without_a_bump_the_reason_is_given(name, datasets, reason):
    decision = decided(planted({"lenet": None}, datasets), name)
    assert (decision.verdict, decision.reason) == ("undecided", reason)


def test_large_network_without_a_bump_is_a_reason():
    predictor = scaled(planted({"lenet": 8.0}, WITH_PHOTOGRAPHS), "bump_position", math.nan, dataset="photographs")
    assert decided(predictor, "large_images").reason == "G/r² has no bump"


def test_one_network_without_a_bump_is_named_and_the_others_decide():
    decision = decided(planted({"lenet": 8.0, "fc2": None}), "misclassification")
    assert decision.verdict == "holds"
    assert "has no bump" in decision.reason
    assert [math.isnan(row.value) for row in decision.evidence] == [True, False]


def test_displacement_outside_the_sweep_is_a_reason():
    decision = decided(planted({"lenet": 8.0}), "bump_region", {**SETTINGS, "displacement": 9.0})
    assert decision.reason == "G/r² has no bump, or the sweep does not reach δ = 9 px"


@pytest.mark.parametrize("name", NAMED)
def test_directions_that_were_not_measured_are_named(name):
    used = {"diffeo_manifold": ["diffeo_bilinear"], "interpolations": ["diffeo_bilinear", "diffeo_gaussian"]}.get(name, ["noise"])
    others = [label for label in PERTURBATIONS if label not in used]
    predictor = planted({"lenet": 8.0}, (*SIZES, "photographs"), perturbations=others)
    decision = decided(predictor, name)
    assert decision.verdict == "undecided"
    assert decision.reason.endswith(f"not measured: {', '.join(used)}")


@pytest.mark.parametrize("name", NAMED)
def test_networks_at_initialisation_alone_decide_nothing(name):
    decision = decided(planted({"lenet": 8.0}, seeds=0, initial_seeds=2), name)
    assert (decision.verdict, decision.reason, decision.evidence) == ("undecided", NAMED[name].nothing, [])


@pytest.mark.parametrize("name", NAMED)
def test_every_claim_is_decided_on_everything(name):
    predictor = make_predictor_summary(("fashion_mnist", *SIZES, "photographs"))
    decision = decided(predictor, name)
    assert math.isfinite(decision.value)
    assert decision.standard_error > 0
