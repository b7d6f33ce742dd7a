"""Data files as tensors, and torch set up for measurements that can be repeated."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.support.images import load_normalisation, load_split


def prepare_torch(threads: int) -> None:
    """Use that many CPU threads, full float32 precision (no TF32) and deterministic algorithms where torch has them."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)


def load_probe(data: Path, count: int, device: str) -> tuple[Tensor, np.ndarray]:
    """Return the first `count` test images, normalised as in training, (P, ch, n, n) float32 on `device`, and their labels."""
    images, labels = load_split(data, "test", count)
    mean, deviation = (torch.tensor(values).view(-1, 1, 1) for values in load_normalisation(data))
    normalised = (torch.from_numpy(images).double() / 255 - mean) / deviation
    return normalised.float().to(device), labels
