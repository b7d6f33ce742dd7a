"""Where a curve against r ends to be linear, where it has a bump, and where it reaches a level. Knows no torch.

The last axis of curves runs over strengths (r > 0, in any order), leading axes broadcast. Between strengths a curve is a straight
line against log r.

Source: slide "Gaussian noise stability around data-points", where G/r² measures deviations from the linear regime.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


class Bump(NamedTuple):
    """The bump of each curve; NaN where a curve has none.

    Attributes:
        exists: whether there is one.
        position: the r of its top.
        height: its top over the value at the smallest r.
        width: decades of r between the two points half-way up.
    """

    exists: NDArray[np.bool_]
    position: Floats
    height: Floats
    width: Floats


def linear_edge(r: Floats, values: Floats, tolerance: float = 0.1) -> Floats:
    """Largest r up to which `values` stay within a factor 1 ± `tolerance` of the one at the smallest r.

    Args:
        r: strengths (..., S).
        values: the curve, G/r² or the like (..., S).
        tolerance: allowed relative deviation.

    Returns:
        (...); the last r of curves that never leave that range, NaN where the first value is not positive or one is not finite.
    """
    r, values = _by_r(r, values)
    with np.errstate(all="ignore"):
        relative = values / values[..., :1]
        outside = np.abs(relative - 1) > tolerance
        first = outside.argmax(axis=-1)
        edge = _crossing(r, relative, first, 1 + tolerance * np.sign(_at(relative, first) - 1))
    return np.where(_usable(values), np.where(outside.any(axis=-1), edge, r[..., -1]), np.nan)


def find_bump(r: Floats, values: Floats, threshold: float = 1.1) -> Bump:
    """Find the bump: the largest of the values, if neither first nor last, and `threshold` times the first at least.

    Its top is the vertex of the parabola through the logarithms of that value and its two neighbours against log r (the value
    itself where a neighbour is not positive). Its width is taken at the mean of the first and the largest value, where the
    curve crosses it next to the top; NaN where it does not fall as low behind the top.

    Args:
        r: strengths (..., S).
        values: the curve, G/r² or the like (..., S).
        threshold: what counts as a bump.
    """
    r, values = _by_r(r, values)
    if values.shape[-1] < 3:
        nothing = np.full(values.shape[:-1], np.nan)
        return Bump(np.isfinite(nothing), nothing, nothing, nothing)
    highest = values.argmax(axis=-1)
    first, top, last = values[..., 0], _at(values, highest), values[..., -1]
    exists = _usable(values) & (top >= threshold * first) & (top > first) & (top > last)
    position, height = _vertex(r, values, highest)
    width = _width(r, values, highest, (first + top) / 2)
    with np.errstate(all="ignore"):
        relative = height / first
    return Bump(exists, *(np.where(exists, found, np.nan) for found in (position, relative, width)))


def rise(r: Floats, values: Floats, *, falls: bool) -> Floats:
    """Largest factor by which a curve is above its first value, neither there nor at the last r; 1 or less if it never rises.

    Unlike the height of a bump every curve has it.

    Args:
        r: strengths (..., S).
        values: the curve, G/r² or the like (..., S).
        falls: take the lowest value at any larger r in place of the first, if that is higher: what falls again counts.

    Returns:
        (...); NaN for fewer than three strengths.
    """
    r, values = _by_r(r, values)
    if values.shape[-1] < 3:
        return np.full(values.shape[:-1], np.nan)
    base = values[..., :1]
    if falls:
        base = np.maximum(base, np.minimum.accumulate(values[..., ::-1], axis=-1)[..., -3::-1])
    with np.errstate(all="ignore"):
        return np.where(_usable(values), (values[..., 1:-1] / base).max(axis=-1), np.nan)


def first_reaching(r: Floats, values: Floats, level: float) -> Floats:
    """Smallest r at which a curve reaches a level.

    Args:
        r: strengths (..., S).
        values: the curve, a fraction of changed labels or the like (..., S).
        level: the level.

    Returns:
        (...); the first r of curves that are there from the start, NaN for those that never get there.
    """
    r, values = _by_r(r, values)
    reached = values >= level
    first = reached.argmax(axis=-1)
    with np.errstate(all="ignore"):
        crossing = np.where(first > 0, _crossing(r, values, first, level), r[..., 0])
    return np.where(reached.any(axis=-1), crossing, np.nan)


def between(r: Floats, values: Floats, where: Floats) -> Floats:
    """Values of a curve at other r, between its strengths.

    Args:
        r: strengths (..., S).
        values: the curve (..., S).
        where: any r (..., T).

    Returns:
        (..., T); NaN outside the strengths.
    """
    r, values = _by_r(r, values)
    x, at = np.log(np.broadcast_to(r, values.shape)), np.log(where)
    behind = (x[..., None, :] <= at[..., None]).sum(axis=-1).clip(1, x.shape[-1] - 1)
    start, end = (np.take_along_axis(x, place, -1) for place in (behind - 1, behind))
    low, high = (np.take_along_axis(values, place, -1) for place in (behind - 1, behind))
    inside = (at >= x[..., :1]) & (at <= x[..., -1:])
    return np.where(inside, low + (high - low) * (at - start) / (end - start), np.nan)


def _by_r(r: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Both of the same shape, in the order of r."""
    r, values = np.broadcast_arrays(r, values)
    order = r.argsort(axis=-1, kind="stable")
    return np.take_along_axis(r, order, -1), np.take_along_axis(values, order, -1)


