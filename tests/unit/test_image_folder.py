"""Folders of images: classes, which images are taken, preparation as torchvision's, errors that name the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from workflow_scripts.support.image_folder import images_of_folder, spread
from workflow_scripts.support.photographs import ImageError


def settings(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"folder": str(folder), "test": 6, "size": 28, "seed": 0, "classes": 3, **changes}


def save(path: Path, seed: int, shape: tuple[int, int] = (40, 50), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(values).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of 2, 5 and 3 images; files in the order of their names are numbered by their seeds."""
    sizes = {"n01": 2, "n02": 5, "n10": 3}
    files = [f"{name}/{number}.png" for name, count in sizes.items() for number in range(count)]
    for seed, file in enumerate(files):
        save(tmp_path / "images" / file, seed, shape=(40 + seed, 50))
    (tmp_path / "images" / ".hidden").mkdir()
    (tmp_path / "images" / "n01" / ".DS_Store").touch()
    (tmp_path / "images" / "empty").mkdir()
    return tmp_path / "images"


def test_the_position_of_the_subfolder_is_the_class(folder: Path) -> None:
    found = images_of_folder(settings(folder, test=10))
    assert sorted(found.names) == sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    classes = {"n01": 0, "n02": 1, "n10": 2}
    assert found.images.labels.tolist() == [classes[name.split("/")[0]] for name in found.names]
    assert [sorted(found.names)[index] for index in found.images.source_index] == found.names
    assert found.attributes["data_source"] == f"folder {folder}" and found.attributes["licence"].startswith("unknown")


def test_images_are_spread_over_the_classes_and_do_not_depend_on_their_number(folder: Path) -> None:
    few, many = images_of_folder(settings(folder, test=6)), images_of_folder(settings(folder, test=10))
    assert sorted(many.images.labels[:3]) == sorted(many.images.labels[3:6]) == [0, 1, 2]
    assert sorted(many.images.labels[6:]) == [1, 1, 1, 2]
    np.testing.assert_array_equal(few.images.images, many.images.images[:6])
    assert few.names == many.names[:6]
    assert images_of_folder(settings(folder, test=10, seed=1)).names != many.names


def test_spread_draws_every_image_of_a_class_alike() -> None:
    labels = np.repeat([0, 1], [4, 60])
    chosen = np.concatenate([spread(labels, seed)[:8] for seed in range(600)])
    counts = np.bincount(chosen, minlength=64)
    assert (counts[:4] == 600).all()  # 8 images are 4 of each class, so all of the small one
    assert abs(counts[4:] - 2400 / 60).max() < 5 * (2400 / 60) ** 0.5


@pytest.mark.parametrize("shape", [(40, 50), (61, 35), (300, 201), (29, 29), (20, 20)])
@pytest.mark.parametrize("size", [28, 33])
def test_preparation_is_that_of_torchvision(tmp_path: Path, shape: tuple[int, int], size: int) -> None:
    save(tmp_path / "a.png", 0, shape)
    found = images_of_folder(settings(tmp_path, test=1, size=size)).images.images[0]
    prepare = transforms.Compose([transforms.Resize(size * 256 // 224), transforms.CenterCrop(size)])
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(found, np.asarray(prepare(image)).transpose(2, 0, 1))


def test_images_without_subfolders_have_unknown_classes(tmp_path: Path) -> None:
    for seed in range(4):
        save(tmp_path / f"{seed}.JPEG", seed, mode="L" if seed == 2 else "RGB")
    found = images_of_folder(settings(tmp_path, test=4))
    assert found.images.labels.tolist() == [-1] * 4 and sorted(found.names) == [f"{seed}.JPEG" for seed in range(4)]
    assert found.images.images.shape == (4, 3, 28, 28)


def test_a_damaged_image_is_named(folder: Path) -> None:
    damaged = folder / "n02" / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:500])
    with pytest.raises(ImageError, match=rf"^{damaged} cannot be read as an image \("):
        images_of_folder(settings(folder, test=10))


@pytest.mark.parametrize("place", ["notes.txt", "n01/notes.txt", "n01/deeper"])
def test_what_is_not_an_image_is_named_even_if_it_is_not_drawn(folder: Path, place: str) -> None:
    path = folder / place
    path.mkdir() if place.endswith("deeper") else path.write_text("no image")
    with pytest.raises(ImageError, match=rf"^{path} is not an image \(\.jpg, .*\); move it out of the folder {folder}$"):
        images_of_folder(settings(folder, test=1))


def test_other_mistakes_are_explained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^folder is '.*nowhere', but there is no such folder$"):
        images_of_folder(settings(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"^11 images of .* are asked for, but only 10 are left$"):
        images_of_folder(settings(folder, test=11))
    with pytest.raises(ValueError, match=r"^classes is 1000, but .* has 3 subfolders with images: .* none may be missing"):
        images_of_folder(settings(folder, classes=1000))
    save(folder / "stray.png", 0)
    with pytest.raises(ValueError, match=r"holds images \(stray\.png\) as well as subfolders with images"):
        images_of_folder(settings(folder))
    (tmp_path / "void").mkdir()
    with pytest.raises(ValueError, match=r"^6 images of .*void are asked for, but only 0 are left$"):
        images_of_folder(settings(tmp_path / "void"))
