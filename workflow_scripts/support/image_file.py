"""Labelled images in a NetCDF file of people's own: what it must hold is in docs/own_dataset.md."""

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from numpy.typing import NDArray

from workflow_scripts.support.readers import LabelledImages
from workflow_scripts.support.splits import Published, in_memory

VARIABLES = {"images": "images (image, channel, row, column)", "label": "label (image)"}
PARTS = ("train", "test")
VALUES_AT_A_TIME = 2**24


class ImageFileError(ValueError):
    """A file that cannot be read, or does not hold what it must."""


class Layout(NamedTuple):
    """Shape (channels, height, width) of the images of a file, and the size of its parts; without parts `test` is 0."""

    shape: tuple[int, int, int]
    train: int
    test: int


def images_of_file(path: Path) -> Published:
    """Read all images of a file; floats from 0 to 1 are rounded to multiples of 1/255.

    Raises:
        ImageFileError: a variable is missing or of another shape, images are not square, a value is missing or out of range, or
            a class between 0 and the largest label has no image.
    """
    with checked(path) as file:
        labels = classes_of(file["label"][:], path)
        images = in_memory(LabelledImages(pixels(file["images"], path), labels))
        tested = tested_images(file, path)
    attributes = {
        "classes": int(labels.max()) + 1,
        "class_names": " ".join(map(str, range(labels.max() + 1))),
        "data_source": f"file {path}",
        "licence": "unknown: a file that the user names",
        "source_sha256": f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        "references": f"images of the file {path}",
    }
    if tested is None:
        return Published(str(path), images, None, attributes)
    train, test = (in_memory(images.read(np.flatnonzero(rows))) for rows in (~tested, tested))
    return Published(str(path), train, test, attributes)


def layout(path: Path) -> Layout:
    """What a file holds, without reading its images.

    Raises:
        ImageFileError: it cannot be read, or its variables do not fit.
    """
    with checked(path) as file:
        count, *shape = file["images"].shape
        tested = tested_images(file, path)
    test = 0 if tested is None else int(tested.sum())
    return Layout((shape[0], shape[1], shape[2]), count - test, test)


@contextmanager
def checked(path: Path) -> Iterator[Any]:
    """Open a file whose variables have the right shapes."""
    try:
        file = netCDF4.Dataset(path)
    except OSError as error:
        raise ImageFileError(f"{path} cannot be read as NetCDF ({error})") from error
    with file:
        file.set_auto_mask(False)  # a missing float, whatever stands for it, is not from 0 to 1; bytes are taken as they are
        for name in VARIABLES:
            if name not in file.variables:
                raise ImageFileError(f"{path} has no variable {name!r}; it must have {' and '.join(VARIABLES.values())}")
        shape = file["images"].shape
        if len(shape) != 4 or not shape[0]:
            raise ImageFileError(f"images of {path} has the shape {shape}; it must be {VARIABLES['images']}")
        if shape[1] not in (1, 3):
            raise ImageFileError(f"the images of {path} have {shape[1]} channels; there must be 1 (grey) or 3 (red, green, blue)")
        if shape[2] != shape[3]:
            raise ImageFileError(f"the images of {path} have {shape[2]} × {shape[3]} pixels; they must be square")
        check_length("label", file["label"], file, path)
        yield file


def check_length(name: str, values: Any, file: Any, path: Path) -> None:
    """Raise ImageFileError unless there is one of the `values` for each image."""
    images = len(file["images"])
    if values.shape != (images,):
        raise ImageFileError(f"{name} of {path} has the shape {values.shape}, but there are {images} images")


def tested_images(file: Any, path: Path) -> NDArray[np.bool_] | None:
    """Which images are of the test part (image,); None if the file does not say."""
    if "part" not in file.variables:
        return None
    names = np.asarray(file["part"][:], dtype=str)
    check_length("part", names, file, path)
    found = set(names.tolist())
    if found != set(PARTS):
        shown = ", ".join(map(repr, sorted(found)[:3]))
        raise ImageFileError(f"part of {path} has the values {shown}; it must say 'train' or 'test', and there must be both")
    tested: NDArray[np.bool_] = names == "test"
    return tested


def classes_of(values: NDArray[Any], path: Path) -> NDArray[np.int64]:
    """Labels (image,) that are the classes 0, 1, ..., each with an image."""
    if values.dtype.kind not in "iu":
        raise ImageFileError(f"label of {path} is {values.dtype}; it must be an integer for each image")
    labels = np.asarray(values, np.int64)
    present = np.unique(labels)
    if present[0] != 0 or present[-1] != len(present) - 1:
        found = f"{len(present)} different values from {present[0]} to {present[-1]}"
        raise ImageFileError(f"label of {path} has {found}; it must be the classes 0, 1, 2, ..., each with an image")
    return labels


def pixels(variable: Any, path: Path) -> NDArray[np.uint8]:
    """Intensities from 0 to 255 (image, channel, row, column)."""
    found = np.empty(variable.shape, np.uint8)
    step = max(1, VALUES_AT_A_TIME // math.prod(variable.shape[1:]))
    for start in range(0, len(found), step):
        block = variable[start : start + step]
        if block.dtype.kind == "f":
            block = np.rint(255 * fractions(block, start, path))
        elif block.dtype != np.uint8:
            raise ImageFileError(f"images of {path} is {block.dtype}; it must be uint8 from 0 to 255 or floats from 0 to 1")
        found[start : start + step] = block
    return found


def fractions(block: NDArray[np.floating[Any]], start: int, path: Path) -> NDArray[np.float64]:
    """Values of images from the `start`-th on, if all of them are from 0 to 1."""
    wrong = ~((block >= 0) & (block <= 1))
    if wrong.any():
        image = start + int(np.argwhere(wrong)[0, 0])
        wanted = "floats must be from 0 to 1, none missing"
        raise ImageFileError(f"image {image} of {path} has the value {block[wrong][0]:g}; {wanted}")
    return block.astype(np.float64)
