"""Scale detection: the simplest images whose classes are invariant to smooth deformations.

Two pixels are lit; the class says whether they lie farther apart than a characteristic scale, which a small deformation
cannot change: a gap in the distances keeps the classes apart.
"""

import numpy as np
from numpy.typing import NDArray

ACTIVE = 255


def scale_detection(
    count: int, *, size: int = 28, scale: float = 14, gap: float = 2, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw images of two lit pixels and the class of their distance.

    The classes are balanced in every prefix of the images (to within one image), and within a class every admissible pair
    of pixels is equally probable. The first images of a longer draw with the same seed are those of a shorter one.

    Args:
        count: number of images.
        size: edge of the square image, in pixels.
        scale: distance that separates the classes, in pixels.
        gap: width of the band of distances around `scale` that no pair has, in pixels.
        seed: a non-negative integer; the images are a function of it and of the arguments above alone.

    Returns:
        images: (count, 1, size, size), 255 at two distinct pixels and 0 elsewhere.
        labels: (count,), 1 where the Euclidean distance is >= scale + gap/2, 0 where it is < scale - gap/2.

    Raises:
        ValueError: `count` or `gap` is negative, or a class contains no pair of pixels.

    Task of U. Tomasini, L. Petrini, F. Cagnetta, M. Wyart, "How deep convolutional neural networks lose spatial information with
    training" (2022), arXiv:2210.01506. Duplicates are inevitable where there are few pairs.
    """
    if count < 0:
        raise ValueError(f"scale_detection: count is {count}, but must be at least 0")
    if gap < 0:
        raise ValueError(f"scale_detection: gap is {gap}, but must be at least 0")
    orders, pairs = np.random.SeedSequence(seed).spawn(2)
    first = np.random.default_rng(orders).random((count + 1) // 2) < 0.5
    labels = np.stack([first, ~first], axis=1).reshape(-1)[:count].astype(np.int64)
    quantiles = np.random.default_rng(pairs).random(count)

    images = np.zeros((count, size * size), dtype=np.uint8)
    for label, admissible in enumerate(_admissible_steps(size, scale, gap)):
        chosen = np.flatnonzero(labels == label)
        one, other = _pairs(quantiles[chosen], admissible, size)
        images[chosen, one] = ACTIVE
        images[chosen, other] = ACTIVE
    return images.reshape(count, 1, size, size), labels


def _admissible_steps(size: int, scale: float, gap: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps (row, column) from one pixel to the other, (steps, 2), for class 0 and class 1; each unordered pair once."""
    rows, columns = np.mgrid[0:size, 1 - size : size]
    steps = np.stack([rows, columns], axis=-1).reshape(-1, 2)
    forward = (steps[:, 0] > 0) | (steps[:, 1] > 0)
    steps = steps[forward]
    squared = (steps**2).sum(axis=1)
    near = steps[squared < max(scale - gap / 2, 0.0) ** 2]
    far = steps[squared >= (scale + gap / 2) ** 2]
    for label, found in enumerate((near, far)):
        if not len(found):
            condition = f">= {scale + gap / 2}" if label else f"< {scale - gap / 2}"
            raise ValueError(
                f"scale_detection: with size = {size}, scale = {scale} and gap = {gap} no two distinct pixels "
                f"have a distance {condition}, so class {label} has no image"
            )
    return near, far


def _pairs(quantiles: NDArray[np.float64], steps: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Map numbers in [0, 1) to pairs of flat pixel indices, uniformly over the pairs that differ by one of `steps`."""
    heights, widths = size - steps[:, 0], size - np.abs(steps[:, 1])
    ends = np.cumsum(heights * widths)
    ranks = (quantiles * ends[-1]).astype(np.int64)
    which = np.searchsorted(ends, ranks, side="right")
    offsets = ranks - (ends - heights * widths)[which]
    row, column = np.divmod(offsets, widths[which])
    step_row, step_column = steps[which].T
    column = column + np.maximum(-step_column, 0)
    one = row * size + column
    return one, one + step_row * size + step_column
