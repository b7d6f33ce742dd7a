"""Gabor fits: planted functions are found, white noise is explained as its null, another optimiser finds no better."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import least_squares

from workflow_scripts.diffeo import gabor
from workflow_scripts.diffeo.filter_spectra import laplacian_basis
from workflow_scripts.diffeo.gabor import MEANINGS, gabor_fits, gabor_functions, principal_pictures, with_random_signs

FITS = {"null_draws": 2, "seed": 0}


def planted(count: int, size: int = 9, seed: int = 0) -> xr.Dataset:
    """Parameters well inside of what is searched."""
    generator = np.random.default_rng(seed)
    ranges = {
        "centre_row": (size / 2 - 2.5, size / 2 + 1.5),
        "centre_column": (size / 2 - 2.5, size / 2 + 1.5),
        "orientation": (0, 180),
        "frequency": (1.1 / size, 0.35),
        "width_along": (1.2, size / 3),
        "width_across": (1.2, size / 3),
        "phase": (-180, 180),
        "amplitude": (0.5, 2),
        "offset": (-1, 1),
        "explained_variance": (1, 1),
    }
    return xr.Dataset({f"gabor_{name}": ("filter", generator.uniform(*ends, count)) for name, ends in ranges.items()})


def distance(found: xr.Dataset, truth: xr.Dataset, name: str) -> np.ndarray:
    """Distance of a parameter from the truth; angles are periodic."""
    period = {"orientation": 180, "phase": 360}.get(name, np.inf)
    apart = abs(found[f"gabor_{name}"].values - truth[f"gabor_{name}"].values)
    return np.minimum(apart, period - apart)


@pytest.mark.parametrize("size", [9, 11])
def test_gabor_functions_are_recovered(size: int) -> None:
    truth = planted(40, size)
    found = gabor_fits(gabor_functions(truth, size), **FITS)
    np.testing.assert_allclose(found.gabor_explained_variance, 1, atol=1e-6)
    turned = (abs(found.gabor_orientation - truth.gabor_orientation) > 90).values  # across the ends of 0 to 180
    found["gabor_phase"] = found.gabor_phase * np.where(turned, -1, 1)
    for name in MEANINGS:
        if name != "explained_variance":
            scale = 180 / np.pi if name in ("orientation", "phase") else 1
            assert distance(found, truth, name).max() < 1e-3 * scale, name
    np.testing.assert_allclose(gabor_functions(found, size), gabor_functions(truth, size), atol=1e-3)


def test_noise_is_explained_as_its_null() -> None:
    found = gabor_fits(np.random.default_rng(1).normal(size=(200, 5, 5)), null_draws=2, seed=2)
    difference = found.gabor_explained_variance - found.gabor_null_explained_variance.mean("draw")
    assert abs(difference.mean()) < 3 * difference.std(ddof=1) / 200**0.5
    assert 0.4 < found.gabor_explained_variance.mean() < 0.55


def test_gabor_functions_are_explained_better_than_their_null() -> None:
    found = gabor_fits(gabor_functions(planted(20), 9), null_draws=2, seed=0)
    null = found.gabor_null_explained_variance.mean("draw")
    assert null.mean() < 0.8
    assert (null < found.gabor_explained_variance).all()


def test_another_optimiser_rarely_finds_a_better_fit() -> None:
    """scipy's least squares of all nine parameters, the best from six random starts: better for at most one of six noises."""
    filters = np.random.default_rng(3).normal(size=(6, 5, 5))
    found = gabor_fits(filters, **FITS)
    down, right = np.divmod(np.arange(25), 5)
    low, high = gabor.bounds(5)
    ends = (np.r_[low, [-9] * 3], np.r_[high, [9] * 3])

    def residual(p: np.ndarray, w: np.ndarray) -> np.ndarray:
        y, x = down - 2 - p[0], right - 2 - p[1]
        along, across = x * np.cos(p[2]) - y * np.sin(p[2]), x * np.sin(p[2]) + y * np.cos(p[2])
        angle = 2 * np.pi * np.exp(p[3]) * along
        envelope = np.exp(-((along / np.exp(p[4])) ** 2) / 2 - (across / np.exp(p[5])) ** 2 / 2)
        return w - p[6] - envelope * (p[7] * np.cos(angle) + p[8] * np.sin(angle))

    generator, better = np.random.default_rng(4), 0
    for w, explained in zip(filters.reshape(6, 25), found.gabor_explained_variance.values, strict=True):
        total = ((w - w.mean()) ** 2).sum()
        left = []
        for _ in range(6):
            inside = generator.uniform(np.where(np.isfinite(low), low, 0), np.where(np.isfinite(high), high, np.pi))
            fit = least_squares(residual, np.r_[inside, 0, 0.5, 0.5], args=(w,), bounds=ends)
            left.append(2 * fit.cost / total)
        better += explained < 1 - min(left) - 1e-6
    assert better <= 1


