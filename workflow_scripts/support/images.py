"""Images, labels and normalisation constants out of a data file of this workflow (`results/data/{dataset}.nc`)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.support.netcdf import read_dataset

SPLITS = ("train", "validation", "test")


def load_split(path: Path, split: str, count: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Load one split, or its first `count` images: for the train split a random subset, nested in every larger one.

    Returns:
        images: (N, channel, row, column), 0 to 255.
        labels: (N,).

    Raises:
        ValueError: `split` is not one of `SPLITS`, or it has fewer than `count` images.
    """
    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
    data = read_dataset(path)
    chosen = np.flatnonzero(data["split"].values == SPLITS.index(split))
    if count is not None and not 0 <= count <= len(chosen):
        raise ValueError(f"{count} {split} images are asked for, but {path} has {len(chosen)}")
    chosen = chosen[:count]
    return data["images"].values[chosen], data["label"].values[chosen].astype(np.int64)


def load_normalisation(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each channel, (channel,): normalised image = (images/255 - mean) / standard deviation."""
    data = read_dataset(path)
    return data["mean"].values.reshape(-1), data["standard_deviation"].values.reshape(-1)


def load_classes(path: Path) -> int:
    """Return the number of classes."""
    return int(read_dataset(path).attrs["classes"])
