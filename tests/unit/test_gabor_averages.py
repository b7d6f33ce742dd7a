"""Averages of Gabor fits over filters."""

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.gabor_averages import MEANINGS, gabor_averages


def fits(explained: np.ndarray, null: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "gabor_explained_variance": (("epoch", "filter"), explained),
            "gabor_null_explained_variance": (("epoch", "filter", "draw"), null),
        },
        {"epoch": np.arange(len(explained))},
    )


def test_averages_are_those_of_loops() -> None:
    generator = np.random.default_rng(0)
    explained, null = generator.uniform(0.3, 0.9, (2, 12)), generator.uniform(0.1, 0.4, (2, 12, 5))
    found = gabor_averages(fits(explained, null))
    for epoch in range(2):
        of_draws = null[epoch].mean(axis=1)
        assert found["gabor_explained_variance"][epoch].item() == pytest.approx(explained[epoch].mean(), rel=1e-12)
        error = found["gabor_explained_variance_standard_error"][epoch].item()
        assert error == pytest.approx(explained[epoch].std(ddof=1) / 12**0.5, rel=1e-12)
        assert found["gabor_null_explained_variance"][epoch].item() == pytest.approx(of_draws.mean(), rel=1e-12)
        ratio = (1 - explained[epoch]).mean() / (1 - of_draws).mean()
        assert found["gabor_excess"][epoch].item() == pytest.approx(np.log10(ratio), rel=1e-12)


def test_error_of_the_excess_is_the_scatter_of_repetitions() -> None:
    """Filters share most of their explained variance with their null."""
    generator = np.random.default_rng(1)
    shared = generator.uniform(0.1, 0.5, (1500, 60))
    explained = shared + generator.uniform(0.1, 0.2, (1500, 60))
    found = gabor_averages(fits(explained, shared[:, :, None]))
    claimed = np.sqrt((found["gabor_excess_standard_error"].values ** 2).mean())
    assert claimed == pytest.approx(found["gabor_excess"].values.std(ddof=1), rel=0.08)


def test_without_fits_nothing_is_known() -> None:
    found = gabor_averages(xr.Dataset(coords={"epoch": [0, 2]}))
    assert set(found) == set(MEANINGS) | {f"{name}_standard_error" for name in MEANINGS}
    for variable in found.values():
        assert variable.dims == ("epoch",)
        assert np.isnan(variable.values).all()
