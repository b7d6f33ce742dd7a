"""Errors of what is read off whole curves, against files that are resampled first; where interpolations agree."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_predictor import IMAGES, PIXELS, RADII, SAMPLES, bent, linear, make_predictor_file
from workflow_scripts.diffeo.bootstrap import resample_indices
from workflow_scripts.diffeo.predictor import predictor_statistics

DRAWS = 3


@pytest.fixture(scope="module")
def measured() -> xr.Dataset:
    return make_predictor_file(bent, IMAGES, draws=DRAWS)


def test_landmarks_and_their_errors_are_those_of_resampled_files(measured: xr.Dataset) -> None:
    """The scatter of the landmarks of files whose images are resampled before anything is computed."""
    resamples = 12
    reduced = predictor_statistics(measured, seed=3, resamples=resamples)
    every = resample_indices(SAMPLES, resamples, 3)[1:]
    files = [predictor_statistics(measured.isel(sample=chosen), resamples=2) for chosen in every]
    for name in ("linear_edge", "onset", "half", "flip_median"):
        drawn = np.log10(np.stack([file[name].values for file in files]))
        with np.errstate(all="ignore"):
            expected = np.where(np.isfinite(drawn).all(0) & reduced[name].notnull(), drawn.std(axis=0, ddof=1), np.nan)
        found = reduced[f"{name}_standard_error"].values
        assert np.isfinite(expected).sum() > len(expected.ravel()) / 3, name
        np.testing.assert_allclose(found[np.isfinite(expected)], expected[np.isfinite(expected)], rtol=1e-6, atol=1e-12)


def planted(samples: int = 60, spread: float = 0.5) -> xr.Dataset:
    """A file in which each image has its own boundary at b, where its label changes and its curve has its bump."""
    measured = make_predictor_file(bent, np.random.default_rng(0).normal(size=(samples, PIXELS)), perturbations=["noise"])
    boundary = 5 * np.exp(spread * np.random.default_rng(1).normal(size=samples))[:, None]
    r = RADII[:, None, None]
    curve = r**2 * (1 + 5 * np.exp(-(np.log(r / boundary) ** 2)))
    cell = (1, 12, samples, DRAWS)
    measured.squared_distance.values[:] = np.broadcast_to(curve, cell)[:, :, None]
    measured.predicted_class.values[:] = measured.reference_class.values[0][:, None] + (r > boundary)
    measured.flip_norm.values[:] = boundary
    return measured


def test_errors_of_the_bump_are_those_of_resampled_files_too() -> None:
    measured = planted()
    reduced = predictor_statistics(measured, seed=3, resamples=15).isel(perturbation=0, output=0)
    every = resample_indices(60, 15, 3)[1:]
    files = [predictor_statistics(measured.isel(sample=chosen), resamples=2).isel(perturbation=0, output=0) for chosen in every]
    assert (reduced.bump_probability == 1).all()
    for name, function in {
        "bump_position": np.log10,
        "bump_height": np.log10,
        "bump_width": float,
        "onset_over_bump": float,
        "flip_over_bump": float,
    }.items():
        for statistic in ("mean", "median"):
            drawn = [function(file[name].sel(statistic=statistic).item()) for file in files]
            error = reduced[f"{name}_standard_error"].sel(statistic=statistic).item()
            assert error == pytest.approx(np.std(drawn, ddof=1), rel=1e-6), (name, statistic)


def test_error_of_a_ratio_is_smaller_than_that_of_independent_parts() -> None:
    """Where bump and label changes move together with the images, so that they coincide better than either is known."""
    found = predictor_statistics(planted(200)).isel(perturbation=0, output=0).sel(statistic="mean")
    errors = {name: found[f"{name}_standard_error"].item() for name in ("bump_position", "onset", "flip_median")}
    assert all(error > 0.01 for error in errors.values())
    for name, part in (("onset_over_bump", "onset"), ("flip_over_bump", "flip_median")):
        independent = math.hypot(errors["bump_position"], errors[part])
        assert 0 < found[f"{name}_standard_error"] < 0.9 * independent


def test_a_bump_that_not_all_resamples_have_is_not_reported() -> None:
    """One image of ten has all of it: 1 − 0.9^10 of the resamples contain that image."""
    measured = planted(10, spread=0)
    square = RADII[:, None] ** 2
    measured.squared_distance.values[0, :, :, 1:] = square[:, None, None]
    found = predictor_statistics(measured, resamples=2000).isel(perturbation=0, output=0).sel(statistic="mean")
    chance = 1 - 0.9**10
    assert found.bump_probability.item() == pytest.approx(chance, abs=5 * math.sqrt(chance * (1 - chance) / 2000))
    for name in ("bump_position", "bump_height", "bump_width", "onset_over_bump", "flip_over_bump"):
        assert np.isnan(found[name])
        assert np.isnan(found[f"{name}_standard_error"])
    assert np.isfinite(found.onset)
    surely = planted(10, spread=0)
    assert (predictor_statistics(surely).isel(perturbation=0).bump_probability == 1).all()


def test_the_seed_of_the_resamples_changes_errors_and_nothing_else(measured: xr.Dataset) -> None:
    reduced = predictor_statistics(measured)
    xr.testing.assert_identical(predictor_statistics(measured, seed=0), reduced)
    other = predictor_statistics(measured, seed=1)
    assert (other.linear_edge_standard_error != reduced.linear_edge_standard_error).any()
    xr.testing.assert_identical(other[["stability", "linear_edge", "onset"]], reduced[["stability", "linear_edge", "onset"]])


# Interpolations


def with_ratio(factor: list[float]) -> xr.Dataset:
    """D/r² of bilinear over bicubic is `factor` at each strength."""
    names = ["diffeo_bicubic", "diffeo_bilinear", "noise"]
    measured = make_predictor_file(linear, IMAGES, perturbations=names, radii=RADII[: len(factor)])
    measured.squared_distance.values[1] *= np.array(factor)[:, None, None, None]
    return measured


@pytest.mark.parametrize(
    ("factor", "first"),
    [
        ([1, 1, 1, 1, 1], 0),
        ([2, 1.5, 1.09, 0.92, 1.05], 2),
        ([1.05, 2, 1.05, 0.5, 1.05], 4),
        ([0.5, 0.9, 1.101, 1, 1], 3),
        ([1, 1, 1, 1, 1.2], None),
    ],
)
def test_interpolations_agree_where_they_do_at_every_larger_strength(factor: list[float], first: int | None) -> None:
    found = predictor_statistics(with_ratio(factor))
    pair = found.sel(pair="bicubic-bilinear")
    np.testing.assert_allclose(pair.agreement_ratio, 1 / np.array(factor), rtol=1e-6)
    expected = [math.nan, math.nan] if first is None else [found.r[1, first].item(), found.displacement[first].item()]
    at = (pair.agreement_r.item(), pair.agreement_displacement.item())
    assert at == pytest.approx(expected, rel=1e-12, nan_ok=True)
    absent = found.sel(pair=["bicubic-gaussian", "bilinear-gaussian"])
    for name in ("agreement_r", "agreement_displacement", "agreement_ratio"):
        assert absent[name].isnull().all()


def test_r_of_the_agreement_is_the_mean_of_both_and_references_may_differ() -> None:
    measured = make_predictor_file(linear, IMAGES)
    row = measured.perturbation.values.tolist().index("diffeo_gaussian")
    measured.norm.values[row] *= 2
    pair = predictor_statistics(measured).sel(pair="bilinear-gaussian")
    np.testing.assert_allclose(pair.agreement_ratio, 4 / 4, rtol=1e-6)  # smoothed images are a quarter as far apart, squared
    assert pair.agreement_r.item() == pytest.approx(1.5 * 5 * 0.125, rel=1e-6)