def test_what_is_reported_is_the_explained_variance_of_the_function_reported() -> None:
    filters = np.random.default_rng(5).normal(size=(20, 6, 6)) + 3
    found = gabor_fits(filters, **FITS)
    left = ((filters - gabor_functions(found, 6)) ** 2).sum(axis=(1, 2))
    total = ((filters - filters.mean(axis=(1, 2), keepdims=True)) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(found.gabor_explained_variance, 1 - left / total, atol=1e-9)


def test_a_filter_turned_by_a_quarter_has_a_fit_turned_by_a_quarter() -> None:
    filters = np.random.default_rng(6).normal(size=(6, 7, 7))
    one, other = (gabor_fits(pictures, **FITS) for pictures in (filters, np.rot90(filters, axes=(1, 2))))
    np.testing.assert_allclose(other.gabor_explained_variance, one.gabor_explained_variance, atol=1e-6)
    turn = (other.gabor_orientation - one.gabor_orientation) % 180  # np.rot90 turns anticlockwise
    np.testing.assert_allclose(turn, 90, atol=1e-2)


def test_scale_and_offset_change_neither_fit_nor_explained_variance() -> None:
    filters = np.random.default_rng(7).normal(size=(5, 5, 5))
    one, other = gabor_fits(filters, **FITS), gabor_fits(4 * filters + 7, **FITS)
    for name in ("explained_variance", "null_explained_variance", "frequency", "orientation", "width_along"):
        np.testing.assert_allclose(other[f"gabor_{name}"], one[f"gabor_{name}"], rtol=1e-6)
    np.testing.assert_allclose(other.gabor_amplitude, 4 * one.gabor_amplitude, rtol=1e-6)


def test_fits_do_not_depend_on_what_is_fitted_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    filters = np.random.default_rng(8).normal(size=(9, 5, 5))
    together, alone = gabor_fits(filters, **FITS), gabor_fits(filters[:4], **FITS)
    monkeypatch.setattr(gabor, "CHUNK", 10_000)
    chunked = gabor_fits(filters, **FITS)
    for name in together:
        np.testing.assert_allclose(alone[name], together[name][:4], rtol=1e-7)
        np.testing.assert_allclose(chunked[name], together[name], rtol=1e-7)


def test_constant_filters_have_no_fit() -> None:
    filters = np.random.default_rng(9).normal(size=(3, 5, 5))
    filters[1] = 0.7
    found = gabor_fits(filters, **FITS)
    for name in found:
        known = np.isfinite(found[name].values.reshape(3, -1)).all(axis=1)
        assert known.tolist() == [True, False, True], name


def test_null_keeps_the_spectrum_and_follows_from_the_seed() -> None:
    filters = np.random.default_rng(10).normal(size=(4, 5, 5))
    null = with_random_signs(filters, 3, seed=1)
    basis = laplacian_basis(5)
    squares = [np.tensordot(part, basis, axes=([-2, -1], [1, 2])) ** 2 for part in (filters, null)]
    np.testing.assert_allclose(squares[1], np.broadcast_to(squares[0][:, None], squares[1].shape), atol=1e-12)
    assert abs(null - filters[:, None]).max(axis=(2, 3)).min() > 1e-3
    np.testing.assert_array_equal(with_random_signs(filters[:2], 3, seed=1), null[:2])
    assert abs(with_random_signs(filters, 3, seed=2) - null).max() > 1e-3


def test_picture_of_several_channels_is_their_combination_of_largest_norm() -> None:
    generator = np.random.default_rng(11)
    picture, colours = generator.normal(size=(3, 5, 5)), np.array([[1.0, -2, 3], [0.5, 1, 1], [-1, -1, -1]])
    found = principal_pictures(colours[:, :, None, None] * picture[:, None])
    scale = np.linalg.norm(colours, axis=1) * np.array([1, 1, -1])  # the weights of the channels sum to 0 or more
    np.testing.assert_allclose(found, scale[:, None, None] * picture, atol=1e-12)
    np.testing.assert_allclose(principal_pictures(picture[:, None]), picture, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 5, 6), (5, 5)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="filters must have shape"):
        gabor_fits(np.ones(shape), **FITS)
