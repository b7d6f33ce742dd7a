"""Fits and orders over networks: against slow loops, what is planted, and how often intervals cover it."""

import math

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import pearsonr, spearmanr

from workflow_scripts.diffeo.power_laws import (
    FEWEST_DISTINCT,
    difference_error,
    effect_error,
    effects,
    fit_power_law,
    largest,
    mean_over_networks,
    measured_slope,
    network_weights,
    rank_correlations,
    weighted_lines,
    weighted_ranks,
)

NAMES = ["a", "b", "c", "d", "e", "f", "g"]
CLUSTERED = ["a", "a", "a", "b", "c", "c", "d", "e"]
SEED = {"resamples": 400, "seed": 0}


def numbers(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=count)
    return x, 0.5 * x + 0.3 * generator.normal(size=count)


# Resamples


def test_networks_are_drawn_with_all_their_points() -> None:
    weights = network_weights(CLUSTERED, 300, 0)
    assert weights[0].tolist() == [1] * 8
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 4] == weights[:, 5]).all()
    of_network = weights[:, [0, 3, 4, 6, 7]]
    assert (of_network.sum(axis=1) == 5).all()
    assert ((of_network > 0).sum(axis=1) >= FEWEST_DISTINCT).all()
    assert 150 < len(weights) < 301  # three of five networks or more: 1 − (5 + 10 (2⁵ − 2))/5⁵ = 90 % of them


def test_resamples_are_a_function_of_the_seed() -> None:
    np.testing.assert_array_equal(network_weights(NAMES, 50, 1), network_weights(NAMES, 50, 1))
    assert (network_weights(NAMES, 50, 1)[:40] != network_weights(NAMES, 50, 2)[:40]).any()


def test_lines_and_orders_equal_slow_loops_over_repeated_points() -> None:
    x, y = numbers(8)
    x[2] = x[5]  # a tie
    weights = network_weights(CLUSTERED, 40, 0)
    lines, orders = weighted_lines(weights, x, y), rank_correlations(weights, x, y)
    for row, counts in enumerate(weights.astype(int)):
        many_x, many_y = np.repeat(x, counts), np.repeat(y, counts)
        slope, intercept = np.polyfit(many_x, many_y, 1)
        assert (lines.slope[row], lines.intercept[row]) == pytest.approx((slope, intercept), abs=1e-10)
        assert lines.correlation[row] == pytest.approx(pearsonr(many_x, many_y).statistic, abs=1e-10)
        assert orders[row] == pytest.approx(spearmanr(many_x, many_y).statistic, abs=1e-10)


def test_equal_values_share_a_rank() -> None:
    ranks = weighted_ranks(np.array([[1.0, 1, 1, 1], [2, 0, 1, 3]]), np.array([5.0, 1, 5, 7]))
    np.testing.assert_array_equal(ranks, [[2.5, 1, 2.5, 4], [2, 0.5, 2, 5]])  # the second of 5, 5, 5, 7, 7, 7


def test_nothing_is_known_of_what_does_not_vary() -> None:
    weights, x = network_weights(NAMES, 10, 0), numbers(7)[0]
    same = np.full(7, 0.1)
    assert np.isnan(weighted_lines(weights, same, x).slope).all()
    assert np.isnan(weighted_lines(weights, x, same).correlation).all()
    assert np.abs(weighted_lines(weights, x, same).slope).max() < 1e-15
    assert np.isnan(rank_correlations(weights, x, same)).all()
    assert math.isnan(fit_power_law(NAMES, same, x, **SEED).exponent)


# Power laws


@pytest.mark.parametrize(("prefactor", "exponent"), [(0.2, 0.5), (3.0, -1.7), (1e-4, 0.0)])
def test_an_exact_power_law_is_found(prefactor: float, exponent: float) -> None:
    x = np.log10([1e-3, 2e-3, 0.01, 0.1, 0.3, 1.0, 2.0])
    law = fit_power_law(NAMES, x, math.log10(prefactor) + exponent * x, **SEED)
    assert law.exponent == pytest.approx(exponent, abs=1e-12)
    assert law.log10_prefactor == pytest.approx(math.log10(prefactor), abs=1e-12)
    assert np.sqrt(law.covariance.diagonal()).max() < 1e-12 and law.scatter < 1e-12


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a", "a", "b", "b", "c", "c"]])
def test_three_networks_make_no_fit(names: list[str]) -> None:
    x, y = numbers(len(names))
    law = fit_power_law(names, x, y, **SEED)
    assert all(np.isnan(part).all() for part in law)
    assert np.isnan(mean_over_networks(names, y, **SEED)).all()


def test_errors_are_at_least_those_of_least_squares() -> None:
    x, y = numbers(5)
    law = fit_power_law(NAMES[:5], x, y, **SEED)
    _, covariance = np.polyfit(x, y, 1, cov=True)
    assert law.covariance[1, 1] >= covariance[0, 0] * (1 - 1e-12)
    assert law.scatter == pytest.approx(math.sqrt(covariance[0, 0] * 5 * x.var()), rel=1e-12)
    assert np.linalg.eigvalsh(law.covariance).min() > 0


