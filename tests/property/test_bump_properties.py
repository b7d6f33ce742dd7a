"""What holds for the landmarks of any curve."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workflow_scripts.diffeo.bump import find_bump, first_reaching, linear_edge

SCALES = st.floats(1e-6, 1e6)
POSITIVE = st.floats(1e-3, 1e3)


@st.composite
def curves(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Strengths at least a hundredth apart in ln r, and positive values."""
    steps = draw(hnp.arrays(float, draw(st.integers(3, 12)), elements=st.floats(0.01, 2)))
    values = draw(hnp.arrays(float, len(steps), elements=POSITIVE))
    return np.exp(np.cumsum(steps) - 5), values


def away_from_ties(values: np.ndarray) -> bool:
    """Whether rounding decides nothing: no level is met and no two values are the largest."""
    top, start = values.max(), values[0]
    levels = np.array([1.1 * start, 0.9 * start, (start + top) / 2])
    near = np.abs(values[:, None] / levels - 1).min() < 1e-9
    return not near and (values > top * (1 - 1e-9)).sum() == 1


@given(curves(), SCALES)
def test_a_factor_on_the_values_moves_nothing(curve: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    r, values = curve
    assume(away_from_ties(values))
    one, other = find_bump(r, values), find_bump(r, scale * values)
    for before, after in zip(one, other, strict=True):
        assert after == pytest.approx(before, rel=1e-6, nan_ok=True)
    assert linear_edge(r, scale * values) == pytest.approx(linear_edge(r, values), rel=1e-6)


@given(curves(), SCALES)
def test_a_factor_on_r_goes_into_the_positions_alone(curve: tuple[np.ndarray, np.ndarray], scale: float) -> None:
    r, values = curve
    one, other = find_bump(r, values), find_bump(scale * r, values)
    assert other.exists == one.exists
    assert other.position == pytest.approx(scale * one.position, rel=1e-6, nan_ok=True)
    assert other.height == pytest.approx(one.height, rel=1e-6, nan_ok=True)
    assert other.width == pytest.approx(one.width, rel=1e-6, abs=1e-9, nan_ok=True)
    assert linear_edge(scale * r, values) == pytest.approx(scale * linear_edge(r, values), rel=1e-9)
    level = float(np.median(values))
    assert first_reaching(scale * r, values, level) == pytest.approx(scale * first_reaching(r, values, level), rel=1e-9)


@given(curves(), st.booleans())
def test_monotone_curves_have_no_bump(curve: tuple[np.ndarray, np.ndarray], falling: bool) -> None:
    r, values = curve
    ordered = np.sort(values)
    assert not find_bump(r, ordered[::-1] if falling else ordered).exists


@given(curves())
def test_the_top_lies_between_the_neighbours_of_the_largest_value(curve: tuple[np.ndarray, np.ndarray]) -> None:
    r, values = curve
    bump, highest = find_bump(r, values), int(values.argmax())
    if bump.exists:
        assert r[highest - 1] < bump.position < r[highest + 1]
        assert bump.height >= values[highest] / values[0] * (1 - 1e-9)


@given(st.floats(0.05, 5), st.floats(-0.9, 0.9), st.integers(4, 12), SCALES)
def test_a_planted_parabola_is_found_at_its_vertex(curvature: float, place: float, steps: int, scale: float) -> None:
    x = np.linspace(-1, 1, steps)
    inside = (x[:-1] + x[1:])[[0, -1]] / 2
    assume(inside[0] < place < inside[1])
    log_values = -curvature * (x - place) ** 2
    assume(-log_values[0] > 0.1 and log_values.max() > log_values[[0, -1]].max())
    bump = find_bump(np.exp(x), scale * np.exp(log_values))
    if log_values.max() - log_values[0] > 0.0954:  # ln 1.1 = 0.09531
        assert bump.exists
        assert bump.position == pytest.approx(np.exp(place), rel=1e-10)
        assert bump.height == pytest.approx(np.exp(-log_values[0]), rel=1e-9)


@given(curves(), st.floats(0.01, 2), st.floats(0.01, 2))
def test_more_tolerance_never_brings_the_edge_nearer(curve: tuple[np.ndarray, np.ndarray], one: float, other: float) -> None:
    r, values = curve
    near, far = (linear_edge(r, values, tolerance) for tolerance in sorted((one, other)))
    assert r[0] <= near <= far * (1 + 1e-12)
    assert far <= r[-1] * (1 + 1e-12)


@given(curves(), POSITIVE, POSITIVE)
def test_a_higher_level_is_never_reached_before_a_lower_one(
    curve: tuple[np.ndarray, np.ndarray], one: float, other: float
) -> None:
    r, values = curve
    low, high = (first_reaching(r, values, level) for level in sorted((one, other)))
    assert np.isnan(high) or low <= high * (1 + 1e-12)
