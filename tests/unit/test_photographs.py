"""Photographs of packages: their files and licences, the order of the images, the crops."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from workflow_scripts.support import packages, photographs
from workflow_scripts.support.packages import PackageError, package_file, package_folder
from workflow_scripts.support.photographs import (
    PHOTOGRAPHS,
    ImageError,
    content,
    crop_box,
    order_of_photographs,
    packaged_photographs,
    rgb_image,
)
from workflow_scripts.support.splits import named_seed


def settings(**changes: Any) -> dict[str, Any]:
    return {"test": 8, "size": 32, "seed": 0, **changes}


def test_the_installed_packages_hold_the_photographs_and_are_not_imported() -> None:
    script = (
        "import sys; from workflow_scripts.support.photographs import packaged_photographs;"
        "found = packaged_photographs({'test': 6, 'size': 8, 'seed': 0});"
        "print(sorted(found.names), [name for name in ('skimage', 'sklearn', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['astronaut', 'chelsea', 'china', 'coffee', 'flower', 'rocket'] []"


def test_the_first_images_are_central_squares() -> None:
    found = packaged_photographs(settings(test=6))
    assert found.images.images.shape == (6, 3, 32, 32) and found.images.images.dtype == np.uint8
    for image, name, index in zip(found.images.images, found.names, found.images.source_index, strict=True):
        assert PHOTOGRAPHS[index].name == name
        with Image.open(content(PHOTOGRAPHS[index])) as original:
            width, height = original.size
            edge = min(width, height)
            left, upper = (width - edge) // 2, (height - edge) // 2
            square = original.convert("RGB").crop((left, upper, left + edge, upper + edge))
        expected = np.asarray(square.resize((32, 32), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(image, expected.transpose(2, 0, 1))
        means = np.asarray(square.reduce(edge // 32), float)[:32, :32]  # of the pixels that each new one covers
        assert abs(image[:, 8:24, 8:24].mean() - means[8:24, 8:24].mean()) < 4


def test_images_do_not_depend_on_their_number_and_all_differ() -> None:
    few, many = packaged_photographs(settings(test=8)), packaged_photographs(settings(test=24))
    np.testing.assert_array_equal(few.images.images, many.images.images[:8])
    assert few.names == many.names[:8] and few.images.labels.tolist() == [-1] * 8
    assert len(np.unique(many.images.images.reshape(24, -1), axis=0)) == 24
    other = packaged_photographs(settings(test=24, seed=1))
    assert other.names != many.names
    boxes = {photograph.name: many.names.count(photograph.name) for photograph in PHOTOGRAPHS}
    assert set(boxes.values()) == {4}


def test_attributes_name_licence_author_package_and_checksum_of_each_photograph() -> None:
    found = packaged_photographs(settings(test=3)).attributes
    licences = dict(part.split(": ", 1) for part in found["licence"].split("; "))
    assert set(licences) == {photograph.name for photograph in PHOTOGRAPHS}
    assert licences["coffee"].startswith("CC0, Rachel Michetti (in scikit-image ")
    assert licences["flower"].startswith("CC BY 2.0, vultilion (in scikit-learn ")
    assert len(found["source_sha256"].split()) == len(PHOTOGRAPHS)
    assert found["data_source"].startswith("Python packages scikit-image ")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("count", "number"), [(24, 6), (50, 3), (7, 6), (2, 6)])
def test_every_turn_has_every_photograph_and_neighbours_differ(count: int, number: int, seed: int) -> None:
    order = order_of_photographs(count, number, seed)
    assert len(order) == count and (np.diff(order) != 0).all()
    for start in range(0, count - number + 1, number):
        assert sorted(order[start : start + number]) == list(range(number))
    np.testing.assert_array_equal(order_of_photographs(count // 2 + 1, number, seed), order[: count // 2 + 1])


@pytest.mark.parametrize(
    ("shape", "size", "edges"),
    [
        ((500, 400), 224, (224, 400)),  # not magnified
        ((1200, 800), 224, (400, 800)),  # at least half the shorter edge
        ((150, 300), 224, (150, 150)),  # too small: all of the shorter edge
    ],
)
def test_random_crops_lie_inside_and_are_not_magnified_without_need(
    shape: tuple[int, int], size: int, edges: tuple[int, int]
) -> None:
    boxes = np.array([crop_box(shape, size, named_seed(0, str(crop))) for crop in range(500)])
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (widths == heights).all() and (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= shape).all()
    span = edges[1] - edges[0]
    assert edges[0] <= widths.min() <= edges[0] + 0.05 * span and edges[1] - 0.05 * span <= widths.max() <= edges[1]
    assert (boxes[:, :2].max(axis=0) > np.array(shape) - edges[0] - 0.1 * max(shape)).all()


def test_the_central_square() -> None:
    assert crop_box((500, 400), 224, None) == (50, 0, 450, 400)
    assert crop_box((401, 600), 224, None) == (0, 99, 401, 500)


def png(**options: Any) -> bytes:
    file = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), (4, 4), **options).save(file, "png")
    return file.getvalue()


def test_grey_images_get_three_channels() -> None:
    assert np.asarray(rgb_image(io.BytesIO(png(mode="L", color=7)), "grey.png")).tolist() == [[[7] * 3] * 4] * 4


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"no image", "cannot identify image file"),
        (b"", "cannot identify image file"),
        (png(color=(1, 2, 3))[:45], "truncated"),
        (png(mode="I;16"), "more than 8 bits a channel, mode I;16"),
    ],
)
def test_what_is_not_an_8_bit_image_is_refused_by_name(file: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=f"^some/file cannot be read as an image \\(.*{reason}"):
        rgb_image(io.BytesIO(file), "some/file")


def test_the_guard_against_decompression_bombs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ImageError, match=r"bomb\.png cannot be read as an image \(Image size \(16 pixels\) exceeds limit"):
        rgb_image(io.BytesIO(png()), "bomb.png")


def test_packages_that_lack_or_altered_a_file_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackageError, match=r"^the Python package no-such is not installed \(pip install no-such\)$"):
        package_folder("no_such_module", "no-such")
    with pytest.raises(PackageError, match=r"missing\.png of the Python package scikit-image cannot be read: No such file"):
        package_file("skimage", "scikit-image", "data/missing.png", "0")
    monkeypatch.setattr(packages, "package_folder", lambda module, package: tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "astronaut.png").write_bytes(b"altered")
    with pytest.raises(PackageError, match=r"astronaut\.png of the Python package scikit-image has the sha256 [0-9a-f]{64}, but"):
        photographs.packaged_photographs(settings())
