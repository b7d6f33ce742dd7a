import hashlib
import json

import numpy as np
import pytest
import xarray as xr
from torchvision.datasets import KMNIST

from tests.unit.test_readers import idx
from tests.unit.test_sources import with_files, write
from workflow_scripts import prepare_dataset
from workflow_scripts.diffeo.enlargement import enlarge
from workflow_scripts.prepare_dataset import main
from workflow_scripts.support.images import load_images
from workflow_scripts.support.sources import COLLECTIONS, NAMED_FOLDER, obtain

TRAINING, TESTING = 60, 20


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a small MNIST whose images are all different; the collection expects its checksums."""
    generator = np.random.default_rng(0)
    arrays = [generator.integers(0, 256, (count, 6, 6), dtype=np.uint8) for count in (TRAINING, TESTING)]
    classes = [generator.integers(0, 10, count, dtype=np.uint8) for count in (TRAINING, TESTING)]
    return mnist_folder(tmp_path / "mnist", monkeypatch, arrays, classes)


def mnist_folder(path, monkeypatch, arrays, classes):
    files = {}
    for part, images, labels in zip(("train", "t10k"), arrays, classes, strict=True):
        files |= {f"{part}-images-idx3-ubyte": idx(images), f"{part}-labels-idx1-ubyte": idx(labels)}
    monkeypatch.setitem(COLLECTIONS, "mnist", with_files(COLLECTIONS["mnist"], files, sources=(NAMED_FOLDER,)))
    return write(path, files)


def mnist(folder, **changes):
    sizes = {"train": None, "validation": 10, "test": None}
    return {"collection": "mnist", "folder": str(folder), "seed": 0, "enlarge": 1, **sizes, **changes}


def scale(**changes):
    sizes = {"size": 12, "scale": 5, "gap": 1, "norm": "euclidean", "periodic": False, "train": 40, "validation": 8, "test": 9}
    return {"collection": "scale_detection", "seed": 0, "enlarge": 1, **sizes, **changes}


def photographs(**changes):
    constants = {"mean": [0.4, 0.5, 0.6], "standard_deviation": [0.1, 0.2, 0.3]}
    return {"collection": "photographs", "seed": 0, "enlarge": 1, "test": 7, "size": 16, "classes": 1000, **constants, **changes}


def torchvision(folder, **changes):
    """The files of `folder`, where torchvision looks for its KMNIST."""
    root = folder.with_name("root")
    (root / "KMNIST").mkdir(parents=True)
    (root / "KMNIST/raw").symlink_to(folder)
    sizes = {"train": None, "validation": 10, "test": None, "options": {}, "train_options": {}, "test_options": {}}
    block = {
        "collection": "torchvision",
        "name": "KMNIST",
        "folder": str(root),
        "size": 6,
        "colour": False,
        "seed": 0,
        "enlarge": 1,
    }
    return {**block, **sizes, **changes}


def write_own_file(path, folder, parts=True):
    """The images of `folder` in a file of one's own: the training part, then the test part."""
    original = obtain(COLLECTIONS["mnist"], folder)
    part = {"part": ("image", ["train"] * TRAINING + ["test"] * TESTING)} if parts else {}
    images, labels = (np.concatenate(values) for values in zip(original.train, original.test, strict=True))
    xr.Dataset({"images": (("image", "channel", "row", "column"), images), "label": ("image", labels), **part}).to_netcdf(path)
    return path


def load_split(path, split, count=None):
    stored = load_images(path, {split: count})
    return stored.images[split], stored.labels[split]


def prepared(tmp_path, settings, name="mine"):
    path = tmp_path / f"{name}.nc"
    main(path, name, settings)
    return path


