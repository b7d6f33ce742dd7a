"""Make the data file of one data set: images, labels, splits and normalisation constants."""

import hashlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.enlargement import enlarge
from workflow_scripts.diffeo.scale_detection import scale_detection
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.image_file import images_of_file
from workflow_scripts.support.image_folder import images_of_folder
from workflow_scripts.support.images import SPLITS
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import SLIDES, write_dataset
from workflow_scripts.support.photographs import packaged_photographs
from workflow_scripts.support.sources import published_collection
from workflow_scripts.support.splits import Published, Split, into_splits, named_seed
from workflow_scripts.support.torchvision_sets import torchvision_set

CHUNK_BYTES = 2**18  # of images that are compressed together
PHOTOGRAPHS = {"photographs": packaged_photographs, "image_folder": images_of_folder}
logger = logging.getLogger(__name__)


def main(dataset: Path, name: str, settings: dict[str, Any], file: Sequence[Path] = ()) -> None:
    """Write the data file `dataset` of the data set `name`, as the block `settings` of the configuration says.

    `file` is the one file that the collection `netcdf` reads; the others have none.
    """
    extra: dict[str, xr.Variable] = {}
    if settings["collection"] in PHOTOGRAPHS:
        splits, attributes, extra = only_tested(settings)
    elif settings["collection"] == "scale_detection":
        splits, attributes = generate(settings)
    else:
        published = published_images(settings, file)
        splits, attributes = into_splits(published, settings), published.attributes
    splits = [part._replace(images=enlarge(part.images, settings["enlarge"])) for part in splits]
    stored = assemble(splits).assign(constants(splits[0].images, name, settings) | extra)
    write_dataset(
        stored.assign_coords(dataset=[name]),
        dataset,
        title=f"Images of the data set {name}",
        configuration={name: settings},
        chunks={"images": chunk_shape(stored["images"].shape)},
        dataset=name,
        enlarge=settings["enlarge"],
        content_sha256=content_digest(splits),
        **attributes,
    )
    logger.info("%s: %s", name, ", ".join(f"{len(part.labels)} {label}" for label, part in zip(SPLITS, splits, strict=True)))


def published_images(settings: dict[str, Any], file: Sequence[Path]) -> Published:
    """The images that a collection has, before they are split."""
    match settings["collection"]:
        case "netcdf":
            return images_of_file(file[0])
        case "torchvision":
            return torchvision_set(settings)
        case _:
            return published_collection(settings)


def generate(settings: dict[str, Any]) -> tuple[list[Split], dict[str, Any]]:
    """Scale-detection images, each split drawn with a seed of its own."""
    shape = {key: settings[key] for key in ("size", "scale", "gap", "norm", "periodic")}
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
        "references": SLIDES,
    }
    return splits, attributes


def only_tested(settings: dict[str, Any]) -> tuple[list[Split], dict[str, Any], dict[str, xr.Variable]]:
    """Photographs are for networks that are trained already: test images only, with the photograph that each one shows."""
    found = PHOTOGRAPHS[settings["collection"]](settings)
    test = found.images
    none = Split(test.images[:0], test.labels[:0], test.source_index[:0])
    names = variable(("image",), found.names, "photograph that the image shows")
    return [none, none, test], {"classes": settings["classes"], **found.attributes}, {"photograph": names}


def constants(images: NDArray[np.uint8], name: str, settings: dict[str, Any]) -> dict[str, xr.Variable]:
    """Mean and standard deviation that normalise: those of the training images, unless the configuration says them."""
    if "mean" in settings:
        values, origin = [np.array(settings[key], float) for key in ("mean", "standard_deviation")], "as configured"
    else:
        values, origin = list(normalisation(images, name)), "over all pixels of the training images"
    names = {"mean": "mean", "standard_deviation": "standard deviation"}
    return {
        key: variable(("dataset", "channel"), value[None], f"{names[key]} {origin}, in units of images/255")
        for key, value in zip(names, values, strict=True)
    }


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


def chunk_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Whole images, as many as make up `CHUNK_BYTES`: who reads a few images unpacks little more than those."""
    return min(shape[0], max(1, CHUNK_BYTES // math.prod(shape[1:]))), *shape[1:]


def assemble(splits: list[Split]) -> xr.Dataset:
    """Lay the splits one after the other."""
    image = ("image",)
    numbers = np.repeat(np.arange(3, dtype=np.int8), [len(part.labels) for part in splits])
    images, labels, source_index = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    meanings: dict[str, Any] = {"flag_values": np.arange(3, dtype=np.int8), "flag_meanings": " ".join(SPLITS)}
    return xr.Dataset(
        {
            "images": variable((*image, "channel", "row", "column"), images, "pixel intensity, from 0 to 255"),
            "label": variable(image, labels.astype(np.int16), "class of the image; -1 where it is not known"),
            "split": variable(image, numbers, "split that the image belongs to", **meanings),
            "source_index": variable(image, source_index.astype(np.int32), "position of the image in the original data"),
        }
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
