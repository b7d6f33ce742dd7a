"""Do neurons couple those neurons of the layer before that do the same thing up to a rotation? Knows no torch.

Take two consecutive convolutions. Two channels of the first are alike up to a rotation by the largest cosine of their filters
over all rotations but the identity. Two channels are coupled by the cosine of the weights with which the second layer reads
them, summed over positions: 1 if every neuron of the second layer adds them up. The statistic is the correlation of the two
over pairs of channels. Pairs that are alike already without a rotation are controlled for: the part of a filter that no rotation
changes is left out of the first cosine, pairs that are then more alike at the identity than at any rotation are left out, and
the cosines at the identity, of the whole filters and of the parts that are left, are partialled out. The null: the second layer
reads the channels of the first in a random order. (Where most channels are near copies of one another, channels are not what can
be exchanged, and the null is too narrow.)

Source: slides "Hypothesis 2"; the test is a partial Mantel test (Smouse, Long and Sokal, Systematic Zoology 35, 1986).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TRANSFORMATIONS = ("rotation", "translation")
FEWEST_CHANNELS = 8
CHUNK_BYTES = 100_000_000
ROUNDING = 1e-6  # smaller filters or couplings, relative to the others, are none


@dataclass(frozen=True)
class Similarity:
    """Cosines of all pairs of filters, each (channel, channel): at the best transformation, and at the identity."""

    best: Floats
    whole: Floats
    changed: Floats


@dataclass(frozen=True)
class Association:
    """How the coupling of channels goes with their likeness up to a transformation.

    Attributes:
        correlation: partial correlation over pairs of channels.
        standard_error: its standard error over channels.
        null: the correlations of random orders of the channels, (permutations,).
        channels: number of channels that were compared.
    """

    correlation: float
    standard_error: float
    null: Floats
    channels: int

    @property
    def z(self) -> float:
        """Effect size: the correlation in standard deviations of the null from the mean of the null."""
        return float((self.correlation - self.null.mean()) / self.null.std(ddof=1))

    @property
    def p_value(self) -> float:
        """Probability of so large a correlation under the null."""
        return float((1 + np.count_nonzero(self.null >= self.correlation)) / (1 + len(self.null)))


def resampling(rows: Floats, columns: Floats, size: int) -> Floats:
    """Matrix (size², size²) that reads a filter at these positions (size, size), bilinearly; 0 outside the filter."""
    grid = np.arange(size)
    weights = (np.clip(1 - abs(positions.reshape(-1, 1) - grid), 0, 1) for positions in (rows, columns))
    matrix: Floats = np.einsum("pr,pc->prc", *weights).reshape(size**2, size**2)
    return matrix


def rotations(size: int, *, reflections: bool = True) -> Floats:
    """Rotations of a filter about its centre, (rotations, size², size²), the identity first.

    Up to 3 × 3 those by multiples of 90°. Larger filters are cut to a disc and turned by multiples of 45°, with bilinear
    interpolation. With `reflections` each of them reflected as well: the 8 symmetries of the square for 3 × 3.
    """
    centre = (size - 1) / 2
    row, column = np.meshgrid(*[np.arange(size) - centre] * 2, indexing="ij")
    steps = 4 if size <= 3 else 8
    found = []
    for sign in (1, -1) if reflections else (1,):
        for angle in 2 * np.pi * np.arange(steps) / steps:
            cosine, sine = np.round([np.cos(angle), np.sin(angle)], 15)
            turned = cosine * row - sine * sign * column, sine * row + cosine * sign * column
            found.append(resampling(turned[0] + centre, turned[1] + centre, size))
    disc = np.hypot(row, column).ravel() <= (size / 2 if size > 3 else size)
    matrices: Floats = np.stack(found) * disc[:, None] * disc
    return matrices


def translations(size: int) -> Floats:
    """Shifts of a filter by at most one pixel along each axis, (9, size², size²), the identity first."""
    row, column = np.meshgrid(*[np.arange(float(size))] * 2, indexing="ij")
    shifts = sorted(((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)), key=lambda shift: shift != (0, 0))
    return np.stack([resampling(row + down, column + right, size) for down, right in shifts])


def transformations(kind: str, size: int, *, reflections: bool = True) -> Floats:
    """The matrices of one of `TRANSFORMATIONS`."""
    return rotations(size, reflections=reflections) if kind == "rotation" else translations(size)


def similarities(filters: Floats, transformed: Floats) -> Similarity:
    """Compare the filters of one layer, all input channels transformed together.

    Args:
        filters: (channel, input channel, k, k).
        transformed: matrices (transformations, k², k²), the identity first.

    Returns:
        Cosines; NaN for a filter that is 0, or that no transformation changes.
    """
    flat = filters.reshape(*filters.shape[:2], -1)
    visible = flat @ transformed[0].T
    changed = visible - visible @ transformed.mean(axis=0).T
    changed[norms(changed) <= ROUNDING * norms(visible)] = 0
    reference = unit(changed)
    best = np.full((len(filters), len(filters)), -np.inf)
    for matrix in transformed[1:]:
        np.maximum(best, reference @ unit(changed @ matrix.T).T, out=best)
    whole = unit(visible)
    return Similarity((best + best.T) / 2, whole @ whole.T, reference @ reference.T)


def coupling(weights: Floats) -> Floats:
    """Cosine (channel, channel) of the weights with which a layer reads two channels; NaN for a channel that it does not read.

    `weights`: (neuron, channel, k, k). They are summed over positions, and every neuron counts the same, whatever its norm.
    """
    summed = weights.sum(axis=(2, 3))
    columns = unit(unit(summed, empty=0.0).T)
    return columns @ columns.T


def associate(similarity: Similarity, coupled: Floats, orders: NDArray[np.intp]) -> Association | None:
    """Test whether channels that are alike up to a transformation are coupled.

    Args:
        similarity: of the channels of the first layer.
        coupled: coupling of the same channels by the second, (channel, channel).
        orders: for the null, random orders of as many channels, (permutations, channel).

    Returns:
        `None` with fewer than `FEWEST_CHANNELS` channels or pairs that can be compared, or if there is nothing to correlate.
    """
    known = np.isfinite(similarity.best.diagonal()) & np.isfinite(coupled.diagonal())
    if np.count_nonzero(known) < FEWEST_CHANNELS:
        return None
    chosen = np.ix_(known, known)
    variables = np.stack([part[chosen] for part in (similarity.whole, similarity.changed, similarity.best, coupled)])
    orders = np.argsort(np.argsort(orders[:, known], axis=1), axis=1)  # the same orders, of the channels that are left
    turned = np.triu(variables[2] > variables[1], 1)  # pairs that are more alike with a transformation than without
    rows, columns = np.nonzero(turned)
    if len(rows) < FEWEST_CHANNELS:
        return None
    *controls, best = variables[:3, rows, columns]
    basis, residual = residual_basis(np.stack([np.ones_like(best), *controls], axis=1), best)
    if residual <= ROUNDING:
        return None
    as_it_is = np.arange(variables.shape[1])[None]
    correlation, *null = correlations(basis, variables[3], np.concatenate([as_it_is, orders]), rows, columns).tolist()
    if not (np.isfinite(correlation) and np.isfinite(null).all()):
        return None
    error = standard_error(basis, variables[3, rows, columns], rows, columns)
    return Association(correlation, error, np.array(null), variables.shape[1])


def residual_basis(controls: Floats, values: Floats) -> tuple[Floats, float]:
    """Orthonormal basis (pair, controls + 1): the controls, then what is left of `values` besides; and the rms of that."""
    basis, _ = np.linalg.qr(controls)
    residual = values - basis @ (basis.T @ values)
    size = float(np.linalg.norm(residual))
    return np.column_stack([basis, residual / (size or 1.0)]), size / len(values) ** 0.5


def correlations(
    basis: Floats, coupled: Floats, orders: NDArray[np.intp], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> Floats:
    """Partial correlation of the last vector of `basis` with the couplings of channels in each of `orders`, given the others."""
    chunk = max(1, CHUNK_BYTES // (8 * len(rows)))
    found = []
    for part in np.split(orders, range(chunk, len(orders), chunk)):
        values = coupled[part[:, rows], part[:, columns]]
        *controls, numerator = (values @ basis).T
        variance = np.einsum("op,op->o", values, values) - np.square(controls).sum(axis=0)
        found.append(np.where(variance > ROUNDING**2 * len(rows), numerator, np.nan) / np.sqrt(np.maximum(variance, 1e-300)))
    return np.concatenate(found)


def standard_error(basis: Floats, values: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> float:
    """Standard error of the partial correlation of `values` with the last vector of `basis`, given the others.

    Pairs that share a channel are not independent. At least the error that independent pairs would have.
    Source: Fafchamps and Gubert, Journal of Development Economics 83 (2007).
    """
    residual = values - basis[:, :-1] @ (basis[:, :-1].T @ values)
    one, other = basis[:, -1], residual / np.linalg.norm(residual)
    influence = one * other - (one @ other) / 2 * (one**2 + other**2)
    of_channels = np.bincount(rows, influence, columns.max() + 1) + np.bincount(columns, influence)
    independent = float(influence @ influence)
    return math.sqrt(max(float(of_channels @ of_channels) - independent, independent))


def random_orders(channels: int, permutations: int, seed: int) -> NDArray[np.intp]:
    """Random orders (permutations, channels), a function of the seed."""
    return np.random.default_rng(seed).permuted(np.tile(np.arange(channels), (permutations, 1)), axis=1)


def norms(vectors: Floats) -> Floats:
    """Norm of each entry of the first axis."""
    found: Floats = np.linalg.norm(vectors.reshape(len(vectors), -1), axis=1)
    return found


def unit(vectors: Floats, empty: float = np.nan) -> Floats:
    """Each entry of the first axis as a row of norm 1; `empty` where the norm is 0."""
    size = norms(vectors)[:, None]
    return np.divide(vectors.reshape(len(vectors), -1), size, out=np.full((len(vectors), vectors[0].size), empty), where=size > 0)
