"""Images in a random order, cut into splits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.support.readers import LabelledImages


class Split(NamedTuple):
    """The images of a split in their final order, and where each lies in the original data."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source_index: NDArray[np.int64]


def named_seed(seed: int, purpose: str) -> np.random.SeedSequence:
    """Seed of one purpose, independent of the other purposes' seeds."""
    return np.random.SeedSequence([seed, *purpose.encode()])


def shuffled(count: int, seed: int, purpose: str) -> NDArray[np.int64]:
    """Return a random order of `count` images."""
    return np.random.default_rng(named_seed(seed, purpose)).permutation(count)


def first(indices: NDArray[np.int64], count: int | None, what: str) -> NDArray[np.int64]:
    """Return the first `count` indices (None: all)."""
    if count is not None and count > len(indices):
        raise ValueError(f"{count} {what} are asked for, but only {len(indices)} are left")
    if not len(indices[:count]):
        raise ValueError(f"no {what} are left")
    return indices[:count]


def cut(indices: NDArray[np.int64], count: int, what: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Separate the last `count` indices, in reverse order, from the others."""
    last = first(indices[::-1], count, what)
    return indices[: len(indices) - count], last


def take(part: LabelledImages, indices: NDArray[np.int64]) -> Split:
    """Return the chosen images of a part."""
    return Split(part.images[indices], part.labels[indices], indices)
