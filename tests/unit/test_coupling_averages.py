"""The coupling of all layers together, from closed forms."""

import math

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from workflow_scripts.diffeo.coupling_averages import coupling_statistics
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.measure_channel_coupling import MEANING


def measured(correlation: list[float], null_mean: float = 0.0, spread: float = 0.05, error: float = 0.04) -> xr.Dataset:
    """One epoch; translations have minus the correlation."""
    values = np.array([correlation, [-one for one in correlation]])[None]
    known = 0 * values
    numbers = {
        "correlation": values,
        "correlation_standard_error": error + known,
        "null_mean": null_mean + known,
        "null_standard_deviation": spread + known,
        "null_low": null_mean - 2 * spread + known,
        "null_high": null_mean + 3 * spread + known,
        "z": (values - null_mean) / spread,
        "p_value": 0.3 + known,
        "channels": 16 + known,
    }
    layers = len(correlation)
    return xr.Dataset(
        {name: variable(("epoch", "transformation", "layer"), numbers[name], meaning) for name, meaning in MEANING.items()},
        coords={
            "epoch": [2],
            "transformation": ["rotation", "translation"],
            "layer": np.arange(layers),
            "layer_name": ("layer", [f"conv{k}" for k in range(layers)]),
            "layer_before": ("layer", ["", *[f"conv{k}" for k in range(layers - 1)]]),
            "reason": ("layer", ["it reads the images", *[""] * (layers - 1)]),
            "relative_depth": ("layer", np.linspace(0, 1, layers)),
        },
    )


def test_layers_keep_their_numbers_and_get_errors_and_a_band_in_units_of_z() -> None:
    found = coupling_statistics(measured([math.nan, 0.2, -0.1])).sel(epoch=2, transformation="rotation")
    assert found.z.values == pytest.approx([math.nan, 4, -2], nan_ok=True)
    assert found.z_standard_error.values == pytest.approx([math.nan, 0.8, 0.8], nan_ok=True)
    assert found.null_low_z.values[1:] == pytest.approx([-2, -2])
    assert found.null_high_z.values[1:] == pytest.approx([3, 3])
    assert found.p_value.values[1] == 0.3
    assert found.layer_name.values.tolist() == ["conv0", "conv1", "conv2"]
    assert found.layer_before.values.tolist() == ["", "conv0", "conv1"]


def test_effect_of_a_network_is_fishers_transformation_beyond_the_null_averaged_over_pairs() -> None:
    found = coupling_statistics(measured([math.nan, 0.5, 0.2], null_mean=0.1)).isel(epoch=0)
    transformed = [math.log10((1 + rho) / (1 - rho)) for rho in (0.5, 0.2, 0.1)]
    rotation = found.sel(transformation="rotation")
    assert float(rotation.effect) == pytest.approx((transformed[0] + transformed[1]) / 2 - transformed[2])
    errors = [2 / math.log(10) * 0.04 / (1 - rho**2) for rho in (0.5, 0.2)]
    assert float(rotation.effect_standard_error) == pytest.approx(math.hypot(*errors) / 2)
    assert int(rotation.pairs) == 2
    assert float(rotation.combined_z) == pytest.approx((8 + 2) / 2**0.5)
    translation = found.sel(transformation="translation")
    assert float(translation.combined_z) == pytest.approx((-12 - 6) / 2**0.5)
    assert float(translation.combined_p_value) == pytest.approx(norm.sf(-18 / 2**0.5))


def test_combined_p_value_of_a_moderate_z() -> None:
    found = coupling_statistics(measured([math.nan, 0.05, 0.04])).isel(epoch=0, transformation=0)
    assert float(found.combined_p_value) == pytest.approx(norm.sf(1.8 / 2**0.5))


def test_a_network_without_pairs_has_no_number() -> None:
    found = coupling_statistics(measured([math.nan])).isel(epoch=0)
    for name in ("effect", "effect_standard_error", "combined_z", "combined_p_value"):
        assert found[f"{name}"].isnull().all()
    assert (found.pairs == 0).all()
    assert all({"long_name", "units"} <= set(values.attrs) for values in found.data_vars.values())


def test_a_correlation_of_1_is_left_out_of_the_mean() -> None:
    found = coupling_statistics(measured([1.0, 0.2])).isel(epoch=0, transformation=0)
    assert float(found.effect) == pytest.approx(math.log10(1.2 / 0.8))
    assert int(found.pairs) == 1
