"""A folder of images as ImageNet's: one subfolder for each class, or images without labels."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workflow_scripts.support.photographs import UNKNOWN_CLASS, ImageError, Photographs, pixels, rgb_image
from workflow_scripts.support.splits import Split, first, shuffled

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")
BEFORE_CROP, AFTER_CROP = 256, 224  # pixels of the shorter edge where torchvision evaluates networks


def images_of_folder(settings: dict[str, Any]) -> Photographs:
    """Read `test` images of the folder `folder`, resized and cropped to `size` pixels as torchvision does to evaluate networks.

    The first images are the same whatever their number: one of every class, then another of every class, and so on. A class
    is the position of its subfolder among all, sorted by name; images that lie in the folder itself have the label -1.

    Raises:
        ImageError: a file is not an image, or cannot be read.
        ValueError: there is no such folder, there are not as many subfolders with images as `classes`, images lie in the folder
            as well as in subfolders, or there are fewer than `test`.
    """
    folder = Path(settings["folder"]).expanduser()
    files, labels = labelled_files(folder, settings["classes"])
    chosen = first(spread(labels, settings["seed"]), settings["test"], f"images of {folder}")
    images = [evaluation_crop(folder / files[index], settings["size"]) for index in chosen]
    attributes = {
        "data_source": f"folder {folder}",
        "licence": "unknown: images of a folder that the user names",
        "references": f"images of the folder {folder}",
    }
    return Photographs(Split(np.stack(images), labels[chosen], chosen), [files[index] for index in chosen], attributes)


def labelled_files(folder: Path, classes: int) -> tuple[list[str], NDArray[np.int64]]:
    """Paths of all images, in the folder, sorted, and their classes; hidden files and folders are left out."""
    if not folder.is_dir():
        raise ValueError(f"folder is {str(folder)!r}, but there is no such folder")
    subfolders = [name for name, is_folder in listed(folder) if is_folder]
    unlabelled = images_in(folder, "", [name for name, is_folder in listed(folder) if not is_folder])
    found = [images_in(folder, name, [file for file, _ in listed(folder / name)]) for name in subfolders]
    labelled = [files for files in found if files]
    if not labelled:
        return unlabelled, np.full(len(unlabelled), UNKNOWN_CLASS)
    if unlabelled:
        raise ValueError(f"{folder} holds images ({unlabelled[0]}) as well as subfolders with images; keep the one or the other")
    if len(labelled) != classes:
        raise ValueError(
            f"classes is {classes}, but {folder} has {len(labelled)} subfolders with images: the position of a subfolder among "
            "all is its class, so that none may be missing; put the images into the folder itself if their classes do not matter"
        )
    labels = np.repeat(np.arange(classes), [len(files) for files in labelled])
    return [file for files in labelled for file in files], labels


def listed(folder: Path) -> list[tuple[str, bool]]:
    """Names in a folder, sorted, without hidden ones, and whether each is a folder."""
    with os.scandir(folder) as entries:
        return sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))


def images_in(folder: Path, subfolder: str, names: list[str]) -> list[str]:
    """Paths in `folder` of the files of a subfolder; raises ImageError if one does not have the ending of an image."""
    for name in names:
        if not name.lower().endswith(ENDINGS):
            path = folder / subfolder / name
            raise ImageError(f"{path} is not an image ({', '.join(ENDINGS)}); move it out of the folder {folder}")
    return [f"{subfolder}/{name}" if subfolder else name for name in names]


def spread(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return a random order of images in which every class comes once before any comes again, and so on."""
    order = shuffled(len(labels), seed, "image folder")
    by_class = np.argsort(labels[order], kind="stable")
    _, starts, counts = np.unique(labels[order][by_class], return_index=True, return_counts=True)
    turn = np.empty(len(labels), np.int64)  # how many images of the same class come before
    turn[by_class] = np.arange(len(labels)) - np.repeat(starts, counts)
    return order[np.argsort(turn, kind="stable")]


def evaluation_crop(path: Path, size: int) -> NDArray[np.uint8]:
    """Pixels (3, size, size) of the centre of an image whose shorter edge is first resized to `size` · 256/224 pixels."""
    image = rgb_image(path, str(path))
    width, height = image.size
    shorter, target = min(width, height), size * BEFORE_CROP // AFTER_CROP
    width, height = int(target * width / shorter), int(target * height / shorter)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, upper = round((width - size) / 2), round((height - size) / 2)
    return pixels(image.crop((left, upper, left + size, upper + size)))
