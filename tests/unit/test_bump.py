"""Edges, bumps and crossings of curves: values worked out by hand, and a slow reading of the definitions."""

import math

import numpy as np
import pytest

from workflow_scripts.diffeo.bump import between, find_bump, first_reaching, linear_edge, rise

DECADES = 10.0 ** np.arange(5)


def curve(*values: float) -> np.ndarray:
    return np.array(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (curve(2, 2, 3), 10**1.2),  # 1.1 is a fifth of the way from 1 to 1.5
        (curve(2, 2, 1), 10**1.2),
        (curve(2, 2.16, 1), 10 ** (1 + 0.18 / 0.58)),  # from 1.08 down to 0.9, not up to 1.1
        (curve(2, 3, 2), 10**0.2),  # the first time counts, back again or not
        (curve(2, 2.1, 1.9), 100),
        (curve(0, 1, 2), math.nan),
        (curve(-1, -1, -1), math.nan),
        (curve(1, math.nan, 1), math.nan),
        (curve(1, 1, math.inf), math.nan),
    ],
)
def test_linear_edge(values: np.ndarray, expected: float) -> None:
    assert linear_edge(DECADES[:3], values) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_linear_edge_of_a_single_strength_is_that_strength() -> None:
    assert linear_edge(curve(3.0), curve(2.0)) == 3


def test_bump_of_a_tent() -> None:
    """g = 1, 2, 3, 2, 1 a decade apart: the vertex is in the middle, and g is half-way up at the neighbours."""
    bump = find_bump(DECADES, curve(1, 2, 3, 2, 1))
    assert bump.exists
    assert bump.position == pytest.approx(100, rel=1e-12)
    assert bump.height == pytest.approx(3, rel=1e-12)
    assert bump.width == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize(
    "r",
    [np.geomspace(0.3, 100, 12), np.sort(np.random.default_rng(0).uniform(1, 80, 15))],
    ids=["log-spaced", "anyhow"],
)
def test_a_parabola_in_the_logarithms_is_found_at_its_vertex(r: np.ndarray) -> None:
    for position in (5.0, 9.3, 20.0):
        values = 7e-3 * np.exp(-0.8 * np.log(r / position) ** 2)
        bump = find_bump(r, values)
        assert bump.position == pytest.approx(position, rel=1e-10)
        assert bump.height == pytest.approx(7e-3 / values[0], rel=1e-10)


@pytest.mark.parametrize(
    "values",
    [
        curve(1, 2, 3, 4, 5),
        curve(5, 4, 3, 2, 1),
        curve(1, 2, 3, 3, 3),
        curve(1, 1, 1, 1, 1),
        curve(1, 2, 1, 2, 3),  # a local bump, below the end
        curve(1, 1.05, 1.099, 1.05, 1),  # too low
        curve(3, 1, 2, 1, 1),  # below the start
        curve(0, 1, 2, 1, 0),  # nothing to compare with
        curve(1, 2, math.nan, 1, 1),
        curve(1, 2, math.inf, 1, 1),
    ],
)
def test_no_bump(values: np.ndarray) -> None:
    bump = find_bump(DECADES, values)
    assert not bump.exists
    assert np.isnan([bump.position, bump.height, bump.width]).all()


@pytest.mark.parametrize("strengths", [1, 2])
def test_two_strengths_have_no_bump(strengths: int) -> None:
    bump = find_bump(DECADES[:strengths], np.ones((3, strengths)))
    assert bump.exists.tolist() == [False] * 3
    assert np.isnan(bump.position).tolist() == [True] * 3


def test_a_bump_of_exactly_the_threshold_counts() -> None:
    assert find_bump(DECADES, curve(1, 1, 1.1, 1, 1)).exists
    assert find_bump(DECADES, curve(1, 1, 1.5, 1, 1), threshold=1.5).exists
    assert not find_bump(DECADES, curve(1, 1, 1.4, 1, 1), threshold=1.5).exists


def test_a_flat_top_is_found_in_its_middle() -> None:
    bump = find_bump(DECADES, curve(1, 1, 2, 2, 1))
    assert bump.position == pytest.approx(10**2.5, rel=1e-12)


def test_a_bump_that_does_not_fall_half_way_back_has_no_width() -> None:
    bump = find_bump(DECADES[:4], curve(1, 3, 2.5, 2.1))
    assert bump.exists
    assert np.isnan(bump.width)


def test_width_is_taken_where_the_curve_is_half_way_up_next_to_the_top() -> None:
    """g = 1, 3, 1, 5, 1: half-way is 3, next to the top on either side half a decade away."""
    assert find_bump(DECADES, curve(1, 3, 1, 5, 1)).width == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("r", "values"),
    [(DECADES, curve(1, 2, 5, 0, 1)), (curve(1, 10, 100, 100, 1000), curve(1, 2, 5, 4, 1))],
    ids=["a value of 0", "the same r twice"],
)
def test_where_no_parabola_fits_the_top_is_the_largest_value(r: np.ndarray, values: np.ndarray) -> None:
    bump = find_bump(r, values)
    assert bump.position == pytest.approx(100, rel=1e-12)
    assert bump.height == pytest.approx(5, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "level", "expected"),
    [
        (curve(0, 0.05, 0.15, 1, 1), 0.1, 10**1.5),
        (curve(0, 0.1, 0.2, 1, 1), 0.1, 10),
        (curve(0.3, 0, 0, 0, 0), 0.1, 1),
        (curve(0, 0.4, 0, 0.4, 1), 0.2, 10**0.5),
        (curve(0, 0, 0, 0, 0.5), 0.5, 1e4),
        (curve(0, 0, 0, 0, 0.49), 0.5, math.nan),
        (curve(*[math.nan] * 5), 0.5, math.nan),
    ],
)
def test_first_reaching(values: np.ndarray, level: float, expected: float) -> None:
    assert first_reaching(DECADES, values, level) == pytest.approx(expected, rel=1e-12, nan_ok=True)


