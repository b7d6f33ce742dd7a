"""Data files as tensors, and torch set up for measurements that can be repeated."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.support.images import StoredImages, load_images


def prepare_torch(threads: int, device: str) -> None:
    """Use that many CPU threads and, on a GPU, full float32 precision (no TF32) and deterministic algorithms where they exist.

    On the CPU what is used here is deterministic for a given number of threads.
    """
    torch.set_num_threads(threads)
    if device == "cpu":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)  # its import takes more than a second


def load_probe(data: Path, count: int, device: str) -> tuple[Tensor, np.ndarray]:
    """Return the first `count` test images (all, if there are fewer), normalised as in training, and their labels.

    Returns:
        images: (P, ch, n, n) float32 on `device`.
        labels: (P,) int64, -1 where unknown.
    """
    stored = load_images(data, {"test": count}, at_most=True)
    return normalised(stored, "test", device), stored.labels["test"]


def normalised(stored: StoredImages, split: str, device: str) -> Tensor:
    """Images of a split that was read, (P, ch, n, n) float32 on `device`, normalised as in training."""
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in (stored.mean, stored.standard_deviation))
    return ((torch.from_numpy(stored.images[split]).double() / 255 - mean) / deviation).float().to(device)
