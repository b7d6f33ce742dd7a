"""Images enlarged by a whole number: the control for the size of images, everything else equal."""

import numpy as np
from numpy.typing import NDArray

VALUES_AT_A_TIME = 2**24


def enlarge(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Enlarge images (N, ch, n, m) to (N, ch, factor·n, factor·m) by bilinear interpolation.

    Pixels are squares and their values belong to their centres (`align_corners=False`): the centre of the new pixel i lies at
    (i + 1/2)/factor - 1/2 in units of the old pixels. Beyond the outermost centres the outermost value holds. The result is
    rounded to the nearest integer, halves up, and exact for factors up to 100.

    Raises:
        ValueError: `factor` is not between 1 and 100.
    """
    if not 1 <= factor <= 100:
        raise ValueError(f"factor is {factor}, but must be from 1 to 100")
    if factor == 1:
        return images
    count, channels, height, width = images.shape
    enlarged = np.empty((count, channels, factor * height, factor * width), np.uint8)
    rows, columns = weights(height, factor), weights(width, factor)
    step = max(1, VALUES_AT_A_TIME // max(1, enlarged[:1].size))
    for start in range(0, count, step):  # in float32, which holds all these integers
        total = rows @ images[start : start + step].astype(np.float32) @ columns.T
        enlarged[start : start + step] = (total + 2 * factor**2) // (4 * factor**2)
    return enlarged


def weights(size: int, factor: int) -> NDArray[np.float32]:
    """Weights (factor·size, size) of the old pixels in the new ones along one axis, times 2·factor: integers."""
    twice = 2 * np.arange(factor * size) + 1 - factor  # 2·factor times the position of the new centres
    lower, remainder = np.divmod(twice, 2 * factor)
    new = np.arange(factor * size)
    table = np.zeros((factor * size, size), np.float32)
    np.add.at(table, (new, lower.clip(0, size - 1)), 2 * factor - remainder)
    np.add.at(table, (new, (lower + 1).clip(0, size - 1)), remainder)
    return table
