"""Images in a random order, cut into splits."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.support.readers import LabelledImages


class Split(NamedTuple):
    """The images of a split in their final order, and where each lies in the original data."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source_index: NDArray[np.int64]


class Part(NamedTuple):
    """A part of a data set as published: how many images it has, and a function that reads those of some positions."""

    size: int
    read: Callable[[NDArray[np.int64]], LabelledImages]


class Published(NamedTuple):
    """A data set as published: its training part, its test part if it has one, and attributes that say what it is.

    Attributes are `classes, class_names, data_source, licence, references` and, where it is known, `source_sha256`.
    """

    name: str
    train: Part
    test: Part | None
    attributes: dict[str, Any]


def in_memory(part: LabelledImages) -> Part:
    """A part whose images are all read already."""
    return Part(len(part.labels), lambda indices: LabelledImages(part.images[indices], part.labels[indices]))


def into_splits(published: Published, settings: dict[str, Any]) -> list[Split]:
    """Shuffle and split a data set: validation images come from the training part, test images from the test part.

    What has no test part is shuffled once and cut in three. Validation and test images are taken from the end of the shuffled
    part, so that the training images are the same, in the same order, whatever their numbers.

    Args:
        published: the data set.
        settings: its block of the configuration, with the keys `train, validation, test, seed`.

    Raises:
        ValueError: there are fewer images than asked for, or `test` is null without a test part.
    """
    rest = shuffled(published.train.size, settings["seed"], "train")
    if published.test is None:
        if settings["test"] is None:
            raise ValueError(f"test is null, but {published.name} has no test part of its own: say how many images to keep")
        rest, test = cut(rest, settings["test"], f"test images of {published.name}")
    else:
        test = shuffled(published.test.size, settings["seed"], "test")
        test = first(test, settings["test"], f"test images of {published.name}")
    rest, validation = cut(rest, settings["validation"], f"validation images of {published.name}")
    train = first(rest, settings["train"], f"training images of {published.name}")
    chosen = [(published.train, train), (published.train, validation), (published.test or published.train, test)]
    return [Split(*part.read(indices), indices) for part, indices in chosen]


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