def test_file_contract(tmp_path, folder):
    path = prepared(tmp_path, mnist(folder))
    with xr.open_dataset(path) as data:
        assert {name: (variable.dims, str(variable.dtype)) for name, variable in data.data_vars.items()} == {
            "images": (("image", "channel", "row", "column"), "uint8"),
            "label": (("image",), "int16"),
            "split": (("image",), "int8"),
            "source_index": (("image",), "int32"),
            "mean": (("dataset", "channel"), "float64"),
            "standard_deviation": (("dataset", "channel"), "float64"),
        }
        assert data["split"].values.tolist() == [0] * 50 + [1] * 10 + [2] * 20
        assert data["split"].attrs["flag_meanings"] == "train validation test"
        assert data["split"].attrs["flag_values"].tolist() == [0, 1, 2]
        assert data["dataset"].values.tolist() == ["mine"] and data.attrs["dataset"] == "mine"
        assert data.attrs["data_source"] == f"folder {folder}" and data.attrs["classes"] == 10
        assert data.attrs["licence"] == "CC BY-SA 3.0" and data.attrs["class_names"] == "0 1 2 3 4 5 6 7 8 9"
        digest = hashlib.sha256()
        for number in range(3):
            chosen = data["split"].values == number
            digest.update(data["images"].values[chosen].tobytes() + data["label"].values[chosen].astype("<i2").tobytes())
        assert data.attrs["content_sha256"] == digest.hexdigest()
        assert json.loads(data.attrs["configuration"]) == {"mine": mnist(folder)}
        assert data.attrs["enlarge"] == 1
    assert load_images(path, {}).classes == 10


def test_the_same_images_from_torchvision_or_a_file_of_ones_own_make_the_same_data(tmp_path, folder):
    file = write_own_file(tmp_path / "own.nc", folder)
    paths = [prepared(tmp_path, mnist(folder), "collection"), prepared(tmp_path, torchvision(folder), "torchvision")]
    settings = {**mnist(None), "collection": "netcdf", "file": str(file)}
    paths.append(tmp_path / "netcdf.nc")
    main(paths[-1], "netcdf", settings, [file])
    opened = [xr.open_dataset(path).load() for path in paths]
    for data in opened[1:]:
        xr.testing.assert_equal(data.drop_vars("dataset"), opened[0].drop_vars("dataset"))
        for name in ("content_sha256", "classes"):
            assert data.attrs[name] == opened[0].attrs[name]
        assert set(data.attrs) - {"source_sha256"} == set(opened[0].attrs) - {"source_sha256"}
    assert opened[1].attrs["class_names"].split()[:2] == ["o", "ki"]
    assert opened[2].attrs["source_sha256"] == f"own.nc:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def test_a_file_without_parts_is_cut_in_three(tmp_path, folder):
    file = write_own_file(tmp_path / "own.nc", folder, parts=False)
    settings = {"collection": "netcdf", "file": str(file), "seed": 0, "enlarge": 1, "train": None, "validation": 10, "test": 15}
    main(tmp_path / "data.nc", "mine", settings, [file])
    with xr.open_dataset(file) as own, xr.open_dataset(tmp_path / "data.nc") as data:
        index = data["source_index"].values
        assert np.bincount(data["split"].values).tolist() == [55, 10, 15] and sorted(index) == list(range(80))
        np.testing.assert_array_equal(data["images"].values, own["images"].values[index])
        np.testing.assert_array_equal(data["label"].values, own["label"].values[index])
    with pytest.raises(ValueError, match=r"^70 validation images of .*own\.nc are asked for, but only 65 are left$"):
        main(tmp_path / "data.nc", "mine", {**settings, "validation": 70}, [file])
    with pytest.raises(ValueError, match=r"^test is null, but .*own\.nc has no test part of its own: say how many"):
        main(tmp_path / "data.nc", "mine", {**settings, "test": None}, [file])


def test_few_images_of_a_torchvision_set_are_read_without_the_others(tmp_path, folder, monkeypatch):
    read = []
    original = KMNIST.__getitem__
    monkeypatch.setattr(KMNIST, "__getitem__", lambda part, index: read.append(index) or original(part, index))
    prepared(tmp_path, torchvision(folder, train=5, validation=3, test=4))
    assert len(read) == 12


