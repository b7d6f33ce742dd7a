"""Averages of activation spectra over images: planted ratios, paired errors, missing images and epochs."""

import math

import numpy as np
import pytest

from tests.synthetic_activations import LAYERS, make_activations
from workflow_scripts.diffeo.activation_averages import activation_statistics

NUMBERS = [layer[0] for layer in LAYERS]
KINDS = np.array([layer[2] for layer in LAYERS])


def test_planted_change_and_steps() -> None:
    found = activation_statistics(make_activations(-0.1, 0.05))
    assert found.layer.values.tolist() == NUMBERS
    trained = found.sel(epoch=4, map_mean="removed", normalisation="channel_averaged")
    assert trained.centroid_change.values == pytest.approx([0, *[-0.1] * 8], abs=1e-6)
    assert found.centroid_change.sel(epoch=0).values == pytest.approx(np.zeros((2, 2, 9)), abs=1e-12)
    expected = np.full(9, np.nan)
    expected[KINDS == "activation"] = 0.05
    convolutions = [math.log10(0.25 / 0.2) - 0.1, math.log10(0.45 / 0.4)]  # training does nothing to the input
    expected[[1, 5]] = convolutions
    expected[2] = math.log10(0.3 / 0.25)  # batch norm
    np.testing.assert_allclose(trained.centroid_step, expected, atol=1e-6)
    assert trained.convolution_change.item() == pytest.approx(-0.1, abs=1e-6)
    assert trained.activation_step.item() == pytest.approx(0.05, abs=1e-6)
    assert trained.batch_norm_step.item() == pytest.approx(math.log10(0.3 / 0.25), abs=1e-6)
    assert trained.convolution_step.item() == pytest.approx(np.mean(convolutions), abs=1e-6)
    assert trained.convolution_step_change.item() == pytest.approx(-0.05, abs=1e-6)
    assert found.convolution_step_change.sel(epoch=0).values == pytest.approx(np.zeros((2, 2)), abs=1e-12)
    kept = found.sel(epoch=4, map_mean="kept", normalisation="per_channel")
    assert kept.activation_step.item() == pytest.approx(-0.05, abs=1e-6)


def test_only_maps_of_four_pixels_count_in_means() -> None:
    measured = make_activations(-0.1, 0.1)
    measured.centroid.loc[{"layer": [8, 9], "epoch": 4}] = 100.0
    found = activation_statistics(measured).sel(epoch=4, map_mean="removed", normalisation="per_channel")
    assert found.convolution_change.item() == pytest.approx(-0.1, abs=1e-6)
    assert found.activation_step.item() == pytest.approx(0.1, abs=1e-6)
    assert found.centroid_change.sel(layer=8).item() > 1


def test_steps_need_the_operation_before_with_the_same_maps() -> None:
    measured = make_activations()
    measured = measured.assign_coords(channels=measured.channels.where(measured.layer != 5, 7))
    measured = measured.assign_coords(layer=[0, 1, 2, 3, 4, 5, 6, 8, 10])
    steps = activation_statistics(measured).centroid_step.isel(epoch=1, normalisation=0, map_mean=1)
    assert np.flatnonzero(steps.notnull()).tolist() == [1, 2, 3, 5]  # convolutions may change the number of channels


def test_a_convolution_numbered_after_a_batch_norm_begins_another_branch() -> None:
    measured = make_activations()
    kinds = measured.operation.values.copy()
    kinds[4] = "batch_norm"
    steps = activation_statistics(measured.assign_coords(operation=("layer", kinds))).centroid_step
    assert steps.sel(layer=5).isnull().all()


def test_errors_are_those_of_the_mean_over_images() -> None:
    measured = make_activations()
    found = activation_statistics(measured)
    values = measured.centroid.astype(float).values
    np.testing.assert_allclose(found.centroid, values.mean(-1), rtol=1e-12)
    np.testing.assert_allclose(found.centroid_standard_error, values.std(-1, ddof=1) / math.sqrt(40), rtol=1e-10)


