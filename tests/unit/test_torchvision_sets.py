"""Sets of torchvision.datasets: files in torchvision's own layouts, parts, classes, sizes, downloads, errors."""

import bz2
import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets, transforms

from tests.unit.test_readers import idx
from workflow_scripts.support.configuration import load_schema
from workflow_scripts.support.sources import SourceError
from workflow_scripts.support.torchvision_sets import construct, part_options, torchvision_set

ROOT = Path(__file__).parents[2]
DATASET = load_schema(ROOT / "schemas/config.schema.yaml")["$defs"]["dataset"]
NAMES: list[str] = next(
    branch["then"]["properties"]["name"]["enum"] for branch in DATASET["allOf"] if "name" in branch["then"].get("properties", {})
)
# Detection, segmentation, captions, pairs, faces (of other people in each part), flow, stereo, video, base classes; sets whose
# images or classes torchvision lists in the order of the file system; LSUN needs a package of its own.
LEFT_OUT = """
    CarlaStereo CelebA Cityscapes CocoCaptions CocoDetection CREStereo DatasetFolder ETH3DStereo FallingThingsStereo Flickr30k
    Flickr8k FlyingChairs FlyingThings3D HD1K HMDB51 InStereo2k Kinetics Kitti Kitti2012Stereo Kitti2015Stereo KittiFlow LFWPairs
    LFWPeople Middlebury2014Stereo MovingMNIST PhotoTour SBDataset SBU SceneFlowStereo Sintel SintelStereo UCF101 VisionDataset
    VOCDetection VOCSegmentation WIDERFace

    INaturalist Omniglot SUN397

    LSUN LSUNClass
"""
# The options that sets need beside their name.
NEEDED: dict[str, dict[str, Any]] = {
    "EMNIST": {"options": {"split": "letters"}},
    "CLEVRClassification": {"test_options": {"split": "val"}},
    "ImageNet": {"test_options": {"split": "val"}},
    "Imagenette": {"test_options": {"split": "val"}},
    "Places365": {"test_options": {"split": "val"}},
}
IN_ONE_PART = {"Caltech101", "Caltech256", "EuroSAT", "FakeData", "ImageFolder", "SEMEION"}


def settings(name: str, folder: Path | None = None, **changes: Any) -> dict[str, Any]:
    options = {"options": {}, "train_options": {}, "test_options": {}}
    common = {"collection": "torchvision", "name": name, "folder": str(folder) if folder else None, "size": 28, "colour": False}
    return {**common, **options, **changes}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "diffeo" / "torchvision"


def digits(seed: int = 0, edge: int = 28) -> dict[str, np.ndarray]:
    """Images and labels of a training part of 7 and a test part of 5."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", 7), ("t10k", 5)):
        arrays[f"{part}-images-idx3-ubyte"] = generator.integers(0, 256, (count, edge, edge), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = generator.integers(0, 10, count, dtype=np.uint8)
    return arrays


def write_digits(folder: Path, arrays: dict[str, np.ndarray], prefix: str = "") -> None:
    folder.mkdir(parents=True)
    for name, values in arrays.items():
        (folder / f"{prefix}{name}").write_bytes(idx(values))


def everything(part: Any) -> tuple[np.ndarray, list[int]]:
    images, labels = part.read(np.arange(part.size))
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    return images, labels.tolist()


@pytest.mark.parametrize("name", ["KMNIST", "MNIST", "FashionMNIST"])
def test_idx_files_are_read_as_they_are(tmp_path: Path, name: str) -> None:
    arrays = digits()
    write_digits(tmp_path / "data" / name / "raw", arrays)
    found = torchvision_set(settings(name, tmp_path / "data"))
    assert found.name == name and found.attributes["classes"] == 10
    assert found.attributes["data_source"] == f"folder {tmp_path / 'data'}"
    assert found.attributes["references"] == f"torchvision.datasets.{name}"
    for part, file in ((found.train, "train"), (found.test, "t10k")):
        images, labels = everything(part)
        np.testing.assert_array_equal(images, arrays[f"{file}-images-idx3-ubyte"][:, None])
        assert labels == arrays[f"{file}-labels-idx1-ubyte"].tolist()
    images, labels = found.train.read(np.array([4, 1]))
    np.testing.assert_array_equal(images, arrays["train-images-idx3-ubyte"][[4, 1], None])


def test_options_go_to_both_parts_and_the_set_names_its_classes(tmp_path: Path) -> None:
    arrays = digits()
    for part in ("train", "t10k"):
        arrays[f"{part}-labels-idx1-ubyte"] += 1
    raw = tmp_path / "data" / "EMNIST" / "raw"
    write_digits(raw, {f"emnist-letters-{name.replace('t10k', 'test')}": values for name, values in arrays.items()})
    found = torchvision_set(settings("EMNIST", tmp_path / "data", options={"split": "letters"}))
    assert found.attributes["classes"] == 27 and found.attributes["class_names"].split()[:3] == ["N/A", "a", "b"]
    assert everything(found.test)[1] == arrays["t10k-labels-idx1-ubyte"].tolist()


def write_usps(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Lines `label index:value ...` with labels from 1 and values from -1 to 1; returns the labels less 1 and the images."""
    folder.mkdir()
    generator = np.random.default_rng(2)
    labels, images = [np.array([0, 9, 3, 5]), np.array([7, 1])], []
    for file, classes in zip(("usps.bz2", "usps.t.bz2"), labels, strict=True):
        values = generator.choice([-1, -0.5, 0, 0.5, 1], (len(classes), 256))
        lines = [
            " ".join([str(label + 1), *(f"{k + 1}:{value}" for k, value in enumerate(row))])
            for label, row in zip(classes, values, strict=True)
        ]
        (folder / file).write_bytes(bz2.compress("\n".join(lines).encode()))
        images.append(np.floor((values + 1) / 2 * 255).astype(np.uint8).reshape(-1, 1, 16, 16))
    return np.concatenate(labels), images