def test_splits_are_disjoint_complete_and_keep_their_labels(tmp_path, folder):
    path = prepared(tmp_path, mnist(folder))
    original = obtain(COLLECTIONS["mnist"], folder)
    with xr.open_dataset(path) as data:
        index = data["source_index"].values
    assert sorted(index[:60]) == list(range(60)) and sorted(index[60:]) == list(range(20))
    assert index[:50].tolist() != sorted(index[:50])
    for split, chosen, part in (
        ("train", index[:50], original.train),
        ("validation", index[50:60], original.train),
        ("test", index[60:], original.test),
    ):
        images, labels = load_split(path, split)
        assert (images == part.images[chosen]).all() and (labels == part.labels[chosen]).all()
        assert images.dtype == np.uint8 and labels.dtype == np.int64


@pytest.mark.parametrize("make", ["mnist", "scale_detection"])
def test_first_images_are_the_same_whatever_the_number_kept(tmp_path, folder, make):
    def settings(**changes):
        return mnist(folder, **changes) if make == "mnist" else scale(**changes)

    large = prepared(tmp_path, settings(train=40, test=18, validation=10), "large")
    small = prepared(tmp_path, settings(train=15, test=7, validation=4), "small")
    for split, count in (("train", 15), ("validation", 4), ("test", 7)):
        for one, other in zip(load_split(large, split, count), load_split(small, split), strict=True):
            assert (one == other).all()
    assert (load_split(large, "train", 10)[0] == load_split(large, "train", 20)[0][:10]).all()


@pytest.mark.parametrize("make", ["mnist", "scale_detection"])
def test_everything_is_a_function_of_the_seed(tmp_path, folder, make):
    def data(name, **changes):
        path = prepared(tmp_path, mnist(folder, **changes) if make == "mnist" else scale(**changes), name)
        with xr.open_dataset(path) as opened:
            return opened.load()

    one, same, other = data("one"), data("same"), data("other", seed=1)
    for name in ("images", "label", "split", "source_index"):
        assert (one[name].values == same[name].values).all()
    assert one.attrs["content_sha256"] == same.attrs["content_sha256"] != other.attrs["content_sha256"]


def test_normalisation_comes_from_the_training_images_alone(tmp_path, folder):
    path = prepared(tmp_path, mnist(folder, train=30))
    pixels = load_split(path, "train")[0].astype(np.float64) / 255
    stored = load_images(path, {})
    assert stored.mean.shape == stored.standard_deviation.shape == (1,)
    assert abs(stored.mean[0] - pixels.mean()) < 1e-12 and abs(stored.standard_deviation[0] - pixels.std()) < 1e-12
    everything = load_images(prepared(tmp_path, mnist(folder, validation=1), "everything"), {})
    assert everything.mean[0] != stored.mean[0]


def test_normalisation_of_each_channel():
    images = np.random.default_rng(1).integers(0, 256, (20, 3, 5, 5), dtype=np.uint8)
    images //= np.array([1, 2, 5], np.uint8)[:, None, None]
    mean, deviation = prepare_dataset.normalisation(images, "x")
    np.testing.assert_allclose(mean, (images / 255).mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(deviation, (images / 255).std(axis=(0, 2, 3)), rtol=1e-12)


def test_constant_images_are_refused(tmp_path, monkeypatch):
    arrays = [np.full((count, 6, 6), 7, np.uint8) for count in (TRAINING, TESTING)]
    classes = [np.zeros(count, np.uint8) for count in (TRAINING, TESTING)]
    folder = mnist_folder(tmp_path / "constant", monkeypatch, arrays, classes)
    with pytest.raises(ValueError, match="channel 0 of the 50 training images of mine is 7: the standard deviation is 0"):
        main(tmp_path / "out.nc", "mine", mnist(folder))
    assert not (tmp_path / "out.nc").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train": 51}, "51 training images of mnist are asked for, but only 50 are left"),
        ({"validation": 61}, "61 validation images of mnist are asked for, but only 60 are left"),
        ({"validation": 60}, "no training images of mnist are left"),
        ({"test": 21}, "21 test images of mnist are asked for, but only 20 are left"),
    ],
)
def test_more_images_than_there_are(tmp_path, folder, changes, words):
    with pytest.raises(ValueError, match=words):
        main(tmp_path / "out.nc", "mine", mnist(folder, **changes))