def test_errors_of_ratios_are_those_of_paired_images() -> None:
    common = activation_statistics(make_activations(image_scatter=0.2)).isel(epoch=1)
    assert (common.convolution_change_standard_error < 1e-6).all()  # what all checkpoints share cancels
    measured = make_activations(image_scatter=0.2, checkpoint_scatter=0.1)
    found = activation_statistics(measured).isel(epoch=1).sel(layer=1)
    first, last = (measured.centroid.astype(float).sel(epoch=epoch, layer=1).values for epoch in (0, 4))
    relative = last / last.mean(-1, keepdims=True) - first / first.mean(-1, keepdims=True)
    expected = relative.std(-1, ddof=1) / math.sqrt(40) / math.log(10)
    np.testing.assert_allclose(found.centroid_change_standard_error, expected, rtol=1e-10)


def test_errors_of_the_mean_over_layers_hold_correlations() -> None:
    """All layers have the same scatter here: the mean over them has the error of one."""
    found = activation_statistics(make_activations(checkpoint_scatter=0.1)).isel(epoch=1)
    one = found.centroid_change_standard_error.sel(layer=1)
    np.testing.assert_allclose(found.convolution_change_standard_error, one, rtol=1e-5)


def test_images_without_power_are_left_out() -> None:
    measured = make_activations()
    measured["centroid"] = measured.centroid.where((measured.sample >= 10) | (measured.layer != 3))
    whole, found = activation_statistics(make_activations().isel(sample=slice(10, None))), activation_statistics(measured)
    relu = found.centroid.sel(layer=3)
    np.testing.assert_allclose(relu, whole.centroid.sel(layer=3), rtol=1e-12)
    error = found.centroid_standard_error.sel(layer=3)
    np.testing.assert_allclose(error, whole.centroid_standard_error.sel(layer=3), rtol=0.02)


@pytest.mark.filterwarnings("error")
def test_one_image_has_no_mean_with_an_error() -> None:
    """A layer that is dead for all images but one: an error of 0 would be wrong."""
    measured = make_activations()
    measured["centroid"] = measured.centroid.where((measured.sample == 3) | (measured.layer != 3))
    found = activation_statistics(measured)
    assert found.centroid.sel(layer=3).isnull().all()
    assert found.activation_step.isel(epoch=1, map_mean=1).values == pytest.approx([0.1, 0.1], abs=1e-6)  # of the others


@pytest.mark.filterwarnings("error")
def test_a_layer_that_is_dead_at_a_checkpoint_is_left_out_of_means() -> None:
    measured = make_activations(-0.1)
    measured["centroid"] = measured.centroid.where((measured.epoch == 0) | (measured.layer != 5))
    found = activation_statistics(measured).isel(epoch=1)
    assert found.centroid_change.sel(layer=5).isnull().all()
    assert found.convolution_change.values == pytest.approx(np.full((2, 2), -0.1), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_without_an_initialisation_there_is_no_change() -> None:
    found = activation_statistics(make_activations(epochs=(1,)))
    assert found.centroid_change.isnull().all()
    assert found.convolution_change.isnull().all()
    assert found.activation_step.notnull().all()


@pytest.mark.filterwarnings("error")
def test_a_network_without_maps_but_the_input() -> None:
    found = activation_statistics(make_activations().isel(layer=[0]))
    assert found.convolution_change.isnull().all()
    assert found.activation_step.isnull().all()
    assert found.centroid.notnull().all()


def test_names_units_and_dims() -> None:
    found = activation_statistics(make_activations())
    assert all({"long_name", "units"} <= set(values.attrs) for values in found.data_vars.values())
    assert found.power.dims == ("epoch", "normalisation", "map_mean", "layer", "wave_number")
    assert found.mean_square.dims == ("epoch", "layer")
    assert found.dead_fraction.sel(epoch=4, map_mean="kept").values == pytest.approx(np.full(9, 0.25))
    assert found.operation.values.tolist() == KINDS.tolist()
    assert set(found.coords) == {"epoch", "normalisation", "map_mean", "layer", "wave_number"}