def _usable(values: Floats) -> NDArray[np.bool_]:
    """Whether a curve is finite and starts above 0."""
    return np.isfinite(values).all(axis=-1) & (values[..., 0] > 0)


def _at(values: Floats, index: Integers) -> Floats:
    """Values (...) at an index (...) of the last axis."""
    return np.take_along_axis(values, index[..., None], -1)[..., 0]


def _crossing(r: Floats, values: Floats, index: Integers, level: Floats | float) -> Floats:
    """The r at which curves cross a level between the strengths `index − 1` and `index`."""
    before = np.maximum(index - 1, 0)
    start, end = _at(values, before), _at(values, index)
    near, far = np.log(_at(r, before)), np.log(_at(r, index))
    return np.exp(near + (far - near) * (level - start) / (end - start))


def _vertex(r: Floats, values: Floats, highest: Integers) -> tuple[Floats, Floats]:
    """Place and value of the vertex of the parabola through the logarithms of the value at `highest` and its neighbours."""
    middle = highest.clip(1, values.shape[-1] - 2)
    with np.errstate(all="ignore"):
        x, y = ([np.log(_at(array, middle + step)) for step in (-1, 0, 1)] for array in (r, values))
        before, behind = x[1] - x[0], x[2] - x[1]
        rise, fall = (y[1] - y[0]) / before, (y[2] - y[1]) / behind
        curvature = (fall - rise) / (before + behind)
        slope = rise + curvature * before
        shift, excess = -slope / (2 * curvature), -(slope**2) / (4 * curvature)
        found = np.isfinite(shift)
        return np.exp(x[1] + np.where(found, shift, 0)), np.exp(y[1] + np.where(found, excess, 0))


def _width(r: Floats, values: Floats, highest: Integers, level: Floats) -> Floats:
    """Decades between the crossings of a level next to `highest`, one on either side."""
    strengths = values.shape[-1]
    place, low = np.arange(strengths), values < level[..., None]
    before, behind = low & (place < highest[..., None]), low & (place > highest[..., None])
    last_before = strengths - 1 - before[..., ::-1].argmax(axis=-1)
    with np.errstate(all="ignore"):
        start = _crossing(r, values, np.minimum(last_before + 1, strengths - 1), level)
        end = _crossing(r, values, behind.argmax(axis=-1), level)
        width = np.log10(end / start)
    return np.where(before.any(axis=-1) & behind.any(axis=-1), width, np.nan)