def test_mnist_5k_is_shuffled_and_cut_in_three(tmp_path):
    sizes = {"train": None, "validation": 500, "test": 1000}
    settings = {"collection": "mnist_5k", "folder": None, "seed": 0, "enlarge": 1, **sizes}
    path = prepared(tmp_path, settings)
    with xr.open_dataset(path) as data:
        assert sorted(data["source_index"].values) == list(range(5000))
        assert np.bincount(data["split"].values).tolist() == [3500, 500, 1000]
    for split in ("train", "validation", "test"):
        counts = np.bincount(load_split(path, split)[1], minlength=10)
        assert (np.abs(counts - counts.mean()) < 5 * np.sqrt(counts.mean())).all()
    with pytest.raises(ValueError, match="test is null, but mnist_5k has no test part of its own"):
        main(tmp_path / "out.nc", "mine", {**settings, "test": None})


def test_scale_detection_draws_each_split_by_itself(tmp_path):
    path = prepared(tmp_path, scale())
    splits = [load_split(path, split)[0] for split in ("train", "validation", "test")]
    assert [part.shape for part in splits] == [(40, 1, 12, 12), (8, 1, 12, 12), (9, 1, 12, 12)]
    assert (splits[0][:8] != splits[1]).any() and (splits[1] != splits[2][:8]).any()
    assert load_images(path, {}).classes == 2


@pytest.mark.parametrize("make", ["mnist", "scale_detection", "photographs"])
def test_enlarged_images_are_the_same_in_the_same_splits_and_order(tmp_path, folder, make):
    def data(name, **changes):
        settings = {"mnist": mnist(folder), "scale_detection": scale(), "photographs": photographs()}[make]
        with xr.open_dataset(prepared(tmp_path, {**settings, **changes}, name)) as opened:
            return opened.load()

    small, large = data("small"), data("large", enlarge=3)
    assert large.attrs["enlarge"] == 3 and json.loads(large.attrs["configuration"])["large"]["enlarge"] == 3
    for name in ("label", "split", "source_index"):
        assert (small[name].values == large[name].values).all()
    assert (large["images"].values == enlarge(small["images"].values, 3)).all()
    assert large["images"].shape[2:] == tuple(3 * length for length in small["images"].shape[2:])
    assert small.attrs["content_sha256"] != large.attrs["content_sha256"]


def test_scale_detection_takes_its_norm_from_the_configuration(tmp_path):
    def digest(**changes):
        path = prepared(tmp_path, scale(**changes))
        with xr.open_dataset(path) as data:
            return data.attrs["content_sha256"]

    assert len({digest(), digest(norm="maximum"), digest(periodic=True), digest(norm="manhattan", periodic=True)}) == 4


def test_photographs_are_test_images_with_constants_of_the_configuration(tmp_path):
    path = prepared(tmp_path, photographs())
    stored = load_images(path, {"train": None, "validation": None, "test": None})
    assert [len(stored.images[split]) for split in stored.images] == [0, 0, 7] and stored.shape == (3, 16, 16)
    assert stored.labels["test"].tolist() == [-1] * 7 and stored.classes == 1000
    assert stored.mean.tolist() == [0.4, 0.5, 0.6] and stored.standard_deviation.tolist() == [0.1, 0.2, 0.3]
    with xr.open_dataset(path) as data:
        assert len(set(data["photograph"].values[:6])) == 6 and data["photograph"].dims == ("image",)
        assert "as configured" in data["mean"].attrs["long_name"]
        assert "china: CC BY 2.0, danielbuechele (in scikit-learn " in data.attrs["licence"]


def test_few_images_are_read_without_unpacking_the_others(tmp_path):
    path = prepared(tmp_path, scale(size=64, train=1000))
    with xr.open_dataset(path) as data:
        assert data["images"].encoding["chunksizes"] == (64, 1, 64, 64)
