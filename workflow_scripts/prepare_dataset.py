"""Make the data file of one data set: images, labels, splits and normalisation constants."""

import hashlib
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.scale_detection import scale_detection
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.images import SPLITS
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import SLIDES, write_dataset
from workflow_scripts.support.readers import LabelledImages
from workflow_scripts.support.sources import COLLECTIONS, obtain

logger = logging.getLogger(__name__)


class Split(NamedTuple):
    """The images of a split in their final order, and where each lies in the original data."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source_index: NDArray[np.int64]


def main(dataset: Path, name: str, settings: dict[str, Any]) -> None:
    """Write the data file `dataset` of the data set `name`, as the block `settings` of the configuration says."""
    if settings["collection"] == "scale_detection":
        splits, attributes = generate(settings)
    else:
        splits, attributes = split_collection(settings)
    mean, deviation = normalisation(splits[0].images, name)
    stored = assemble(splits, name, mean, deviation)
    title = f"Images of the data set {name}"
    write_dataset(stored, dataset, title=title, configuration={name: settings}, dataset=name, **attributes)
    logger.info("%s: %s", name, ", ".join(f"{len(part.labels)} {label}" for label, part in zip(SPLITS, splits, strict=True)))


def generate(settings: dict[str, Any]) -> tuple[list[Split], dict[str, Any]]:
    """Scale-detection images, each split drawn with a seed of its own."""
    shape = {key: settings[key] for key in ("size", "scale", "gap")}
    splits = []
    for split in SPLITS:
        seed = int(named_seed(settings["seed"], split).generate_state(1, np.uint64)[0])
        images, labels = scale_detection(settings[split], **shape, seed=seed)
        splits.append(Split(images, labels, np.arange(len(labels))))
    attributes = {
        "classes": 2,
        "class_names": "near far",
        "data_source": "generated",
        "licence": "none needed: generated images",
        "content_sha256": content_digest(splits),
        "references": SLIDES,
    }
    return splits, attributes


def split_collection(settings: dict[str, Any]) -> tuple[list[Split], dict[str, Any]]:
    """Shuffle and split a published collection: validation images come from its training part, test images from its test part.

    A collection without a test part is shuffled once and cut in three. Validation and test images are taken from the end of the
    shuffled part, so that the training images are the same, in the same order, whatever their numbers.
    """
    collection = COLLECTIONS[settings["collection"]]
    original = obtain(collection, Path(settings["folder"]).expanduser() if settings["folder"] else None)
    rest = shuffled(len(original.train.labels), settings["seed"], "train")
    if original.test is None:
        if settings["test"] is None:
            raise ValueError(f"test is null, but {collection.name} has no test part of its own: say how many images to keep")
        rest, test = cut(rest, settings["test"], f"test images of {collection.name}")
        tested = original.train
    else:
        test = shuffled(len(original.test.labels), settings["seed"], "test")
        test = first(test, settings["test"], f"test images of {collection.name}")
        tested = original.test
    rest, validation = cut(rest, settings["validation"], f"validation images of {collection.name}")
    train = first(rest, settings["train"], f"training images of {collection.name}")
    splits = [take(original.train, train), take(original.train, validation), take(tested, test)]
    attributes = {
        "classes": len(collection.class_names),
        "class_names": " ".join(collection.class_names),
        "data_source": original.source,
        "licence": collection.licence,
        "content_sha256": content_digest(splits),
        "source_sha256": " ".join(f"{file}:{digest}" for file, digest in original.checksums.items()),
        "references": f"{collection.title}: {collection.reference}",
    }
    return splits, attributes


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


def normalisation(images: NDArray[np.uint8], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (ddof = 0) over all pixels of each channel, in units of images/255, from exact integer sums.

    Raises:
        ValueError: all pixels of a channel are equal.
    """
    pixels = images.size // images.shape[1]
    total = images.sum(axis=(0, 2, 3), dtype=np.uint64)
    squares = np.einsum("nchw,nchw->c", images, images, dtype=np.uint64)
    mean = total / pixels
    variance = squares / pixels - mean**2
    constant = np.flatnonzero(images.min(axis=(0, 2, 3)) == images.max(axis=(0, 2, 3)))
    if constant.size:
        channel = int(constant[0])
        raise ValueError(
            f"every pixel of channel {channel} of the {len(images)} training images of {name} is {images[0, channel, 0, 0]}: "
            "the standard deviation is 0, and normalisation needs images that vary"
        )
    return mean / 255, np.sqrt(variance) / 255


def content_digest(splits: list[Split]) -> str:
    """Sha256 of images and labels of all splits, as stored."""
    digest = hashlib.sha256()
    for part in splits:
        digest.update(np.ascontiguousarray(part.images).data)
        digest.update(part.labels.astype("<i2").tobytes())
    return digest.hexdigest()


def assemble(splits: list[Split], name: str, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> xr.Dataset:
    """Lay the splits one after the other, with the constants that normalise them."""
    image = ("image",)
    channel = ("dataset", "channel")
    numbers = np.repeat(np.arange(3, dtype=np.int8), [len(part.labels) for part in splits])
    images, labels, source_index = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    meanings: dict[str, Any] = {"flag_values": np.arange(3, dtype=np.int8), "flag_meanings": " ".join(SPLITS)}
    scale = "over all pixels of the training images, in units of images/255"
    variables = {
        "images": variable((*image, "channel", "row", "column"), images, "pixel intensity, from 0 to 255"),
        "label": variable(image, labels.astype(np.int16), "class of the image"),
        "split": variable(image, numbers, "split that the image belongs to", **meanings),
        "source_index": variable(image, source_index.astype(np.int32), "position of the image in the original data"),
        "mean": variable(channel, mean[None], f"mean {scale}"),
        "standard_deviation": variable(channel, deviation[None], f"standard deviation {scale}"),
    }
    return xr.Dataset(variables, coords={"dataset": [name]})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
