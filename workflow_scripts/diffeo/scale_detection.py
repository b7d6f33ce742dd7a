"""Scale detection: the simplest images whose classes are invariant to smooth deformations.

Two pixels are lit; the class says whether they lie farther apart than a characteristic scale, which a small deformation
cannot change: a gap in the distances keeps the classes apart.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ACTIVE = 255
SQUARED_NORMS: dict[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]] = {  # of steps (..., 2), exact in integers
    "euclidean": lambda steps: (steps**2).sum(axis=-1),
    "maximum": lambda steps: np.abs(steps).max(axis=-1) ** 2,
    "manhattan": lambda steps: np.abs(steps).sum(axis=-1) ** 2,
}


class Steps(NamedTuple):
    """Steps (K, 2) in rows and columns from one pixel of a pair to the other, and the pairs that each one makes.

    The first pixels of the pairs of step k fill a rectangle of `rows[k]` × `columns[k]` pixels whose first column is
    `first_column[k]`; its first row is 0. Beyond an edge of the image the other pixel comes in again at the opposite one.
    """

    steps: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    first_column: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> "Steps":
        """Those of the steps that are chosen."""
        return Steps(*(values[chosen] for values in self))


def scale_detection(
    count: int,
    *,
    size: int = 28,
    scale: float = 14,
    gap: float = 2,
    norm: str = "euclidean",
    periodic: bool = False,
    seed: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw images of two lit pixels and the class of their distance.

    The classes are balanced in every prefix of the images (to within one image), and within a class every admissible pair
    of pixels is equally probable. The first images of a longer draw with the same seed are those of a shorter one.

    Args:
        count: number of images.
        size: edge of the square image, in pixels.
        scale: distance that separates the classes, in pixels.
        gap: width of the band of distances around `scale` that no pair has, in pixels.
        norm: what the distance is of pixels (a, b) rows and columns apart: `euclidean` is sqrt(a² + b²), `maximum` is
            max(|a|, |b|), `manhattan` is |a| + |b|.
        periodic: whether opposite edges of the image touch, so that of a and size - a the smaller one counts (b likewise).
        seed: a non-negative integer; the images are a function of it and of the arguments above alone.

    Returns:
        images: (count, 1, size, size), 255 at two distinct pixels and 0 elsewhere.
        labels: (count,), 1 where the distance is >= scale + gap/2, 0 where it is < scale - gap/2.

    Raises:
        ValueError: `count` or `gap` is negative, `norm` is another word, or a class contains no pair of pixels.

    Task of U. Tomasini, L. Petrini, F. Cagnetta, M. Wyart, "How deep convolutional neural networks lose spatial information with
    training" (2022), arXiv:2210.01506; there the distance is Euclidean. Duplicates are inevitable where there are few pairs.
    """
    if count < 0:
        raise ValueError(f"scale_detection: count is {count}, but must be at least 0")
    if gap < 0:
        raise ValueError(f"scale_detection: gap is {gap}, but must be at least 0")
    if norm not in SQUARED_NORMS:
        raise ValueError(f"scale_detection: norm is {norm!r}, but must be one of {', '.join(SQUARED_NORMS)}")
    orders, pairs = np.random.SeedSequence(seed).spawn(2)
    first = np.random.default_rng(orders).random((count + 1) // 2) < 0.5
    labels = np.stack([first, ~first], axis=1).reshape(-1)[:count].astype(np.int64)
    quantiles = np.random.default_rng(pairs).random(count)

    steps = _steps_on_a_torus(size) if periodic else _steps(size)
    kind = f"size = {size}, scale = {scale}, gap = {gap}, norm = {norm} and periodic = {str(periodic).lower()}"
    images = np.zeros((count, size * size), dtype=np.uint8)
    for label, admissible in enumerate(_classes(steps, SQUARED_NORMS[norm](steps.steps), scale, gap, kind)):
        chosen = np.flatnonzero(labels == label)
        one, other = _pairs(quantiles[chosen], admissible, size)
        images[chosen, one] = ACTIVE
        images[chosen, other] = ACTIVE
    return images.reshape(count, 1, size, size), labels


def _steps(size: int) -> Steps:
    """Every step inside the image that makes a pair of distinct pixels; each unordered pair once."""
    rows, columns = np.mgrid[0:size, 1 - size : size].reshape(2, -1)
    forward = (rows > 0) | (columns > 0)
    found = Steps(np.stack([rows, columns], axis=1), size - rows, size - np.abs(columns), np.maximum(-columns, 0))
    return found.where(forward)


def _steps_on_a_torus(size: int) -> Steps:
    """Every shortest step on the torus that makes a pair of distinct pixels; each unordered pair once.

    A step and its opposite make the same pairs, from every pixel. Half the torus along one axis or both is its own opposite:
    it makes its pairs from the pixels of one half alone.
    """
    rows, columns = np.mgrid[0 : size // 2 + 1, -((size - 1) // 2) : size // 2 + 1].reshape(2, -1)
    own_opposite = (2 * rows % size == 0) & (2 * columns % size == 0)
    forward = (2 * rows % size > 0) | (columns > 0) | (columns == 0) & (rows > 0)
    found = Steps(
        np.stack([rows, columns], axis=1),
        np.where(own_opposite & (rows > 0), size // 2, size),
        np.where(own_opposite & (rows == 0), size // 2, size),
        np.zeros_like(columns),
    )
    return found.where(forward)


def _classes(steps: Steps, squared: NDArray[np.int64], scale: float, gap: float, kind: str) -> tuple[Steps, Steps]:
    """The steps of class 0 and of class 1, from the squares of their lengths; `kind` names the task in the error."""
    near = steps.where(squared < max(scale - gap / 2, 0.0) ** 2)
    far = steps.where(squared >= (scale + gap / 2) ** 2)
    for label, found in enumerate((near, far)):
        if not len(found.steps):
            condition = f">= {scale + gap / 2}" if label else f"< {scale - gap / 2}"
            raise ValueError(
                f"scale_detection: with {kind} no two distinct pixels have a distance {condition}, so class {label} has no image"
            )
    return near, far


def _pairs(quantiles: NDArray[np.float64], admissible: Steps, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Map numbers in [0, 1) to pairs of flat pixel indices, uniformly over the pairs that the admissible steps make."""
    counts = admissible.rows * admissible.columns
    ends = np.cumsum(counts)
    ranks = (quantiles * ends[-1]).astype(np.int64)
    which = np.searchsorted(ends, ranks, side="right")
    row, column = np.divmod(ranks - (ends - counts)[which], admissible.columns[which])
    column = column + admissible.first_column[which]
    other_row, other_column = (np.stack([row, column]) + admissible.steps[which].T) % size
    return row * size + column, other_row * size + other_column
