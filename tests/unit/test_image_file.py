"""Files of people's own: what is read, and sentences for what does not fit."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.support import image_file
from workflow_scripts.support.image_file import ImageFileError, images_of_file, layout

COUNT = 12
IMAGE = ("image", "channel", "row", "column")


def contents(channels: int = 1, edge: int = 6) -> xr.Dataset:
    """Twelve images of three classes, the last five for testing."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, channels, edge, edge), dtype=np.uint8)
    part = np.repeat(["train", "test"], [7, 5])
    return xr.Dataset({"images": (IMAGE, images), "label": ("image", np.arange(COUNT) % 3), "part": ("image", part)})


def written(dataset: xr.Dataset, folder: Path, **options: object) -> Path:
    dataset.to_netcdf(folder / "mine.nc", **options)  # type: ignore[call-overload]
    return folder / "mine.nc"


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_images_and_labels_are_those_of_the_file(tmp_path: Path, channels: int) -> None:
    dataset = contents(channels)
    path = written(dataset, tmp_path)
    found = images_of_file(path)
    assert found.test is not None and (found.train.size, found.test.size) == (7, 5)
    for part, rows in ((found.train, slice(7)), (found.test, slice(7, None))):
        images, labels = part.read(np.arange(part.size))
        assert images.dtype == np.uint8 and labels.dtype == np.int64
        np.testing.assert_array_equal(images, dataset["images"].values[rows])
        np.testing.assert_array_equal(labels, dataset["label"].values[rows])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.attributes["classes"], found.attributes["class_names"]) == (3, "0 1 2")
    assert found.attributes["source_sha256"] == f"mine.nc:{digest}" and found.attributes["data_source"] == f"file {path}"
    assert layout(path) == ((channels, 6, 6), 7, 5)


def test_parts_may_be_mixed_or_missing(tmp_path: Path) -> None:
    dataset = contents()
    order = np.random.default_rng(1).permutation(COUNT)
    found = images_of_file(written(dataset.isel(image=order), tmp_path))
    np.testing.assert_array_equal(found.train.read(np.arange(7))[0], dataset["images"].values[order[order < 7]])
    path = written(dataset.drop_vars("part"), tmp_path)
    found = images_of_file(path)
    assert found.test is None and layout(path) == ((1, 6, 6), COUNT, 0)
    np.testing.assert_array_equal(found.train.read(np.arange(COUNT))[0], dataset["images"].values)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("encoding", [{}, {"zlib": True}, {"_FillValue": -1.0}])
def test_floats_are_255ths(tmp_path: Path, dtype: type, encoding: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_file, "VALUES_AT_A_TIME", 100)  # blocks of two images
    dataset = contents()
    fractions = dataset.assign(images=(IMAGE, (dataset["images"].values / 255).astype(dtype)))
    images, _ = images_of_file(written(fractions, tmp_path, encoding={"images": encoding})).train.read(np.arange(7))
    np.testing.assert_array_equal(images, dataset["images"].values[:7])


@pytest.mark.parametrize("engine", ["netcdf4", "scipy"])
def test_other_dialects_of_netcdf_are_read(tmp_path: Path, engine: str) -> None:
    dataset = contents()
    fractions = dataset.assign(images=dataset["images"] / 255)  # NetCDF 3 has no unsigned bytes, and text in characters
    path = written(fractions, tmp_path, engine=engine, format="NETCDF3_64BIT")
    found = images_of_file(path)
    np.testing.assert_array_equal(found.train.read(np.arange(7))[0], dataset["images"].values[:7])
    assert layout(path) == ((1, 6, 6), 7, 5)


def put(
    name: str, values: np.ndarray | list[object], dimensions: tuple[str, ...] = ("image",)
) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: dataset.drop_vars(name).assign({name: (dimensions, values)})


def pixel(value: float) -> Callable[[xr.Dataset], xr.Dataset]:
    """Fractions with one odd value, in image 5."""

    def change(dataset: xr.Dataset) -> xr.Dataset:
        values = dataset["images"].values / 255
        values[5, 0, 1, 2] = value
        return dataset.assign(images=(IMAGE, values))

    return change


LABELS = np.arange(COUNT) % 3
BAD: list[tuple[Callable[[xr.Dataset], xr.Dataset], str]] = [
    (
        lambda dataset: dataset.drop_vars("label"),
        "has no variable 'label'; it must have images (image, channel, row, column) and label (image)",
    ),
    (lambda dataset: dataset.rename(images="x"), "has no variable 'images'; it must have"),
    (
        put("images", np.zeros((COUNT, 6, 6), np.uint8), ("image", "row", "column")),
        "has the shape (12, 6, 6); it must be images (image, channel, row, column)",
    ),
    (
        put("images", np.zeros((COUNT, 2, 6, 6), np.uint8), IMAGE),
        "have 2 channels; there must be 1 (grey) or 3 (red, green, blue)",
    ),
    (put("images", np.zeros((COUNT, 1, 6, 8), np.uint8), IMAGE), "have 6 × 8 pixels; they must be square"),
    (put("label", LABELS[:5], ("other",)), "label of {path} has the shape (5,), but there are 12 images"),
    (put("part", ["train"] * 5, ("other",)), "part of {path} has the shape (5,), but there are 12 images"),
    (put("part", ["train"] * COUNT), "has the values 'train'; it must say 'train' or 'test', and there must be both"),
    (put("part", [0, 1] * 6), "has the values '0', '1'; it must say 'train' or 'test'"),
]
BAD_VALUES: list[tuple[Callable[[xr.Dataset], xr.Dataset], str]] = [
    (put("label", LABELS / 2), "label of {path} is float64; it must be an integer for each image"),
    (put("label", LABELS + 1), "has 3 different values from 1 to 3; it must be the classes 0, 1, 2, ..., each with an image"),
    (put("label", LABELS - 1), "has 3 different values from -1 to 1; it must be the classes 0, 1, 2"),
    (put("label", 2 * LABELS), "has 3 different values from 0 to 4; it must be the classes 0, 1, 2"),
    (put("images", np.zeros((COUNT, 1, 6, 6), int), IMAGE), "images of {path} is int64; it must be uint8 from 0 to 255 or"),
    (pixel(np.nan), "image 5 of {path} has the value nan; floats must be from 0 to 1, none missing"),
    (pixel(1.5), "image 5 of {path} has the value 1.5; floats must be from 0 to 1"),
    (pixel(-0.01), "image 5 of {path} has the value -0.01; floats must be from 0 to 1"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), BAD + BAD_VALUES, ids=[words[:40] for _, words in BAD + BAD_VALUES])
def test_what_does_not_fit_is_said_in_one_sentence(
    change: Callable[[xr.Dataset], xr.Dataset], words: str, tmp_path: Path
) -> None:
    path = written(change(contents()), tmp_path)
    with pytest.raises(ImageFileError) as error:
        images_of_file(path)
    assert words.format(path=path) in str(error.value) and "\n" not in str(error.value)
    if (change, words) in BAD:  # before any job starts
        with pytest.raises(ImageFileError) as early:
            layout(path)
        assert str(early.value) == str(error.value)


def test_bytes_are_taken_as_they_are_and_damaged_files_are_refused(tmp_path: Path) -> None:
    dataset = contents()
    path = written(dataset, tmp_path, encoding={"images": {"_FillValue": 255}})
    assert (dataset["images"].values[:7] == 255).any()
    np.testing.assert_array_equal(images_of_file(path).train.read(np.arange(7))[0], dataset["images"].values[:7])
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ImageFileError, match=r"mine\.nc cannot be read as NetCDF \(.*\)$"):
        layout(path)
