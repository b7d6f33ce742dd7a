"""Averages over patches, then channels, on numbers made by hand."""

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.deconvolution_averages import MEANING, deconvolution_statistics

NAN = np.nan


def made(extent: list[list[float]]) -> xr.Dataset:
    """One layer with extents (feature, patch); a patch sees rows 2 to 6 and columns 0 to 9."""
    values = np.array([extent])
    cell = ("layer", "feature", "patch")
    start = np.broadcast_to([2, 0], (*values.shape, 2))
    return xr.Dataset(
        {name: (cell, values * factor) for factor, name in enumerate(("centroid", "low_fraction", "extent", "share_inside"), -1)}
        | {"box_start": ((*cell, "axis"), start), "box_stop": ((*cell, "axis"), start + np.array([4, 9]))}
        | {"dead_fraction": ("layer", [0.25])},
        coords={
            "layer": [0],
            "operation_index": ("layer", [3]),
            "layer_name": ("layer", ["relu"]),
            "relative_depth": ("layer", [0.5]),
        },
    )


def test_mean_and_error_over_channels() -> None:
    found = deconvolution_statistics(made([[1, 3], [5, NAN], [8, 8]]))
    assert found.extent.item() == pytest.approx((2 + 5 + 8) / 3)
    assert found.extent_standard_error.item() == pytest.approx(np.std([2, 5, 8], ddof=1) / 3**0.5)
    assert found.centroid.item() == pytest.approx(-5)
    assert found.seen.item() == 6
    assert found.seen_standard_error.item() == 0
    assert (found.dead_fraction.item(), found.relative_depth.item(), found.layer_name.item()) == (0.25, 0.5, "relu")


def test_missing_channels_are_left_out() -> None:
    found = deconvolution_statistics(made([[1, 3], [NAN, NAN], [8, 8]]))
    assert found.extent.item() == 5
    assert found.extent_standard_error.item() == pytest.approx(3)
    assert found.seen.item() == 6


def test_one_channel_has_no_error_and_none_no_average() -> None:
    one = deconvolution_statistics(made([[1, 3], [NAN, NAN]]))
    assert (one.extent.item(), np.isnan(one.extent_standard_error.item())) == (2, True)
    none = deconvolution_statistics(made([[NAN, NAN]]))
    assert all(none[name].isnull().all() for name in MEANING)


def test_every_variable_says_what_it_is() -> None:
    for name, values in deconvolution_statistics(made([[1, 3]])).data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name
