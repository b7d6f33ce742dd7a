"""Power laws and rank correlations over networks, with errors of networks drawn at random. Knows no torch.

Networks are the independent samples: a resample takes networks with replacement, each with all its points. In every array of
resamples the first row belongs to the points themselves. Few networks make a bootstrap too sure, so that no error is below the
one that a textbook gives independent points.

The effect of a rank correlation ρ is log10((1 + ρ)/(1 − ρ)), Fisher's transform in base 10: its error hardly depends on ρ. An
order of n networks cannot tell ρ from 1 by less than half of what an exchange of two neighbours makes, 6/(n³ − n), so that the
effect of a perfect order is finite.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workflow_scripts.diffeo.bootstrap import Floats, resample_indices, standard_error

FEWEST_NETWORKS = 4  # for a line with an error, and an effect with one
FEWEST_SIZES = 3  # for an exponent of P with an error
FEWEST_DISTINCT = 3  # in a resample: a line through fewer points fits always
RANKS = 1.06  # of the variance of Fisher's transform of Spearman's ρ, times n − 3 (Fieller, Hartley and Pearson 1957)
ROUNDING = 1e-12


class Line(NamedTuple):
    """Least squares y = intercept + slope x and the correlation of x and y, one of each resample; NaN where x is constant."""

    slope: Floats
    intercept: Floats
    correlation: Floats


class PowerLaw(NamedTuple):
    """y = a q^b, a line of log10 y against log10 q.

    Attributes:
        exponent: b.
        log10_prefactor: log10 a.
        covariance: (2, 2) of log10 a and b, over networks.
        scatter: root mean square of log10 y about the line.
        correlation: of log10 q and log10 y.
        correlation_error: its standard error over networks.
    """

    exponent: float
    log10_prefactor: float
    covariance: Floats
    scatter: float
    correlation: float
    correlation_error: float


UNKNOWN = PowerLaw(math.nan, math.nan, np.full((2, 2), math.nan), math.nan, math.nan, math.nan)


def network_weights(networks: Sequence[str], resamples: int, seed: int) -> Floats:
    """How often each point counts in each resample of the networks, (1 + at most `resamples`, points); all once in the first.

    Resamples of fewer than `FEWEST_DISTINCT` different networks are left out.
    """
    names, places = np.unique(np.asarray(networks), return_inverse=True)
    indices = resample_indices(len(names), resamples, seed)
    counts = np.zeros((len(indices), len(names)))
    np.add.at(counts, (np.arange(len(indices))[:, None], indices), 1)
    weights: Floats = counts[np.count_nonzero(counts, axis=1) >= min(FEWEST_DISTINCT, len(names))][:, places]
    return weights


def weighted_lines(weights: Floats, x: Floats, y: Floats) -> Line:
    """Fit a line to the points (points) as often as the weights (resamples, points) say; x and y may differ by resample."""
    total = weights.sum(axis=1, keepdims=True)
    x, y = np.broadcast_to(x, weights.shape), np.broadcast_to(y, weights.shape)
    middle_x, middle_y = ((weights * part).sum(axis=1, keepdims=True) / total for part in (x, y))
    from_x, from_y = x - middle_x, y - middle_y
    xx, xy, yy = ((weights * part).sum(axis=1) for part in (from_x**2, from_x * from_y, from_y**2))
    xx, yy = (
        np.where(square > total[:, 0] * (ROUNDING * (1 + abs(middle[:, 0]))) ** 2, square, np.nan)
        for square, middle in ((xx, middle_x), (yy, middle_y))
    )
    slope = xy / xx
    return Line(slope, middle_y[:, 0] - slope * middle_x[:, 0], np.clip(xy / np.sqrt(xx * yy), -1, 1))


def fit_power_law(networks: Sequence[str], log10_q: Floats, log10_y: Floats, *, resamples: int, seed: int) -> PowerLaw:
    """Least squares, all points alike; all NaN with fewer than `FEWEST_NETWORKS` networks, or where all q are equal.

    Points are not weighted by the errors of their measurement: networks scatter about the line by much more than those, and the
    errors are smallest where the test error is largest, so that the worst networks would make the fit.
    """
    if len(set(networks)) < FEWEST_NETWORKS:
        return UNKNOWN
    line = weighted_lines(network_weights(networks, resamples, seed), log10_q, log10_y)
    slope, intercept = float(line.slope[0]), float(line.intercept[0])
    if not math.isfinite(slope):
        return UNKNOWN
    known = np.isfinite(line.slope)
    known[0] = False
    drawn = np.cov(line.intercept[known], line.slope[known])
    points = len(log10_q)
    scatter = float(np.linalg.norm(log10_y - intercept - slope * log10_q)) / math.sqrt(points - 2)
    middle, square = log10_q.mean(), log10_q.var() * points
    independent = scatter**2 / square * np.array([[square / points + middle**2, -middle], [-middle, 1]])
    covariance = max(drawn, independent, key=lambda matrix: float(matrix[1, 1]))
    correlation_error = float(standard_error(line.correlation))
    return PowerLaw(slope, intercept, covariance, scatter, float(line.correlation[0]), correlation_error)


def mean_over_networks(networks: Sequence[str], values: Floats, *, resamples: int, seed: int) -> tuple[float, float]:
    """Mean of all points and its standard error; NaN with fewer than `FEWEST_NETWORKS` networks."""
    if len(set(networks)) < FEWEST_NETWORKS:
        return math.nan, math.nan
    weights = network_weights(networks, resamples, seed)
    error = float(standard_error(weights @ values / weights.sum(axis=1)))
    return float(values.mean()), max(error, float(values.std(ddof=1)) / math.sqrt(len(values)))


def weighted_ranks(weights: Floats, values: Floats) -> Floats:
    """Ranks (resamples, points) among points that count as often as the weights say; equal values share the mean of theirs."""
    lower, equal = (values < values[:, None]).astype(float), (values == values[:, None]).astype(float)
    ranks: Floats = weights @ lower.T + (weights @ equal.T + 1) / 2
    return ranks


def rank_correlations(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Spearman's ρ of x and y (points) in each resample; NaN where all of x or of y are equal."""
    return weighted_lines(weights, weighted_ranks(weights, x), weighted_ranks(weights, y)).correlation