def test_a_set_that_does_not_name_its_classes_has_as_many_as_its_largest_label_says(tmp_path: Path) -> None:
    labels, images = write_usps(tmp_path / "data")
    found = torchvision_set(settings("USPS", tmp_path / "data", size=16))
    assert found.attributes["classes"] == 10 and found.attributes["class_names"] == "0 1 2 3 4 5 6 7 8 9"
    np.testing.assert_array_equal(everything(found.train)[0], images[0])
    np.testing.assert_array_equal(everything(found.test)[0], images[1])
    assert everything(found.train)[1] + everything(found.test)[1] == labels.tolist()


def save_images(folder: Path, shapes: dict[str, tuple[int, int]], mode: str = "RGB") -> None:
    for seed, (file, shape) in enumerate(shapes.items()):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(values).convert(mode).save(folder / file)


@pytest.mark.parametrize("colour", [True, False])
def test_images_of_other_shapes_are_cropped_to_a_square_and_resized(tmp_path: Path, colour: bool) -> None:
    shapes = {"cat/0.png": (40, 50), "cat/1.png": (61, 35), "dog/0.png": (32, 32), "dog/1.png": (20, 20)}
    save_images(tmp_path / "data", shapes)
    found = torchvision_set(settings("ImageFolder", tmp_path / "data", size=32, colour=colour))
    assert found.test is None and found.attributes["class_names"] == "cat dog"
    images, labels = everything(found.train)
    assert labels == [0, 0, 1, 1] and images.shape == (4, 3 if colour else 1, 32, 32)
    for image, (file, shape) in zip(images, shapes.items(), strict=True):
        with Image.open(tmp_path / "data" / file) as original:
            converted = original.convert("RGB" if colour else "L")
        expected = transforms.Resize(32)(transforms.CenterCrop(min(shape))(converted))
        expected = np.asarray(expected).transpose(2, 0, 1) if colour else np.asarray(expected)[None]
        np.testing.assert_array_equal(image, expected)
    with Image.open(tmp_path / "data/dog/0.png") as original:  # has this size already
        np.testing.assert_array_equal(
            images[2, 0], np.asarray(original)[:, :, 0] if colour else np.asarray(original.convert("L"))
        )


def test_grey_images_in_colour_have_three_equal_channels(tmp_path: Path) -> None:
    save_images(tmp_path / "data", {"cat/0.png": (8, 8), "dog/0.png": (8, 8)}, mode="L")
    images, _ = everything(torchvision_set(settings("ImageFolder", tmp_path / "data", size=8, colour=True)).train)
    assert (images == images[:, :1]).all() and images.std() > 0


def test_a_test_part_of_its_own_folder(tmp_path: Path) -> None:
    save_images(tmp_path / "training", {"cat/0.png": (8, 8), "dog/0.png": (8, 8)})
    save_images(tmp_path / "testing", {"cat/0.png": (8, 8), "dog/0.png": (8, 8), "dog/1.png": (8, 8)})
    changes = {"size": 8, "test_options": {"root": str(tmp_path / "testing")}}
    found = torchvision_set(settings("ImageFolder", tmp_path / "training", **changes))
    assert (found.train.size, found.test and found.test.size) == (2, 3)
    save_images(tmp_path / "testing", {"bird/0.png": (8, 8)})
    with pytest.raises(ValueError, match=r"^the training and the test part of ImageFolder have different classes$"):
        torchvision_set(settings("ImageFolder", tmp_path / "training", **changes))


def test_generated_images_need_no_folder() -> None:
    found = torchvision_set(settings("FakeData", size=12, colour=True, options={"size": 20, "num_classes": 3}))
    assert found.test is None and found.train.size == 20 and found.attributes["classes"] == 3
    assert found.attributes["data_source"] == "generated by torchvision"
    again = torchvision_set(settings("FakeData", size=12, colour=True, options={"size": 20, "num_classes": 3}))
    np.testing.assert_array_equal(everything(found.train)[0], everything(again.train)[0])


