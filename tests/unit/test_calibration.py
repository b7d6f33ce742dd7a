import json

import numpy as np
import pytest
import torch
import xarray as xr

from workflow_scripts.calibrate_deformations import main
from workflow_scripts.diffeo.calibration import displacement_norms, folded_fraction
from workflow_scripts.diffeo.deformation import critical_temperatures, displacement_field, folds, temperature, unit_coefficients
from workflow_scripts.diffeo.interpolation import smooth, warp
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.netcdf import read_dataset, write_dataset

INTERPOLATIONS = ("bilinear", "gaussian")
TEMPERATURES = [temperature(delta, 3, 12) for delta in (0.2, 1.0)]
ENSEMBLE = {
    "mode_rule": "disc",
    "delta_convention": "asymptotic",
    "displacements": [0.2, 1.0],
    "interpolations": ["gaussian", "bilinear"],
    "seed": 5,
}


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 2, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_norms_equal_the_loop_over_everything(images):
    norms = displacement_norms(images, TEMPERATURES, 3, "disc", INTERPOLATIONS, draws=2, seed=7, chunk=2)
    assert norms.shape == (2, 2, 5, 2)
    for which, interpolation in enumerate(INTERPOLATIONS):
        for strength, value in enumerate(TEMPERATURES):
            for image in range(5):
                for draw in range(2):
                    field = displacement_field(unit_coefficients(7, torch.tensor([image]), draw, 3), 12)
                    one = images[image : image + 1]
                    change = warp(one, value**0.5 * field, interpolation) - smooth(one, interpolation)
                    assert norms[which, strength, image, draw].item() == pytest.approx(change.norm().item(), rel=1e-12)


def test_norms_do_not_depend_on_the_chunk(images):
    few, many = (displacement_norms(images, TEMPERATURES, 3, "padded", INTERPOLATIONS, 2, 7, chunk) for chunk in (1, 100))
    torch.testing.assert_close(few, many, rtol=1e-13, atol=0)


def test_norm_of_a_ramp_is_the_rms_displacement(images):
    # |tau x - x|^2 of the ramp x = row is the sum of tau_u^2; half of the mean of |n tau|^2 on the grid.
    ramp = torch.arange(12.0).double()[:, None].expand(2000, 1, 12, 12)
    norms = displacement_norms(ramp, TEMPERATURES[:1], 3, "disc", ["bilinear"], draws=1, seed=0, chunk=500).square().flatten()
    expected = 12**2 * 11**2 * TEMPERATURES[0] * 1.025 / 4
    assert abs(norms.mean() - expected) < 5 * norms.std() / 2000**0.5


def test_folded_fraction_counts_the_same_deformations():
    second = critical_temperatures(3, 12)[1]
    fraction, error = folded_fraction([0.0, second, 100.0], 3, 12, "padded", images=40, draws=2, seed=1, chunk=7)
    folded = [folds(unit_coefficients(1, torch.arange(40), draw, 3, "padded"), second, 12) for draw in (0, 1)]
    expected = torch.cat(folded).double().mean().item()
    assert 0 < expected < 1
    assert fraction.tolist() == [0, pytest.approx(expected, rel=1e-15), 1]
    assert error.tolist() == [0, pytest.approx((expected * (1 - expected) / 80) ** 0.5, rel=1e-12), 0]


@pytest.fixture(params=[3, 4])
def calibrated(tmp_path, request) -> xr.Dataset:
    generator = np.random.default_rng(0)
    data = xr.Dataset(
        {
            "images": variable(
                ("image", "channel", "row", "column"), generator.integers(0, 256, (9, 2, 12, 12), "uint8"), "images"
            ),
            "label": variable(("image",), np.zeros(9, "int16"), "label"),
            "split": variable(("image",), np.array([0, 0, 1, 2, 2, 2, 2, 2, 2], "int8"), "split"),
            "mean": variable(("dataset", "channel"), [[0.4, 0.6]], "mean"),
            "standard_deviation": variable(("dataset", "channel"), [[0.2, 0.3]], "standard deviation"),
        },
        coords={"dataset": ["noise"]},
    )
    write_dataset(data, tmp_path / "data.nc", title="noise", configuration={}, classes=1)
    probe = {"images": 5, "draws": 2}
    path = tmp_path / "calibration.nc"
    main(tmp_path / "data.nc", path, "noise", request.param, ENSEMBLE, probe, memory_mb=1, device="cpu", threads=1)
    return read_dataset(path)


def test_file_has_the_dimensions_of_the_contract(calibrated, request):
    sizes = {"dataset": 1, "cutoff": 1, "interpolation": 2, "strength": 2, "sample": 5, "draw": 2}
    sizes |= {"example": 3, "channel": 2, "row": 12, "column": 12}
    assert dict(calibrated.sizes) == sizes
    assert calibrated.interpolation.values.tolist() == ["bilinear", "gaussian"]
    assert f"[{calibrated.cutoff.item()}]" in request.node.name
    assert json.loads(calibrated.attrs["configuration"])["deformations"] == {**ENSEMBLE, "cutoffs": [calibrated.cutoff.item()]}
    assert calibrated.displacement_norm.dims == ("dataset", "cutoff", "interpolation", "strength", "sample", "draw")
    assert calibrated.displacement.dims == ("dataset", "strength")


def test_file_agrees_with_the_library(calibrated):
    one = calibrated.squeeze(["dataset", "cutoff"])
    images = torch.from_numpy(one.example_image.values)
    cutoff = one.cutoff.item()
    values = [temperature(delta, cutoff, 12) for delta in (0.2, 1.0)]
    np.testing.assert_allclose(one.temperature, values, rtol=1e-15)
    np.testing.assert_allclose([one.critical_temperature_1, one.critical_temperature_2], critical_temperatures(cutoff, 12))
    norms = displacement_norms(images, values, cutoff, "disc", INTERPOLATIONS, 2, 5, 10)
    np.testing.assert_allclose(one.displacement_norm.isel(sample=slice(3)), norms, rtol=1e-5)


def test_radius_is_the_mean_and_its_error_that_over_samples(calibrated):
    norms = calibrated.displacement_norm.mean("draw")
    np.testing.assert_allclose(calibrated.radius, norms.mean("sample"), rtol=1e-5)
    np.testing.assert_allclose(calibrated.radius_standard_error, norms.std("sample", ddof=1) / 5**0.5, rtol=1e-4)


def test_examples_move_as_far_as_they_should(calibrated):
    pixels = ["channel", "row", "column"]
    still = xr.concat([calibrated.example_image, smoothed(calibrated.example_image)], "interpolation")
    deformed = ((calibrated.example_deformed - still) ** 2).sum(pixels) ** 0.5
    measured = calibrated.displacement_norm.isel(draw=0, sample=slice(3)).rename(sample="example")
    np.testing.assert_allclose(deformed.transpose(*measured.dims), measured, rtol=1e-4)
    noise = ((calibrated.example_noisy - still) ** 2).sum(pixels) ** 0.5
    np.testing.assert_allclose(noise, calibrated.radius.broadcast_like(noise).transpose(*noise.dims), rtol=1e-4)


def smoothed(images: xr.DataArray) -> xr.DataArray:
    return images.copy(data=smooth(torch.from_numpy(images.values[0]), "gaussian").numpy()[None])
