"""The file of displacement fields, from the configuration to the NetCDF file."""

import numpy as np
import pytest
import torch
import xarray as xr

from tests.synthetic_fields import SETTINGS, make_fields
from workflow_scripts import measure_fields
from workflow_scripts.diffeo.deformation import (
    critical_temperatures,
    displacement_field,
    mean_square_displacement,
    mean_square_norms,
    mode_sums,
    unit_coefficients,
)
from workflow_scripts.diffeo.patch_norms import linear_estimate, linear_range, patch_mean_squares
from workflow_scripts.diffeo.randomness import derive_seed
from workflow_scripts.support.netcdf import read_dataset


@pytest.fixture(scope="module")
def fields() -> xr.Dataset:
    return make_fields()


def within_five_errors(fields: xr.Dataset, name: str) -> None:
    value, error = fields[name], fields[f"{name}_standard_error"]
    distance = abs(value - fields[f"{name}_exact"].sel(average="grid"))
    assert bool((distance <= 5 * error + 1e-12 * abs(value)).all())


@pytest.mark.parametrize("name", ["norm", "squared_norm", "patch_square", "patch_share", "patch_gradient_square"])
def test_measured_is_within_five_standard_errors_of_exact(fields: xr.Dataset, name: str) -> None:
    within_five_errors(fields, name)


def test_labels_are_sorted(fields: xr.Dataset) -> None:
    assert fields.mode_rule.values.tolist() == ["disc", "padded"]
    assert (fields.cutoff.values.tolist(), fields.patch_size.values.tolist()) == ([3, 5], [2, 8, 16])
    assert fields.part.values.tolist() == ["tau", "C", "S", "R", "U"]
    assert fields.gradient_part.values.tolist() == ["C", "S", "R", "U"]
    assert fields.sizes["draw"] == 300


def test_exact_values_are_those_of_the_library(fields: xr.Dataset) -> None:
    for cutoff in (3, 5):
        first, second = critical_temperatures(cutoff, 16)
        here = fields.sel(cutoff=cutoff, mode_rule="padded")
        np.testing.assert_allclose(here.temperature[[0, -1]], [first / 15, 2 * second], rtol=1e-12)
        number, inverse_squares = mode_sums(cutoff, "padded")
        assert (here.modes.item(), here.inverse_square_sum.item()) == (number, pytest.approx(inverse_squares, rel=1e-12))
        temperature = here.temperature[1].item()
        exact = here.squared_norm_exact.isel(strength=1)
        tau = mean_square_displacement(temperature, cutoff, 16, "padded")
        assert exact.sel(average="continuum", part="tau").item() == pytest.approx(tau, rel=1e-12)
        for part, value in mean_square_norms(temperature, cutoff, "padded", size=16).items():
            assert exact.sel(average="grid", part=part).item() == pytest.approx(value, rel=1e-12)
        squares = patch_mean_squares(cutoff, "padded", size=16, patch=8, on_grid=False)
        of_patch = here.patch_square_exact.sel(average="continuum", patch_size=8)
        np.testing.assert_allclose(of_patch, list(squares.values()), rtol=1e-12)
        estimate = linear_estimate(cutoff, "padded", size=16, patch=8, on_grid=True)
        assert here.linear_estimate.sel(average="grid", patch_size=8).item() == pytest.approx(estimate, rel=1e-12)
        assert here.linear_range.item() == linear_range(cutoff, "padded", size=16)


def test_formulas_are_those_of_the_slides_at_each_temperature(fields: xr.Dataset) -> None:
    here = fields.sel(cutoff=5).isel(strength=2)
    temperature = here.temperature.item()
    printed, corrected = (here.squared_norm_formula.sel(formula=name) for name in ("slides", "asymptotic"))
    assert printed.sel(part="C").item() == pytest.approx(np.pi**2 * 25 / 32 * temperature, rel=1e-12)
    assert printed.sel(part="S").item() == pytest.approx(np.pi**2 * 25 / 16 * temperature, rel=1e-12)
    assert corrected.sel(part="R").item() == pytest.approx(np.pi**3 * 25 / 32 * temperature, rel=1e-12)
    assert printed.sel(part="tau").item() == pytest.approx(np.pi / 4 * 16**2 * np.log(5) * temperature, rel=1e-12)


def test_averages_come_from_the_draws(fields: xr.Dataset) -> None:
    drawn = fields.norm_of_draw.astype(float)
    unit = fields.norm / fields.temperature**0.5
    xr.testing.assert_allclose(unit.isel(strength=0, drop=True), drawn.mean("draw"), rtol=1e-5)
    error = (fields.norm_standard_error / fields.temperature**0.5).isel(strength=2, drop=True)
    xr.testing.assert_allclose(error, drawn.std("draw", ddof=1) / 300**0.5, rtol=1e-4)
    patches = fields.patch_square_of_draw.mean("draw")
    share = patches / patches.sel(patch_part=["translation", "remainder"]).sum("patch_part")
    xr.testing.assert_allclose(fields.patch_share, share, rtol=1e-5)


def test_parts_of_a_patch_add_up(fields: xr.Dataset) -> None:
    squares = {name: fields.patch_square.sel(patch_part=name, drop=True) for name in fields.patch_part.values.tolist()}
    xr.testing.assert_allclose(squares["linear"] + squares["rest"], squares["remainder"], rtol=1e-9)
    whole = fields.patch_square.sel(patch_size=16, patch_part=["translation", "remainder"]).sum("patch_part")
    tau = (fields.squared_norm / fields.temperature).isel(strength=0, drop=True).sel(part="tau", drop=True)
    xr.testing.assert_allclose(whole.drop_vars("patch_size"), tau, rtol=1e-9)


def test_examples_are_the_first_fields_in_parts(fields: xr.Dataset) -> None:
    coefficients = unit_coefficients(derive_seed(0, "fields", "disc", 3), torch.arange(2), 0, 3, "disc")
    expected = displacement_field(coefficients, 16)
    found = fields.example_part.sel(mode_rule="disc", cutoff=3).sum("local_part")
    np.testing.assert_allclose(found.transpose("example", "component", "row", "column"), expected, atol=1e-5)


def test_draws_do_not_depend_on_the_memory_or_on_the_other_cutoffs(fields: xr.Dataset) -> None:
    again = measure_fields.measure(SETTINGS | {"cutoffs": [3]}, memory_mb=1)
    for name in ("norm_of_draw", "patch_square_of_draw"):
        np.testing.assert_allclose(again[name].sel(cutoff=3), fields[name].sel(cutoff=3), rtol=1e-6)
    other = make_fields(seed=1, cutoffs=[3])
    assert abs(other.norm_of_draw - again.norm_of_draw).max() > 0.1


def test_ensembles_are_independent(fields: xr.Dataset) -> None:
    norms = fields.squared_norm_of_draw.sel(part="tau").stack(ensemble=("mode_rule", "cutoff")).astype(float)
    correlations = np.corrcoef(norms.values.T) - np.eye(4)
    assert abs(correlations).max() < 5 / 300**0.5


def test_script_writes_one_described_file(tmp_path) -> None:
    settings = SETTINGS | {"draws": 5}
    measure_fields.main(tmp_path / "fields.nc", settings, memory_mb=100, threads=torch.get_num_threads())
    written = read_dataset(tmp_path / "fields.nc")
    assert written.attrs["seed"] == 0
    for name, values in written.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name
    assert written.norm.attrs["units"] == "pixel for tau, 1 otherwise"
    assert "mean norm" in written.norm_exact.attrs["long_name"]
