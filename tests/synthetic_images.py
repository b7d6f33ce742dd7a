"""Data files of scale-detection images for tests."""

from pathlib import Path

from workflow_scripts.prepare_dataset import main as prepare_dataset


def write_dots(path: Path, size: int, *, scale: float = 7, train: int = 50, validation: int = 20, test: int = 30) -> Path:
    """Write the data file of the data set `dots`: so many images of each split, `size` pixels along an edge."""
    counts = {"train": train, "validation": validation, "test": test}
    task = {"collection": "scale_detection", "size": size, "scale": scale, "gap": 1, "norm": "euclidean", "periodic": False}
    prepare_dataset(path, "dots", {**task, **counts, "folder": None, "enlarge": 1, "seed": 0})
    return path