def test_points_of_a_network_are_no_independent_ones() -> None:
    """Copies of all points leave the line alone, and its error too."""
    x, y = numbers(7)
    once, thrice = (fit_power_law(NAMES * copies, np.tile(x, copies), np.tile(y, copies), **SEED) for copies in (1, 3))
    assert thrice.exponent == pytest.approx(once.exponent, abs=1e-12)
    bootstrap = weighted_lines(network_weights(NAMES, **SEED), x, y).slope[1:].std(ddof=1)
    assert math.sqrt(thrice.covariance[1, 1]) == pytest.approx(bootstrap, rel=1e-10)


@pytest.mark.parametrize("networks", [5, 8, 15])
def test_intervals_cover_the_planted_exponent(networks: int) -> None:
    names, width = [str(place) for place in range(networks)], stdtrit(networks - 2, 0.975)
    laws = [fit_power_law(names, *numbers(networks, seed), resamples=100, seed=0) for seed in range(300)]
    inside = [abs(law.exponent - 0.5) < width * math.sqrt(law.covariance[1, 1]) for law in laws]
    assert 0.91 < np.mean(inside) <= 1  # 95 %, less three standard deviations of 300 tries


def test_mean_over_networks_is_that_of_the_points_with_the_scatter_of_networks() -> None:
    values = numbers(7)[0]
    mean, error = mean_over_networks(NAMES, values, **SEED)
    assert mean == pytest.approx(values.mean(), abs=1e-15)
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(7), rel=0.2)
    assert mean_over_networks(NAMES * 4, np.tile(values, 4), **SEED)[1] > 1.5 * values.std() / math.sqrt(28)


# Orders


def test_effect_is_fishers_transform_and_finite() -> None:
    assert effects(np.array([0.5, -0.5, 0.0]), 30) == pytest.approx([math.log10(3), -math.log10(3), 0], abs=1e-15)
    assert effects(np.array([1.0, 0.99999]), 5) == pytest.approx([math.log10(1.95 / 0.05)] * 2, abs=1e-12)
    swapped = spearmanr([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]).statistic
    assert largest(5) == pytest.approx((1 + swapped) / 2, abs=1e-12)


def test_perfect_order_of_four_networks_proves_nothing_and_that_of_six_a_correlation_of_a_half() -> None:
    low = {}
    for networks in (4, 5, 6):
        weights = network_weights(NAMES[:networks], 400, 0)
        effect = effects(rank_correlations(weights, np.arange(networks), np.arange(networks)), networks)
        low[networks] = effect[0] - 1.96 * effect_error(effect, networks)
    assert low[4] < 0 < low[5] < math.log10(3) < low[6]


@pytest.mark.parametrize("correlation", [0.0, 0.8])
@pytest.mark.parametrize("networks", [6, 15])
def test_intervals_cover_the_planted_order(networks: int, correlation: float) -> None:
    names = [str(place) for place in range(networks)]
    planted = effects(np.array([6 / math.pi * math.asin(correlation / 2)]), 10**6)[0]
    weights, inside, found = network_weights(names, 100, 0), [], []
    for seed in range(300):
        x, noise = np.random.default_rng(seed).normal(size=(2, networks))
        effect = effects(rank_correlations(weights, x, correlation * x + math.sqrt(1 - correlation**2) * noise), networks)
        inside.append(abs(effect[0] - planted) < 1.96 * effect_error(effect, networks))
        found.append(effect[0])
    assert 0.91 < np.mean(inside) <= 1
    if correlation == 0:
        assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(300)


def test_error_of_a_difference_is_the_textbooks_or_that_of_the_resamples() -> None:
    first, second, between, networks = 0.6, 0.4, 0.5, 15
    square = (first**2 + second**2) / 2
    h = (1 - min(1, (1 - between) / (2 * (1 - square))) * square) / (1 - square)
    expected = 2 / math.log(10) * math.sqrt(1.06 * 2 * (1 - between) * h / (networks - 3))
    assert difference_error(np.zeros(9), first, second, between, networks) == pytest.approx(expected, rel=1e-12)
    assert difference_error(np.zeros(9), 0.7, 0.7, 1.0, networks) == 0
    assert math.isfinite(difference_error(np.zeros(9), 1.0, 1.0, 0.9, 5))
    assert difference_error(np.array([0.0, 5, -5, 5, -5]), first, second, between, networks) == pytest.approx(math.sqrt(100 / 3))


# Slopes


def test_slope_of_measured_points() -> None:
    x, errors = np.array([1.0, 2, 4, 5]), np.array([0.1, 0.2, 0.1, 0.3])
    slope, error = measured_slope(x, 2 - 3 * x, errors)
    assert slope == pytest.approx(-3, abs=1e-12)
    assert error == pytest.approx(np.linalg.norm((x - 3) / 10 * errors), rel=1e-12)
    bent = 2 - 3 * x + np.array([1.0, -1, -1, 1])
    _, covariance = np.polyfit(x, bent, 1, cov=True)
    assert measured_slope(x, bent, errors)[1] == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-12)