def effects(correlations: Floats, networks: int) -> Floats:
    """log10((1 + ρ)/(1 − ρ)) of the order of so many networks."""
    limit = largest(networks)
    bounded = np.clip(correlations, -limit, limit)
    found: Floats = np.log10((1 + bounded) / (1 - bounded))
    return found


def largest(networks: int) -> float:
    """The largest ρ that the order of so many networks can tell from 1."""
    return 1 - 6 / (networks**3 - networks)


def effect_error(drawn: Floats, networks: int) -> float:
    """Standard error of an effect: over the resamples, and at least that of independent points."""
    return max(float(standard_error(drawn)), of_fisher(RANKS / (networks - 3)))


def difference_error(drawn: Floats, first: float, second: float, between: float, networks: int) -> float:
    """Standard error of a difference of the effects of two quantities on the same one: over resamples, at least the textbook's.

    Args:
        drawn: the differences of the resamples.
        first: ρ of the first quantity.
        second: ρ of the second.
        between: ρ of the two quantities with each other.
        networks: number of networks.

    Source: Meng, Rosenthal and Rubin, Psychological Bulletin 111 (1992), equations 1 to 3.
    """
    square = min((first**2 + second**2) / 2, largest(networks) ** 2)
    f = min(1.0, (1 - between) / (2 * (1 - square)))
    h = (1 - f * square) / (1 - square)
    return max(float(standard_error(drawn)), of_fisher(2 * RANKS * (1 - between) * h / (networks - 3)))


def of_fisher(variance: float) -> float:
    """Standard error of an effect from the variance of Fisher's artanh ρ, which is ln(10)/2 times it."""
    return 2 / math.log(10) * math.sqrt(variance)


def measured_slope(x: Floats, y: Floats, errors: Floats) -> tuple[float, float]:
    """Least-squares slope of y against x, three points at least, and its standard error.

    Of the errors of the points, taken as independent, and of their scatter about the line, the larger one.
    """
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    slope = float(weights @ y)
    residual = y - y.mean() - slope * (x - x.mean())
    scatter = float(np.linalg.norm(residual)) / math.sqrt(len(x) - 2)
    return slope, max(float(np.linalg.norm(weights * errors)), scatter * float(np.linalg.norm(weights)))
