"""Random crops and flips of a whole batch at once, on its device, and the normalisation that follows them.

Crops and flips act on the stored uint8 images, so that what a crop brings in from outside is black (0) and not the mean grey
that a zero would be after normalisation. The choices are drawn on the CPU: they are the same on every device.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def draw_offsets(count: int, padding: int, generator: torch.Generator) -> Tensor:
    """Crop positions of `count` images: (count, 2) int64, row and column, uniform in 0 ... 2 padding."""
    return torch.randint(2 * padding + 1, (count, 2), generator=generator)


def draw_flips(count: int, generator: torch.Generator) -> Tensor:
    """Which of `count` images to flip: (count,) bool, each true with probability 1/2."""
    return torch.randint(2, (count,), generator=generator).bool()


def random_crop(images: Tensor, padding: int, offsets: Tensor) -> Tensor:
    """Crop each image, padded by `padding` zeros on each side, to its own size.

    images: (B, C, H, W); offsets: (B, 2) int64, row and column of each crop's corner in the padded image, on the device of
    the images; an offset of `padding` leaves the image as it is. Returns (B, C, H, W).
    """
    count, _, height, width = images.shape
    windows = F.pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=images.device), :, offsets[:, 0], offsets[:, 1]]


def random_flip(images: Tensor, flipped: Tensor) -> Tensor:
    """Mirror left to right those images (B, C, H, W) for which `flipped` (B,) is true."""
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def normalise(images: Tensor, mean: Tensor, standard_deviation: Tensor) -> Tensor:
    """(images / 255 - mean) / standard_deviation for uint8 images (B, C, H, W) and constants (C,), in the constants' type."""
    scaled = images.to(mean.dtype).div_(255)
    return scaled.sub_(mean[:, None, None]).div_(standard_deviation[:, None, None])
