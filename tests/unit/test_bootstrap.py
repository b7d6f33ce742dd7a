"""Resamples against slow loops, and their scatter against what is known exactly."""

import math

import numpy as np
import pytest

from workflow_scripts.diffeo import bootstrap
from workflow_scripts.diffeo.bootstrap import resample_indices, resampled_mean, resampled_median, standard_error

MANY = 20_000


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).lognormal(size=shape)


def test_indices_are_the_sample_itself_and_then_draws_with_replacement() -> None:
    indices = resample_indices(30, 200, seed=0)
    assert indices.shape == (201, 30)
    assert indices[0].tolist() == list(range(30))
    assert np.unique(indices[1:]).tolist() == list(range(30))
    distinct = [len(set(row)) / 30 for row in indices[1:].tolist()]
    assert np.mean(distinct) == pytest.approx(1 - (1 - 1 / 30) ** 30, abs=5 * np.std(distinct) / math.sqrt(200))


def test_indices_are_a_function_of_the_seed() -> None:
    np.testing.assert_array_equal(resample_indices(20, 5, 3), resample_indices(20, 5, 3))
    assert (resample_indices(20, 5, 3)[1:] != resample_indices(20, 5, 4)[1:]).any()


@pytest.mark.parametrize("samples", [1, 2, 9, 10])
def test_means_and_medians_equal_slow_loops(samples: int) -> None:
    values = numbers(2, 3, samples)
    indices = resample_indices(samples, 7, 0)
    means, medians = resampled_mean(values, indices), resampled_median(values, indices)
    assert means.shape == medians.shape == (8, 2, 3)
    for row, chosen in enumerate(indices):
        np.testing.assert_allclose(means[row], values[..., chosen].mean(-1), rtol=1e-12)
        np.testing.assert_allclose(medians[row], np.median(values[..., chosen], axis=-1), rtol=1e-15)


@pytest.mark.parametrize("resamples_at_once", [0.1, 3, 8])
def test_medians_do_not_depend_on_the_memory(monkeypatch: pytest.MonkeyPatch, resamples_at_once: float) -> None:
    values, indices = numbers(4, 11), resample_indices(11, 7, 0)
    expected = resampled_median(values, indices)
    monkeypatch.setattr(bootstrap, "CHUNK_BYTES", int(resamples_at_once * values.nbytes))
    np.testing.assert_array_equal(resampled_median(values, indices), expected)


def test_medians_of_other_counts_than_samples() -> None:
    """Indices may be any number of picks: all draws of a resample of the images."""
    values = numbers(6)
    assert resampled_median(values, np.array([[0, 1, 2, 3], [5, 5, 5, 0]]))[1] == values[5]


def test_infinite_values_keep_their_rank() -> None:
    values = np.array([1.0, 2.0, np.inf, np.inf])
    picks = np.array([[0, 1, 1, 2], [0, 0, 2, 3], [0, 1, 2, 3]])
    assert resampled_median(values, picks).tolist() == [2, np.inf, np.inf]


def test_error_of_a_mean_is_that_of_its_formula() -> None:
    values = numbers(40)
    error = standard_error(resampled_mean(values, resample_indices(40, MANY, 0)))
    assert error == pytest.approx(values.std() / math.sqrt(40), rel=5 / math.sqrt(2 * MANY))


def test_error_of_a_median_is_the_exact_one() -> None:
    """The median of 2m + 1 draws is at most the k-th value when m + 1 of them or more are (Maritz and Jarrett, 1978)."""
    samples = 21
    values = np.sort(numbers(samples))

    def at_most(k: int) -> float:
        return sum(math.comb(samples, n) * k**n * (samples - k) ** (samples - n) for n in range(11, 22)) / samples**samples

    weights = np.diff([at_most(k) for k in range(samples + 1)])
    mean = weights @ values
    variance = weights @ (values - mean) ** 2
    relative = 5 * math.sqrt((weights @ (values - mean) ** 4 / variance**2 - 1) / MANY) / 2
    medians = resampled_median(values, resample_indices(samples, MANY, 0))
    assert standard_error(medians) == pytest.approx(math.sqrt(variance), rel=relative)


def test_error_of_a_ratio_knows_what_varies_together() -> None:
    above = numbers(30)
    indices = resample_indices(30, 100, 0)
    same = resampled_mean(above, indices) / resampled_mean(3 * above, indices)
    other = resampled_mean(above, indices) / resampled_mean(above[::-1], indices)
    assert standard_error(same) < 1e-14
    assert standard_error(other) > 0.1


def test_error_is_over_the_resamples_that_have_a_value() -> None:
    values = np.array([[1, 1, 1, np.nan, 1], [2, np.nan, 5, 2, np.inf], [4, 7, np.nan, 4, 1], [9, 8, np.nan, 9, 3]])
    expected = [np.std([2, 4, 9], ddof=1), np.std([7, 8], ddof=1), np.nan, np.nan, np.std([1, 3], ddof=1)]
    np.testing.assert_allclose(standard_error(values), expected, rtol=1e-14)