def test_the_schema_names_every_set_that_is_not_left_out() -> None:
    classes = {name for name in datasets.__all__ if isinstance(getattr(datasets, name), type)}
    assert sorted(NAMES + LEFT_OUT.split()) == sorted(classes)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"FakeData"}))
def test_every_set_takes_the_options_of_its_parts_and_misses_only_its_files(name: str, tmp_path: Path) -> None:
    make, block = getattr(datasets, name), settings(name, **NEEDED.get(name, {}))
    options = part_options(make, block)
    assert len(options) == (1 if name in IN_ONE_PART else 2)
    assert len({repr(part) for part in options}) == len(options)
    for part in options:
        with pytest.raises(SourceError):
            construct(make, block["options"] | part, tmp_path)
    assert not list(tmp_path.iterdir()) or name in ("Caltech101", "Caltech256")  # these make a folder


class Features(datasets.VisionDataset):
    """Like CelebA: a vector for each image."""

    item: Any = (Image.new("L", (4, 4)), np.zeros(40, int))

    def __init__(self, root: str) -> None:
        super().__init__(root)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return self.item


@pytest.mark.parametrize(
    "item", [Features.item, (np.zeros((4, 4)), 1), (Image.new("L", (4, 4)), 0.5), Image.new("L", (4, 4)), (1, 2, 3)]
)
def test_what_is_no_image_with_one_class_is_refused(item: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "Features", Features, raising=False)
    monkeypatch.setattr(Features, "item", item)
    with pytest.raises(
        ValueError, match=r"^torchvision\.datasets\.Features with these options is no set of images with one class"
    ):
        torchvision_set(settings("Features", tmp_path))


def test_labels_beyond_the_named_classes_and_16_bits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "Features", Features, raising=False)
    monkeypatch.setattr(Features, "classes", ["a", "b"], raising=False)
    monkeypatch.setattr(Features, "item", (Image.new("L", (4, 4)), 2))
    with pytest.raises(ValueError, match=r"^image 0 of Features is of class 2, but there are 2 classes$"):
        everything(torchvision_set(settings("Features", tmp_path)).train)
    monkeypatch.setattr(Features, "item", (Image.new("I;16", (4, 4)), 1))
    with pytest.raises(ValueError, match=r"^an image has more than 8 bits a channel \(mode I;16\)$"):
        everything(torchvision_set(settings("Features", tmp_path)).train)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("EMNIST", {}, r"^torchvision\.datasets\.EMNIST\(\): .*missing 1 required positional argument: 'split'"),
        ("USPS", {"options": {"color": 1}}, r"^torchvision\.datasets\.USPS\(color=1\): .*unexpected keyword argument 'color'"),
        ("Imagenette", {"train_options": {"split": "valid"}}, r"\(split='valid'\): Unknown value 'valid' .*'train', 'val'"),
    ],
)
def test_options_that_the_class_does_not_take_are_refused(name: str, changes: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        torchvision_set(settings(name, tmp_path, **changes))


def test_files_that_are_nowhere_are_explained(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        torchvision_set(settings("ImageFolder", tmp_path / "nowhere"))
    lines = str(error.value).splitlines()
    assert lines[0] == "no source of torchvision.datasets.ImageFolder works:"
    assert lines[1].startswith(f"  - {tmp_path / 'nowhere'}: ")
    assert lines[2] == "  - torchvision cannot download it: name the folder that holds it (key `folder`)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server with the files in `served`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    (tmp_path / "served").mkdir()
    handler = partial(Quiet, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


def test_downloads_are_checked_kept_and_used_again(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    arrays, resources = digits(), []
    for name, values in arrays.items():
        content = gzip.compress(idx(values))
        (tmp_path / "served" / f"{name}.gz").write_bytes(content)
        resources.append((f"{name}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(datasets.KMNIST, "mirrors", [server])
    monkeypatch.setattr(datasets.KMNIST, "resources", [(name, "0" * 32) for name, _ in resources])
    words = (
        r"^no source of torchvision\.datasets\.KMNIST works:\n.*/data: Dataset not found.*\n  - download to .*: File not found or"
    )
    with pytest.raises(SourceError, match=words):
        torchvision_set(settings("KMNIST", tmp_path / "data"))
    assert not list(empty_cache.iterdir())
    monkeypatch.setattr(datasets.KMNIST, "resources", resources)
    found = torchvision_set(settings("KMNIST", tmp_path / "data"))
    assert found.attributes["data_source"] == "download with torchvision"
    np.testing.assert_array_equal(everything(found.test)[0], arrays["t10k-images-idx3-ubyte"][:, None])
    assert [path.name.rsplit("-", 1)[0] for path in empty_cache.iterdir()] == ["KMNIST"]
    monkeypatch.setattr(datasets.KMNIST, "mirrors", ["http://127.0.0.1:1/"])
    again = torchvision_set(settings("KMNIST"))
    np.testing.assert_array_equal(everything(again.train)[0], arrays["train-images-idx3-ubyte"][:, None])
