"""Photographs that Python packages on this machine ship, cut into square colour images without labels.

Taken are everyday scenes in colour whose licence the package states. That leaves out the stereo pair of scikit-image, which has
none, and its pictures of stars, a retina and stained tissue, which are unlike what networks for photographs were trained on.
"""

import io
import warnings
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from workflow_scripts.support.packages import package_file
from workflow_scripts.support.splits import Split, named_seed

UNKNOWN_CLASS = -1
MODULES = {"scikit-image": "skimage", "scikit-learn": "sklearn"}


class ImageError(ValueError):
    """A file that is not an image, or a damaged one."""


class Photograph(NamedTuple):
    """A photograph in a package: its file in the folder of the package's module, the file's sha256, and whom to thank."""

    name: str
    package: str
    file: str
    checksum: str
    author: str
    licence: str
    origin: str


class Photographs(NamedTuple):
    """Images of photographs, the name of each one's photograph, and attributes that say where they come from."""

    images: Split
    names: list[str]
    attributes: dict[str, Any]


PHOTOGRAPHS = (
    Photograph(
        "astronaut",
        "scikit-image",
        "data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "NASA",
        "public domain",
        "https://flic.kr/p/r9qvLn",
    ),
    Photograph(
        "chelsea",
        "scikit-image",
        "data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "Stefan van der Walt",
        "CC0",
        "scikit-image",
    ),
    Photograph(
        "coffee",
        "scikit-image",
        "data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "Rachel Michetti",
        "CC0",
        "scikit-image, courtesy of Pikolo Espresso Bar",
    ),
    Photograph(
        "rocket",
        "scikit-image",
        "data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "SpaceX",
        "public domain",
        "https://www.flickr.com/photos/spacexphotos/16511594820",
    ),
    Photograph(
        "china",
        "scikit-learn",
        "datasets/images/china.jpg",
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        "danielbuechele",
        "CC BY 2.0",
        "https://www.flickr.com/photos/danielbuechele/6061409035",
    ),
    Photograph(
        "flower",
        "scikit-learn",
        "datasets/images/flower.jpg",
        "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        "vultilion",  # whose page the package links to, although it repeats the name of the photographer above
        "CC BY 2.0",
        "https://www.flickr.com/photos/vultilion/6056698931",
    ),
)


def packaged_photographs(settings: dict[str, Any]) -> Photographs:
    """Cut `test` images of `size` × `size` pixels from `PHOTOGRAPHS`; these keys and `seed` are those of the configuration.

    The first images are the same whatever their number. Consecutive ones come from different photographs. The first image of a
    photograph is its central square, the others are squares drawn at random (`crop_box`); they overlap.

    Raises:
        PackageError: a package is not installed, or its file is not the one that is known.
    """
    count, size, seed = (settings[key] for key in ("test", "size", "seed"))
    originals = [rgb_image(content(photograph), photograph.name) for photograph in PHOTOGRAPHS]
    order = order_of_photographs(count, len(originals), seed)
    names = [PHOTOGRAPHS[chosen].name for chosen in order]
    images = []
    for position, (chosen, name) in enumerate(zip(order, names, strict=True)):
        crop = position // len(originals)
        box = crop_box(originals[chosen].size, size, named_seed(seed, f"crop {crop} of {name}") if crop > 0 else None)
        images.append(pixels(originals[chosen].crop(box).resize((size, size), Image.Resampling.BILINEAR)))  # antialiased
    return Photographs(Split(np.stack(images), np.full(count, UNKNOWN_CLASS), order), names, attributes())


def content(photograph: Photograph) -> io.BytesIO:
    """The verified file of a photograph."""
    module = MODULES[photograph.package]
    return io.BytesIO(package_file(module, photograph.package, photograph.file, photograph.checksum))


def attributes() -> dict[str, Any]:
    """Packages, licences, authors, origins and checksums of all photographs."""
    packages = {package: f"{package} {version(package)}" for package in MODULES}
    licences = (f"{one.name}: {one.licence}, {one.author} (in {packages[one.package]})" for one in PHOTOGRAPHS)
    return {
        "data_source": f"Python packages {', '.join(packages.values())}",
        "licence": "; ".join(licences),
        "source_sha256": " ".join(f"{Path(one.file).name}:{one.checksum}" for one in PHOTOGRAPHS),
        "references": "; ".join(f"{one.name}: {one.author}, {one.origin}" for one in PHOTOGRAPHS),
    }


def order_of_photographs(count: int, number: int, seed: int) -> NDArray[np.int64]:
    """Indices (count,) of `number` photographs (3 or more), each once in a turn; no two neighbours are equal."""
    generator = np.random.default_rng(named_seed(seed, "photographs"))
    turns = [generator.permutation(number) for _ in range(-(-count // number))]
    for previous, turn in pairwise(turns):
        if turn[0] == previous[-1]:
            turn[:2] = turn[1::-1]
    return np.concatenate(turns)[:count]


def crop_box(shape: tuple[int, int], size: int, seed: np.random.SeedSequence | None) -> tuple[int, int, int, int]:
    """Left, upper, right and lower edge of a square in an image of `shape` (width, height): its centre, or drawn with `seed`.

    The edge of a random square is uniform from half the shorter edge of the image to all of it, but not less than `size` where
    the image has as many pixels: nothing is magnified without need. Its position is uniform.
    """
    shorter = min(shape)
    if seed is None:
        left, upper, edge = (shape[0] - shorter) // 2, (shape[1] - shorter) // 2, shorter
    else:
        generator = np.random.default_rng(seed)
        edge = int(generator.integers(min(shorter, max(size, shorter // 2)), shorter, endpoint=True))
        left, upper = (int(generator.integers(length - edge, endpoint=True)) for length in shape)
    return left, upper, left + edge, upper + edge


def rgb_image(file: Path | io.BytesIO, name: str) -> Image.Image:
    """Decode an image file as 8-bit RGB.

    Raises:
        ImageError: it is not an image, damaged, of more than 8 bits a channel, or large enough for Pillow's guard against
            decompression bombs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise ValueError(f"more than 8 bits a channel, mode {image.mode}")
                return image.convert("RGB")
    except Exception as error:  # decoders raise errors of many kinds
        raise ImageError(f"{name} cannot be read as an image ({error})") from error


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels (channel, row, column) of an RGB image."""
    return np.asarray(image).transpose(2, 0, 1)
