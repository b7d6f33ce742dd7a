"""Averages over neurons, patches and layers, against plain numpy and resampling."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_neurons import make_run, make_table
from workflow_scripts.diffeo.neuron_averages import MEANING, OBJECT, closest_to_one, neuron_statistics


@pytest.fixture(scope="module")
def run() -> xr.Dataset:
    return make_run()


@pytest.fixture(scope="module")
def found(run: xr.Dataset) -> xr.Dataset:
    return neuron_statistics(run)


def test_every_number_has_an_error_and_a_description(found: xr.Dataset) -> None:
    for name in MEANING:
        assert found[f"{name}_standard_error"].dims == found[name].dims
        assert (found[f"{name}_standard_error"].fillna(0) >= 0).all()
    for name, values in found.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name
    assert found.alpha_normalised.sizes == {"patch_choice": 3, "epoch": 2, "layer": 3, "transform": 4, "strength": 3}
    np.testing.assert_allclose(found.receptive_field, [3, 3, 6])


def test_random_patches_are_the_samples(run: xr.Dataset, found: xr.Dataset) -> None:
    alpha = run.alpha_of_patch.mean("patch")
    pairs = 2 * 40 / 39 * run.squared_deviation_of_patch.mean("patch")
    random = found.sel(patch_choice="random")
    xr.testing.assert_allclose(
        random.alpha.drop_vars("patch_choice"), alpha.drop_vars(["layer_name", "operation", "relative_depth"])
    )
    expected = (alpha / pairs).transpose(*random.alpha_normalised.dims)
    np.testing.assert_allclose(random.alpha_normalised, expected, rtol=1e-12)
    error = run.alpha_of_patch.std("patch", ddof=1) / 40**0.5
    np.testing.assert_allclose(random.alpha_standard_error, error.transpose(*random.alpha.dims), rtol=1e-12)
    jackknife = [
        (
            run.alpha_of_patch.drop_isel(patch=left).mean("patch")
            / run.squared_deviation_of_patch.drop_isel(patch=left).mean("patch")
        )
        for left in range(40)
    ]
    spread = xr.concat(jackknife, "left").var("left", ddof=0) * 39
    ratio = (random.alpha_normalised_standard_error * 2 * 40 / 39 / spread**0.5).transpose(*random.alpha.dims)
    assert float(abs(ratio - 1).max()) < 0.05


def test_neurons_are_the_samples_of_their_own_strongest_patches(run: xr.Dataset, found: xr.Dataset) -> None:
    for layer, channels in enumerate((4, 4, 6)):
        here = run.isel(layer=layer, channel=slice(channels)).sel(patch_choice="topk")
        expected = here.alpha.mean("channel") / here.pair_distance.mean("channel")
        number = found.sel(patch_choice="topk").isel(layer=layer)
        np.testing.assert_allclose(number.alpha_normalised, expected.transpose(*number.alpha_normalised.dims), rtol=1e-12)
        error = here.alpha.std("channel", ddof=1) / channels**0.5
        np.testing.assert_allclose(number.alpha_standard_error, error.transpose(*number.alpha.dims), rtol=1e-12)


def test_firing_and_activity_are_means_over_neurons(run: xr.Dataset, found: xr.Dataset) -> None:
    silent = run.copy(deep=True)
    silent.global_firing_rate[0, 2, 5] = 0
    silent.local_firing_rate[0, 2, ..., 5] = np.nan
    silent.active_fraction[0, 2, :, 5] = 0
    result = neuron_statistics(silent)
    invariance = (run.local_firing_rate / run.global_firing_rate).isel(epoch=0, layer=2, channel=slice(5)).mean("channel")
    number = result.firing_invariance.isel(epoch=0, layer=2)
    np.testing.assert_allclose(number, invariance.transpose(*number.dims), rtol=1e-12)
    np.testing.assert_allclose(result.firing_neurons.isel(epoch=0, layer=2), 5 / 6)
    np.testing.assert_allclose(found.firing_neurons, 1)
    np.testing.assert_allclose(result.firing_neurons_standard_error.isel(epoch=0, layer=2), (5 / 36 / 5) ** 0.5)


def test_object_share_is_that_of_its_displacement(run: xr.Dataset, found: xr.Dataset) -> None:
    square = run.mean_square_distance.sel(weighting="profile")
    np.testing.assert_allclose(
        found.object_translation_share, (square / (square + (OBJECT**2 - 1) / 6)).mean("patch"), rtol=1e-12
    )


def test_change_is_on_the_same_patches(run: xr.Dataset, found: xr.Dataset) -> None:
    logs = np.log10(found.alpha_normalised.sel(patch_choice="random").isel(layer=[1, 2])).mean("layer")
    linear = logs.sel(transform=["compression", "rotation", "shear"]).mean("transform")
    np.testing.assert_allclose(found.linear_alpha, linear.transpose("epoch", "strength"), rtol=1e-12)
    change = linear - linear.isel(epoch=0)
    np.testing.assert_allclose(found.linear_change, change.transpose("epoch", "strength"), atol=1e-12)
    assert found.linear_change_standard_error.isel(epoch=0).max() < 1e-12
    translation = logs.sel(transform="translation")
    relative = change - (translation - translation.isel(epoch=0))
    np.testing.assert_allclose(found.relative_change, relative.transpose("epoch", "strength"), atol=1e-12)
    same = run.copy(deep=True)
    for name in ("alpha_of_patch", "squared_deviation_of_patch"):
        same[name][1] = same[name][0]
    unchanged = neuron_statistics(same)
    np.testing.assert_allclose(unchanged.linear_change, 0, atol=1e-12)
    np.testing.assert_allclose(unchanged.linear_change_standard_error, 0, atol=1e-12)


def test_without_the_initialisation_there_is_no_change(run: xr.Dataset) -> None:
    result = neuron_statistics(run.isel(epoch=[1]))
    assert result.linear_change.isnull().all()
    assert result.linear_alpha.notnull().all()


def test_a_dead_layer_is_left_out_of_the_mean_over_layers(run: xr.Dataset, found: xr.Dataset) -> None:
    dead = run.copy(deep=True)
    dead.alpha_of_patch[1, 1] = 0
    result = neuron_statistics(dead)
    alone = np.log10(found.alpha_normalised.sel(patch_choice="random", transform="translation").isel(layer=2))
    np.testing.assert_allclose(result.translation_alpha, alone.transpose("epoch", "strength"), rtol=1e-12)


def test_the_value_closest_to_one_is_chosen() -> None:
    table = make_table()
    assert closest_to_one(table, "displacement").amount.item() == 1
    twice = table.assign_coords(amount=("strength", [0.4, 2.0, 3.0]))
    assert closest_to_one(twice, "displacement").amount.item() == 2
    with pytest.raises(ValueError, match="norm is 'spectral'; the table has displacement, frobenius"):
        closest_to_one(table, "spectral")
    assert math.isclose(float(closest_to_one(twice, "frobenius").amount), 3)
