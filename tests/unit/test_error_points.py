"""Points: which runs they are, what they average, and learning curves."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_relation import NETWORKS, SETTINGS, make_related_summary, with_test_errors
from workflow_scripts.diffeo.error_points import MEASURED, error_points, learning_curves
from workflow_scripts.diffeo.statistics import fraction_standard_error

LN10 = math.log(10)


def labels(points: xr.Dataset, *names: str) -> list[tuple[object, ...]]:
    return list(zip(*(points[f"point_{name}"].values.tolist() for name in names), strict=True))


def test_points_are_the_last_checkpoints_with_their_numbers_and_errors() -> None:
    points = error_points(make_related_summary(relative_error=0.05, images=2000), SETTINGS)
    assert labels(points, "dataset", "network", "recipe", "train_size") == [("a", name, "adamw", 1000) for name in NETWORKS]
    assert points.stability.sel(quantity="R").values == pytest.approx(list(NETWORKS.values()), rel=1e-12)
    ratio = points.stability.sel(quantity="D") / points.stability.sel(quantity="G")
    assert ratio.values == pytest.approx(list(NETWORKS.values()), rel=1e-12)
    assert points.log10_stability_standard_error.values == pytest.approx(np.full((6, 3), 0.05 / LN10), rel=1e-12)
    error = 0.2 * np.sqrt(list(NETWORKS.values()))
    own = fraction_standard_error(xr.DataArray(error), xr.DataArray(2000.0)).values
    assert points.test_error.values == pytest.approx(error, rel=1e-12)
    assert points.log10_test_error_standard_error.values == pytest.approx(own / error / LN10, rel=1e-12)
    assert points.misclassified.values == pytest.approx(2000 * error, rel=1e-12)
    assert points.seeds.values.tolist() == [1] * 6 and points.of_largest_train_size.all()


def test_seeds_are_averaged_and_their_scatter_is_an_error() -> None:
    summary = make_related_summary(stabilities={"lenet": 0.3, "vgg11": 0.1}, trained_seeds=2, scatter=0.2)
    points = error_points(summary, SETTINGS)
    assert points.seeds.values.tolist() == [2, 2]
    assert points.stability.sel(quantity="R").values == pytest.approx([0.3, 0.1], rel=1e-12)
    assert points.test_error.values == pytest.approx([0.2 * 0.3**0.5, 0.2 * 0.1**0.5], rel=1e-12)
    pooled = 2 * 0.2**2 / 2  # variance of two seeds at ± 0.2 decades, divided by their number
    assert points.log10_stability_standard_error.sel(quantity="R").values == pytest.approx(
        np.full(2, math.sqrt((0.05 / LN10) ** 2 + pooled)), rel=1e-12
    )


def test_recipes_and_train_sizes_are_points_of_their_own_and_the_largest_is_known() -> None:
    summary = make_related_summary(stabilities={"lenet": 0.3, "vgg11": 0.1}, train_sizes=(10, 100))
    other = summary.assign_coords(recipe=("checkpoint", ["sgd"] * summary.sizes["checkpoint"]))
    small = other.isel(checkpoint=np.flatnonzero((other.train_size == 10) & (other.network == "lenet")))
    points = error_points(xr.concat([summary, small], "checkpoint"), SETTINGS)
    found = dict(
        zip(labels(points, "network", "recipe", "train_size"), points.of_largest_train_size.values.tolist(), strict=True)
    )
    assert found == {
        ("lenet", "adamw", 10): 0,
        ("lenet", "sgd", 10): 0,
        ("lenet", "adamw", 100): 1,
        ("vgg11", "adamw", 10): 0,
        ("vgg11", "adamw", 100): 1,
    }


def test_an_error_of_zero_counts_as_half_an_image_and_says_so() -> None:
    summary = make_related_summary(lambda r, d, g: np.where(r < 0.2, 0.0, 0.25), images=500)
    points = error_points(summary, SETTINGS)
    right = points.stability.sel(quantity="R").values < 0.2
    assert points.test_error.values == pytest.approx(np.where(right, 0.001, 0.25), rel=1e-12)
    assert points.misclassified.values == pytest.approx(np.where(right, 0, 125), rel=1e-12)
    assert (points.log10_test_error_standard_error.values[right] > 0.8).all()


def test_local_models_untrained_imported_and_constant_networks_have_no_point() -> None:
    summary = make_related_summary(
        stabilities={"lenet": 0.3, "conv": 0.2, "imported": 0.1, "constant": 0.1, "initial": 0.1},
        networks={"conv": {"architecture": "local_model"}},
    )
    error = summary.error.sel(split="test").where(summary.network != "imported")
    summary = with_test_errors(summary, error.values)
    summary["D"] = summary.D.where(summary.network != "constant", 0.0)
    kept = np.flatnonzero((summary.network != "initial") | (summary.epoch == 0))
    assert labels(error_points(summary.isel(checkpoint=kept), SETTINGS), "network") == [("lenet",)]


def test_without_a_trained_network_there_is_no_point_and_no_curve() -> None:
    points = error_points(make_related_summary(trained_seeds=0, initial_seeds=1), SETTINGS)
    assert points.sizes["point"] == 0
    assert points.stability.shape == (0, 3)
    assert learning_curves(points).train_size_exponent.shape == (0, 4)


# Learning curves


def test_exponents_of_exact_powers_of_p() -> None:
    sizes = (100, 300, 1000, 5000)
    summary = make_related_summary(train_sizes=sizes, train_size_exponent=-0.3, trained_seeds=2)
    curves = learning_curves(error_points(summary, SETTINGS))
    assert curves.curve_network.values.tolist() == list(NETWORKS)
    assert curves.curve_architecture.values.tolist()[:3] == ["fully_connected", "simple_cnn", "lenet"]
    planted = {"R": -0.3, "D": -0.3, "G": 0.0, "test_error": -0.15}
    for name in MEASURED:
        assert curves.train_size_exponent.sel(measured=name).values == pytest.approx(np.full(6, planted[name]), abs=1e-12)
    x = np.log10(sizes)
    error = 0.05 / LN10 / np.linalg.norm(x - x.mean())
    assert curves.train_size_exponent_standard_error.sel(measured="R").values == pytest.approx(np.full(6, error), rel=1e-9)
    assert curves.train_sizes.values.tolist() == [4] * 6 and curves.curve_runs.values.tolist() == [8] * 6


def test_two_sizes_make_a_curve_without_exponents_and_one_makes_none() -> None:
    two = learning_curves(error_points(make_related_summary(train_sizes=(10, 100)), SETTINGS))
    assert two.sizes["curve"] == 6 and two.train_size_exponent.isnull().all()
    assert learning_curves(error_points(make_related_summary(), SETTINGS)).sizes["curve"] == 0


def test_a_test_error_of_zero_has_no_part_in_the_exponent() -> None:
    def law(relative: np.ndarray, deformations: np.ndarray, noise: np.ndarray) -> np.ndarray:
        return np.where(relative < 0.12, 0.0, relative)

    sizes = (100, 200, 400, 800, 1600)
    summary = make_related_summary(law, {"vgg11": 0.1}, train_sizes=sizes, train_size_exponent=-0.5)
    curves = learning_curves(error_points(summary, SETTINGS))
    assert curves.train_size_exponent.sel(measured="R").item() == pytest.approx(-0.5, abs=1e-12)
    assert curves.train_size_exponent.sel(measured="test_error").item() == pytest.approx(-0.5, abs=1e-12)
