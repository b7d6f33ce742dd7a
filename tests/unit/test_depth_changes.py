"""Changes of log10 R with depth: values against loops, paired errors against the bootstrap and closed forms."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.depth_changes import depth_changes

VGG = ["input", "convolution", "activation", "pool", "convolution", "pool", "pool", "logits", "softmax"]
RESNET = ["input", "convolution", "pool", "convolution", "blur", "residual_sum", "activation", "pool", "logits", "softmax"]
SEQUENCE = {"vgg": [0, 1, 2, 3, 4, 5, 6, 7], "resnet": [0, 2, 5, 7, 8]}
POOLINGS = {"vgg": [3, 5], "resnet": [2, 7]}
KINDS = {"vgg": VGG, "resnet": RESNET}
SAMPLES, STRENGTHS = 200, 2


def make_stability(kinds: list[str], seed: int = 0, spread: float = 0.1, draws: int = 2) -> xr.Dataset:
    """Squared distances that images share, times some of each operation's own (`spread`)."""
    generator = np.random.default_rng(seed)
    layers = len(kinds)
    image = np.exp(generator.normal(size=(2, STRENGTHS, 1, SAMPLES, 1)))
    own = np.exp(spread * generator.normal(size=(2, STRENGTHS, layers, SAMPLES, draws)))
    trend = np.exp(generator.normal(size=(2, STRENGTHS, layers, 1, 1)))
    return xr.Dataset(
        {"squared_distance": (("perturbation", "strength", "layer", "sample", "draw"), image * own * trend)},
        coords={
            "kind": ("perturbation", ["diffeo", "noise"]),
            "interpolation": ("perturbation", ["bilinear"] * 2),
            "operation": ("layer", kinds),
            "relative_depth": ("layer", np.minimum(np.arange(layers) / (layers - 2), 1)),
        },
    )


def obvious_changes(stability: xr.Dataset, network: str, strength: int, images: object = slice(None)) -> dict[str, float]:
    """All numbers of one strength by loops; `images` are the probe images that count."""
    moved = stability.squared_distance.values[:, strength][:, :, images].mean(axis=(2, 3))
    logarithm = np.log10(moved[0] / moved[1])
    places = SEQUENCE[network]
    steps = {k: logarithm[k] - logarithm[j] for j, k in pairwise(places)}
    inside = range(len(KINDS[network]) - 1)
    depth = stability.relative_depth.values[list(inside)]
    return {
        **{f"R_step {layer}": step for layer, step in steps.items()},
        "pooling_step": float(np.mean([steps[layer] for layer in POOLINGS[network]])),
        "depth_slope": np.polyfit(depth, logarithm[list(inside)], 1)[0],
        "largest_rise": max(logarithm[k] - logarithm[j] for j, k in combinations(places, 2)),
    }


def found(changes: xr.Dataset, name: str, strength: int, suffix: str = "") -> float:
    """The number called as in `obvious_changes`."""
    variable, _, layer = name.partition(" ")
    values = changes[variable + suffix].isel(strength=strength).squeeze("interpolation")
    return float(values.isel(layer=int(layer)) if layer else values)


@pytest.mark.parametrize("network", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_changes_equal_loops(network: str, seed: int) -> None:
    stability = make_stability(KINDS[network], seed, spread=1.0)
    changes = depth_changes(stability)
    for strength in range(STRENGTHS):
        for name, value in obvious_changes(stability, network, strength).items():
            assert found(changes, name, strength) == pytest.approx(value, abs=1e-12), name
    others = sorted({*range(len(KINDS[network]))} - {*SEQUENCE[network][1:]})
    assert changes.R_step.isel(layer=others).isnull().all()
    assert changes.R_step.isel(layer=SEQUENCE[network][1:]).notnull().all()


@pytest.mark.parametrize("network", KINDS)
def test_errors_agree_with_the_bootstrap_over_images(network: str) -> None:
    stability = make_stability(KINDS[network])
    changes = depth_changes(stability)
    generator = np.random.default_rng(1)
    drawn = [obvious_changes(stability, network, 0, generator.integers(SAMPLES, size=SAMPLES)) for _ in range(1000)]
    for name in drawn[0]:
        scatter = np.std([values[name] for values in drawn], ddof=1)
        assert found(changes, name, 0, "_standard_error") == pytest.approx(scatter, rel=0.15), name


def test_operations_that_move_all_images_alike_have_no_error() -> None:
    changes = depth_changes(make_stability(VGG, spread=0.0, draws=1))
    for name in ("R_step", "pooling_step", "depth_slope", "largest_rise"):
        assert float(changes[f"{name}_standard_error"].max()) < 1e-12


def test_error_of_a_step_in_closed_form() -> None:
    """Two images: R after the second operation is 1 ± e of that before, so that the step's error is e/ln 10."""
    error = 1e-6
    distance = np.ones((2, 1, 4, 2, 1))
    distance[0, 0, 1, :, 0] = [1 + error, 1 - error]
    kinds = ["input", "convolution", "logits", "softmax"]
    stability = make_stability(kinds).isel(strength=[0], sample=[0, 1], draw=[0])
    stability["squared_distance"] = stability.squared_distance.copy(data=distance)
    errors = depth_changes(stability).R_step_standard_error.values[0, 0]
    assert errors[1:3] == pytest.approx([error / math.log(10)] * 2, rel=1e-9)
    assert np.isnan(errors[[0, 3]]).all()


def test_what_does_not_move_is_left_out() -> None:
    stability = make_stability(VGG)
    stability.squared_distance.values[0, 0, 2] = 0  # R after operation 2 is 0 at the first strength
    changes = depth_changes(stability)
    assert changes.R_step.isel(strength=0).isnull().values[0].tolist() == [True, False, True, True, *[False] * 4, True]
    assert np.isnan(found(changes, "pooling_step", 0))
    known = [0, 1, 3, 4, 5, 6, 7]
    moved = stability.squared_distance.isel(strength=0, layer=known).mean(["sample", "draw"]).values
    logarithm = dict(zip(known, np.log10(moved[0] / moved[1]), strict=True))
    assert found(changes, "largest_rise", 0) == pytest.approx(
        max(logarithm[k] - logarithm[j] for j, k in combinations(known, 2)), abs=1e-12
    )
    slope = np.polyfit(stability.relative_depth.values[known], list(logarithm.values()), 1)[0]
    assert found(changes, "depth_slope", 0) == pytest.approx(slope, abs=1e-12)
    for name in ("depth_slope", "largest_rise"):
        assert np.isfinite(found(changes, name, 0, "_standard_error"))
    assert np.isfinite(found(changes, "pooling_step", 1))


@pytest.mark.parametrize("moving", [0, 1])
def test_with_fewer_than_two_stabilities_there_is_nothing_to_compare(moving: int) -> None:
    stability = make_stability(["input", "convolution", "logits", "softmax"])
    stability.squared_distance.values[0, :, moving:] = 0
    changes = depth_changes(stability)
    for name in ("R_step", "pooling_step", "depth_slope", "largest_rise"):
        assert changes[name].isnull().all(), name
        assert changes[f"{name}_standard_error"].isnull().all(), name
