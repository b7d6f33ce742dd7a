"""Images, labels and normalisation constants out of a data file of this workflow (`results/data/{dataset}.nc`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.support.netcdf import open_dataset

SPLITS = ("train", "validation", "test")


class StoredImages(NamedTuple):
    """What was asked of a data file: images (N, channel, row, column), 0 to 255, and labels (N,), -1 if unknown, by split.

    Mean and standard deviation (channel,) normalise: (images/255 - mean) / standard deviation. `shape` is that of one image.
    """

    images: dict[str, NDArray[np.uint8]]
    labels: dict[str, NDArray[np.int64]]
    mean: NDArray[np.float64]
    standard_deviation: NDArray[np.float64]
    shape: tuple[int, int, int]
    classes: int


def load_images(path: Path, counts: Mapping[str, int | None], *, at_most: bool = False) -> StoredImages:
    """Read a data file once, and of its images only those asked for.

    Args:
        path: the data file.
        counts: by split, how many of its first images (None: all). For the train split these are a random subset, nested in
            every larger one.
        at_most: take a split that has fewer images whole instead of refusing it.

    Raises:
        IncompleteFileError: the file is missing, damaged, or was not finished by its writer.
        ValueError: a split is not one of `SPLITS`, or it has fewer images than asked for.
    """
    for split in counts:
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}, but must be one of {', '.join(SPLITS)}")
    with open_dataset(path) as data:
        found = {split: np.flatnonzero(data["split"].values == SPLITS.index(split)) for split in counts}
        for split, count in counts.items():
            if count is not None and not at_most and not 0 <= count <= len(found[split]):
                raise ValueError(f"{count} {split} images are asked for, but {path} has {len(found[split])}")
        rows = {split: found[split][: counts[split]] for split in counts}
        _, channels, height, width = data["images"].shape
        return StoredImages(
            images={split: read_rows(data["images"], rows[split]) for split in counts},
            labels={split: data["label"].values[rows[split]].astype(np.int64) for split in counts},
            mean=data["mean"].values.reshape(-1),
            standard_deviation=data["standard_deviation"].values.reshape(-1),
            shape=(channels, height, width),
            classes=int(data.attrs["classes"]),
        )


def count_images(path: Path) -> dict[str, int]:
    """Number of images of each split of a data file; reads no image."""
    with open_dataset(path) as data:
        numbers = np.bincount(data["split"].values, minlength=len(SPLITS))
    return dict(zip(SPLITS, numbers.tolist(), strict=True))


def read_rows(stored: xr.DataArray, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Read increasing rows of an array on the disk as one block: the rows of a split lie side by side."""
    first, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
    block: NDArray[np.uint8] = stored[first:end].values
    return block[rows - first]
