"""Reading data files: what is asked for and no more, whole files only."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support import images
from workflow_scripts.support.images import SPLITS, count_images, load_images
from workflow_scripts.support.netcdf import IncompleteFileError, write_dataset
from workflow_scripts.support.tensors import load_probe
from workflow_scripts.train_network import image_sets

SIZES = (40, 10, 20)


def write_data(path: Path, order: np.ndarray | None = None) -> xr.Dataset:
    """A data file of 70 random images in colour, in chunks of 5; `order` mixes the splits."""
    generator = np.random.default_rng(0)
    count = sum(SIZES)
    split = np.repeat(np.arange(3, dtype=np.int8), SIZES)
    pixels = generator.integers(0, 256, (count, 3, 4, 5), dtype=np.uint8)
    contents = {
        "images": variable(("image", "channel", "row", "column"), pixels, "images"),
        "label": variable(("image",), generator.integers(-1, 10, count).astype(np.int16), "label"),
        "split": variable(("image",), split if order is None else split[order], "split"),
        "mean": variable(("dataset", "channel"), [[0.1, 0.2, 0.3]], "mean"),
        "standard_deviation": variable(("dataset", "channel"), [[0.5, 0.25, 2.0]], "deviation"),
    }
    dataset = xr.Dataset(contents, coords={"dataset": ["toy"]})
    write_dataset(dataset, path, title="toy", configuration={}, chunks={"images": (5, 3, 4, 5)}, classes=10)
    return dataset


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("counts", [{"train": 7, "validation": None, "test": 20}, {"test": 1}, {"train": 0}, {}])
def test_the_first_images_of_the_splits_are_read(tmp_path: Path, counts: dict[str, Any], mixed: bool) -> None:
    order = np.random.default_rng(1).permutation(sum(SIZES)) if mixed else None
    written = write_data(tmp_path / "data.nc", order)
    stored = load_images(tmp_path / "data.nc", counts)
    assert set(stored.images) == set(stored.labels) == set(counts)
    for split, count in counts.items():
        rows = [row for row in range(sum(SIZES)) if written["split"][row] == SPLITS.index(split)][:count]
        assert stored.images[split].dtype == np.uint8 and stored.labels[split].dtype == np.int64
        np.testing.assert_array_equal(stored.images[split], written["images"].values[rows])
        np.testing.assert_array_equal(stored.labels[split], written["label"].values[rows])
    assert (stored.shape, stored.classes) == ((3, 4, 5), 10)
    assert (stored.mean.tolist(), stored.standard_deviation.tolist()) == ([0.1, 0.2, 0.3], [0.5, 0.25, 2.0])


def test_images_are_counted_by_split(tmp_path: Path) -> None:
    write_data(tmp_path / "data.nc", np.random.default_rng(1).permutation(sum(SIZES)))
    assert count_images(tmp_path / "data.nc") == {"train": 40, "validation": 10, "test": 20}


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    write_data(tmp_path / "data.nc")
    with pytest.raises(ValueError, match=r"^41 train images are asked for, but .*data\.nc has 40$"):
        load_images(tmp_path / "data.nc", {"test": 3, "train": 41})
    with pytest.raises(ValueError, match=r"^-1 test images are asked for"):
        load_images(tmp_path / "data.nc", {"test": -1})
    with pytest.raises(ValueError, match=r"^split is 'valid', but must be one of train, validation, test$"):
        load_images(tmp_path / "data.nc", {"valid": None})
    assert len(load_images(tmp_path / "data.nc", {"train": 41}, at_most=True).images["train"]) == 40


def test_missing_unfinished_and_truncated_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.nc"
    with pytest.raises(IncompleteFileError, match=r"data\.nc does not exist; run snakemake to make it$"):
        load_images(path, {})
    write_data(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(IncompleteFileError, match=r"data\.nc cannot be read \(.+\); delete it and run snakemake again$"):
        load_images(path, {})
    path.write_bytes(content)
    with netCDF4.Dataset(path, "a") as opened:
        opened.delncattr("complete")
    with pytest.raises(IncompleteFileError, match=r"data\.nc was not finished by its writer; delete it and run snakemake again$"):
        load_images(path, {})


def test_damage_is_noticed_where_it_is_read_and_only_there(tmp_path: Path) -> None:
    path = tmp_path / "data.nc"
    written = write_data(path)
    pixels = written["images"].values[2].tobytes()
    content = path.read_bytes()
    assert content.count(pixels) == 1  # random numbers cannot be compressed, and are stored as they are
    path.write_bytes(content.replace(pixels, bytes(len(pixels))))
    with pytest.raises(IncompleteFileError, match=r"data\.nc cannot be read \(.+\); delete it and run snakemake again$"):
        load_images(path, {"train": None})
    stored = load_images(path, {"test": None})
    np.testing.assert_array_equal(stored.images["test"], written["images"].values[-20:])


def test_a_training_opens_its_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_data(tmp_path / "data.nc")
    opened: list[Path] = []
    original = images.open_dataset
    monkeypatch.setattr(images, "open_dataset", lambda path: opened.append(path) or original(path))
    found = image_sets(tmp_path / "data.nc", 7, "cpu")
    assert {split: len(part) for split, part in found.items()} == {"train": 7, "validation": 10, "test": 20}
    assert opened == [tmp_path / "data.nc"]


@pytest.mark.parametrize(("count", "expected"), [(3, 3), (20, 20), (500, 20)])
def test_the_probe_is_the_first_test_images_normalised(tmp_path: Path, count: int, expected: int) -> None:
    written = write_data(tmp_path / "data.nc")
    probe, labels = load_probe(tmp_path / "data.nc", count, "cpu")
    pixels = written["images"].values[-20:][:expected].astype(np.float64) / 255
    constants = np.array([[0.1, 0.2, 0.3], [0.5, 0.25, 2.0]])[:, :, None, None]
    assert probe.dtype == torch.float32
    np.testing.assert_allclose(probe.numpy(), (pixels - constants[0]) / constants[1], rtol=1e-6, atol=1e-7)
    assert labels.tolist() == written["label"].values[-20:][:expected].tolist()
