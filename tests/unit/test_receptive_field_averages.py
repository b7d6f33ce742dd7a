"""Effective sizes and what training does to them, against arithmetic by hand and resampling."""

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.receptive_field_averages import effective_size, field_statistics

SAMPLES = 40


def make_fields(epochs: tuple[int, ...] = (0, 3)) -> xr.Dataset:
    generator = np.random.default_rng(0)
    shape = (len(epochs), 2, SAMPLES)
    cell = ("epoch", "layer", "sample")
    peak = generator.gamma(4.0, size=shape)
    total = peak * (9 + np.arange(len(epochs))[:, None, None]) * generator.gamma(20.0, 1 / 20, size=shape)
    return xr.Dataset(
        {
            "total": (cell, total),
            "peak": (cell, peak),
            "profile": (("epoch", "layer", "row", "column"), np.ones((len(epochs), 2, 8, 8))),
        },
        coords={
            "epoch": list(epochs),
            "layer": [1, 5],
            "layer_name": ("layer", ["first", "second"]),
            "relative_depth": ("layer", [0.1, 0.5]),
        },
    )


def test_effective_size_is_that_of_the_mean_profile_with_its_jackknife_error() -> None:
    fields = make_fields()
    size = effective_size(fields.total, fields.peak)
    total, peak = fields.total.values, fields.peak.values
    np.testing.assert_allclose(size.value, np.sqrt(total.mean(-1) / peak.mean(-1)), rtol=1e-12)
    left_out = [(values.sum(-1, keepdims=True) - values) / (SAMPLES - 1) for values in (total, peak)]
    replicates = np.sqrt(left_out[0] / left_out[1])
    jackknife = np.sqrt((SAMPLES - 1) / SAMPLES * ((replicates - replicates.mean(-1, keepdims=True)) ** 2).sum(-1))
    np.testing.assert_allclose(size.standard_error(), jackknife, rtol=0.05)


def test_statistics_are_logarithms_of_sizes() -> None:
    fields = make_fields()
    found = field_statistics(fields)
    size = np.sqrt(fields.total.mean("sample") / fields.peak.mean("sample")).values
    np.testing.assert_allclose(found.field_size, size, rtol=1e-12)
    np.testing.assert_allclose(found.field_share, np.log10(size**2 / 64), rtol=1e-12)
    np.testing.assert_allclose(found.field_change, np.log10(size / size[0]), atol=1e-12)
    np.testing.assert_allclose(found.field_growth, np.log10(size / size[0]).mean(axis=1), atol=1e-12)
    assert found.field_change_standard_error.values[0].max() == 0
    relative = found.field_size_standard_error / found.field_size
    np.testing.assert_allclose(found.field_share_standard_error, 2 * relative / np.log(10), rtol=1e-12)
    assert found.layer_name.values.tolist() == ["first", "second"]
    for name, values in found.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name


def test_without_the_initialisation_nothing_is_known_of_the_change() -> None:
    found = field_statistics(make_fields((3,)))
    assert found.field_change.isnull().all()
    assert found.field_growth.isnull().all()
    assert found.field_size.notnull().all()


def test_neurons_without_gradients_have_no_size() -> None:
    fields = make_fields()
    dead = fields.assign(total=0 * fields.total, peak=0 * fields.peak)
    with np.errstate(invalid="ignore"):
        assert effective_size(dead.total, dead.peak).value.isnull().all()


@pytest.mark.parametrize("module", ["receptive_field_averages", "receptive_field_claims"])
def test_module_imports_no_torch(module: str) -> None:
    import subprocess
    import sys

    check = f"import sys, workflow_scripts.diffeo.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
