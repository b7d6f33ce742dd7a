"""What holds for power laws and orders of any numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workflow_scripts.diffeo.power_laws import effects, fit_power_law, network_weights, rank_correlations, weighted_lines

NAMES = ["a", "a", "b", "c", "d", "e", "e"]
NUMBERS = hnp.arrays(np.float64, len(NAMES), elements=st.integers(-20, 20).map(lambda number: number / 10))
WEIGHTS = network_weights(NAMES, 20, 0)


@settings(max_examples=50, deadline=None)
@given(NUMBERS, NUMBERS, st.floats(-3, 3), st.floats(-3, 3))
def test_units_move_the_prefactor_only(x: np.ndarray, y: np.ndarray, across: float, up: float) -> None:
    one = fit_power_law(NAMES, x, y, resamples=20, seed=0)
    other = fit_power_law(NAMES, x + across, y + up, resamples=20, seed=0)
    np.testing.assert_allclose(other.exponent, one.exponent, atol=1e-9)
    np.testing.assert_allclose(other.covariance[1, 1], one.covariance[1, 1], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(other.log10_prefactor, one.log10_prefactor + up - one.exponent * across, atol=1e-8)


@settings(max_examples=50, deadline=None)
@given(NUMBERS, NUMBERS)
def test_orders_know_no_scale_and_change_sign_with_the_direction(x: np.ndarray, y: np.ndarray) -> None:
    found = rank_correlations(WEIGHTS, x, y)
    np.testing.assert_allclose(rank_correlations(WEIGHTS, np.exp(3 * x), y**3), found, atol=1e-12)
    np.testing.assert_allclose(rank_correlations(WEIGHTS, -x, y), -found, atol=1e-12)
    np.testing.assert_allclose(rank_correlations(WEIGHTS, y, x), found, atol=1e-12)
    np.testing.assert_allclose(effects(-found, 5), -effects(found, 5), atol=1e-12)
    assert np.nanmax(abs(found), initial=0) <= 1


@settings(max_examples=50, deadline=None)
@given(NUMBERS, NUMBERS)
def test_slopes_of_both_ways_give_the_squared_correlation(x: np.ndarray, y: np.ndarray) -> None:
    forth, back = weighted_lines(WEIGHTS, x, y), weighted_lines(WEIGHTS, y, x)
    np.testing.assert_allclose(forth.slope * back.slope, forth.correlation**2, atol=1e-9)