def slowly(r: list[float], values: list[float]) -> tuple[float, float, float, float]:
    """Linear edge, position, height and width of a bump, by one pass after another along one curve."""

    def between(one: int, other: int, level: float) -> float:
        part = (level - values[one]) / (values[other] - values[one])
        return r[one] ** (1 - part) * r[other] ** part

    start, count = values[0], len(r)
    edge = r[-1]
    for k in range(count):
        if abs(values[k] / start - 1) > 0.1:
            edge = between(k - 1, k, start * (1.1 if values[k] > start else 0.9))
            break
    top = values.index(max(values))
    if top in (0, count - 1) or values[top] < 1.1 * start:
        return edge, math.nan, math.nan, math.nan
    near = slice(top - 1, top + 2)
    a, b, c = np.polyfit(np.log(r[near]), np.log(values[near]), 2)
    level, ends = (start + values[top]) / 2, []
    for step in (-1, 1):
        k = top
        while 0 <= k < count and values[k] >= level:
            k += step
        ends.append(between(k, k - step, level) if 0 <= k < count else math.nan)
    return edge, math.exp(-b / (2 * a)), math.exp(c - b**2 / (4 * a)) / start, math.log10(ends[1] / ends[0])


def test_many_curves_at_once_equal_one_after_another_whatever_their_order() -> None:
    generator = np.random.default_rng(1)
    r = np.sort(np.exp(generator.uniform(-1, 4, (40, 5, 12))), axis=-1)
    values = np.exp(np.cumsum(generator.normal(size=r.shape), axis=-1) * 0.4 - 0.3 * np.log(r))
    order = generator.permuted(np.broadcast_to(np.arange(12), r.shape), axis=-1)
    shuffled = [np.take_along_axis(array, order, -1) for array in (r, values)]
    bump, edge = find_bump(*shuffled), linear_edge(*shuffled)
    assert 50 < bump.exists.sum() < 190
    for index in np.ndindex(40, 5):
        expected = slowly(r[index].tolist(), values[index].tolist())
        found = (edge[index], bump.position[index], bump.height[index], bump.width[index])
        assert found == pytest.approx(expected, rel=1e-8, nan_ok=True)
        assert bump.exists[index] == np.isfinite(expected[1])


def test_r_broadcasts_against_curves() -> None:
    values = np.array([[1, 2, 3, 2, 1], [1, 1, 2, 3, 1]], float)
    together = find_bump(DECADES, values)
    for row in range(2):
        assert together.position[row] == find_bump(DECADES, values[row]).position
    assert first_reaching(DECADES, values / 3, 0.5).shape == (2,)


@pytest.mark.parametrize(
    ("values", "rises", "and_falls"),
    [
        (curve(1, 4, 2), 4, 2),
        (curve(2, 4, 1), 2, 2),
        (curve(1, 4, 2, 8), 4, 2),  # a bump, then a rise to the end
        (curve(1, 4, 3.2, 8, 12), 8, 1.25),  # the largest interior value is no bump
        (curve(1, 3, 2, 8, 4), 8, 2),
        (curve(1, 2, 8), 2, 0.25),
        (curve(4, 2, 1), 0.5, 0.5),
        (curve(1, 1, 1), 1, 1),
        (curve(0, 1, 0), math.nan, math.nan),
        (curve(1, math.nan, 1), math.nan, math.nan),
        (curve(1, 2), math.nan, math.nan),
    ],
)
def test_rise(values: np.ndarray, rises: float, and_falls: float) -> None:
    r = DECADES[: len(values)]
    assert rise(r, values, falls=False) == pytest.approx(rises, rel=1e-12, nan_ok=True)
    assert rise(r, values, falls=True) == pytest.approx(and_falls, rel=1e-12, nan_ok=True)
    assert rise(r[::-1], values[::-1], falls=True) == pytest.approx(and_falls, rel=1e-12, nan_ok=True)


def test_rise_agrees_with_the_slow_way() -> None:
    values = np.random.default_rng(0).lognormal(size=(40, 7))
    for row, up, and_down in zip(
        values, rise(np.arange(7) + 1.0, values, falls=False), rise(np.arange(7) + 1.0, values, falls=True), strict=True
    ):
        assert up == max(row[1:-1]) / row[0]
        assert and_down == max(row[k] / max(row[0], min(row[k + 1 :])) for k in range(1, 6))


def test_between_strengths_a_curve_is_straight_against_log_r() -> None:
    values = np.array([[1.0, 3.0, 2.0, 0.0, 8.0], [0.0, 1.0, 2.0, 3.0, 4.0]])
    where = np.array([0.5, 1.0, 10**0.5, 10.0, 10**1.25, 1e4, 1.01e4])
    expected = [[math.nan, 1, 2, 3, 2.75, 8, math.nan], [math.nan, 0, 0.5, 1, 1.25, 4, math.nan]]
    np.testing.assert_allclose(between(DECADES, values, where), expected, rtol=1e-12, atol=1e-12)
    order = [3, 0, 4, 1, 2]
    np.testing.assert_allclose(between(DECADES[order], values[:, order], where), expected, rtol=1e-12, atol=1e-12)
    resampled = between(DECADES, values, np.array([[10.0], [100.0]]))
    np.testing.assert_allclose(resampled, [[3.0], [2.0]], rtol=1e-12)
