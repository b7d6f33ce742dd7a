"""Resampling a batch of images at displaced coordinates: bilinear, bicubic or gaussian."""

import torch
import torch.nn.functional as F
from torch import Tensor

INTERPOLATIONS = ("bilinear", "bicubic", "gaussian")
GAUSSIAN_WIDTH = 0.4715
"""Standard deviation of the gaussian kernel, in pixels; what lies beyond 3 pixels weighs less than 1e-8."""
GAUSSIAN_TAPS = range(-2, 4)
"""Pixels that contribute along each axis, counted from the floor of the coordinate."""
PIXELS_AT_A_TIME = 2**16
"""The gaussian window takes some 300 bytes for an output pixel: it is laid out for this many at a time."""


def warp(images: Tensor, displacement: Tensor, interpolation: str) -> Tensor:
    """Pull images back by a displacement: (tau x)(s) = x(s - tau(s)), coordinates clamped to the image.

    `images`: (B, ch, h, w), float32 or float64; `displacement`: (B, 2, h, w) in pixels, component 0 in the
    direction of the rows' index, 1 in that of the columns'; `interpolation`: "bilinear", "bicubic" (a = -3/4, the
    border replicated) or "gaussian" (normalised over the pixels of the image; blurs even at zero displacement).
    Returns (B, ch, h, w) in the type of the images. Zero displacement is the exact identity unless "gaussian".
    Raises ValueError for an unknown interpolation or shapes that do not match.
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation is {interpolation!r}; it must be one of {', '.join(INTERPOLATIONS)}")
    batch, _, height, width = images.shape
    if displacement.shape != (batch, 2, height, width):
        raise ValueError(
            f"displacement has shape {tuple(displacement.shape)}; images of shape {tuple(images.shape)} "
            f"need {(batch, 2, height, width)}"
        )
    rows = torch.arange(height, device=images.device)[:, None] - displacement[:, 0]
    columns = torch.arange(width, device=images.device) - displacement[:, 1]
    rows, columns = rows.clamp_(0, height - 1), columns.clamp_(0, width - 1)
    if interpolation != "gaussian":
        return sample_at(images, rows, columns, interpolation)
    chunk = max(1, PIXELS_AT_A_TIME // (height * width))
    parts = zip(*(torch.split(part, chunk) for part in (images, rows, columns)), strict=True)
    return torch.cat([_sample_gaussian(*part) for part in parts])


def smooth(images: Tensor, interpolation: str) -> Tensor:
    """The images as `warp` shows them at zero displacement: blurred by "gaussian", themselves otherwise."""
    if interpolation != "gaussian":
        return images
    batch, _, height, width = images.shape
    return warp(images, images.new_zeros(batch, 2, height, width), interpolation)


def sample_at(images: Tensor, rows: Tensor, columns: Tensor, mode: str) -> Tensor:
    """Read images (B, ch, h, w) at pixel coordinates (B, h', w') within them, "bilinear" or "bicubic": (B, ch, h', w').

    Whole coordinates give the pixels exactly. `grid_sample` takes coordinates in units of the image side, exact only for
    powers of two: the images are first continued to such sides by their last row and column (as bicubic sampling does
    beyond the border anyway).
    """
    height, width = (1 << (side - 1).bit_length() for side in images.shape[2:])
    continued = F.pad(images, (0, width - images.shape[3], 0, height - images.shape[2]), mode="replicate")
    grid = torch.stack(((2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1), dim=-1)
    return F.grid_sample(continued, grid.to(images.dtype), mode, padding_mode="border", align_corners=False)


def _sample_gaussian(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Gaussian sampling at pixel coordinates (B, h, w) within the image.

    The weight of a pixel is a product of one for its row and one for its column. So every output pixel is first a weighted sum
    of 6 rows of a table, whose rows are the windows of 6 pixels along the columns of all images; then a weighted sum of these 6.
    Images are continued by zeros; a channel of ones sums up to the normalisation.
    """
    taps, before, after = len(GAUSSIAN_TAPS), -GAUSSIAN_TAPS[0], GAUSSIAN_TAPS[-1]
    continued = F.pad(torch.cat((images, torch.ones_like(images[:, :1])), dim=1), (before, after, before, after))
    windows = continued.unfold(3, taps, 1).permute(0, 2, 3, 4, 1)
    batch, height, width, _, channels = windows.shape
    numbers = torch.arange(batch * images[0, 0].numel() * taps, dtype=torch.int32, device=images.device).view(-1, taps)

    row, column = rows.floor(), columns.floor()
    image = torch.arange(batch, device=images.device)[:, None, None] * (height * width)
    first = (image + row * width + column).to(torch.int32).view(-1, 1)
    by_row = _gaussian_weights((rows - row).to(images.dtype))
    by_column = _gaussian_weights((columns - column).to(images.dtype))
    summed = F.embedding_bag(
        first + width * numbers[0], windows.reshape(-1, taps * channels), mode="sum", per_sample_weights=by_row
    )
    summed = F.embedding_bag(numbers, summed.view(-1, channels), mode="sum", per_sample_weights=by_column)
    return (summed[:, :-1] / summed[:, -1:]).view(*rows.shape, -1).movedim(-1, 1)


def _gaussian_weights(fraction: Tensor) -> Tensor:
    """Weights (N, 6) of the pixels around coordinates with these fractions (N elements), up to a factor common to the 6."""
    taps = torch.arange(GAUSSIAN_TAPS.start, GAUSSIAN_TAPS.stop, dtype=fraction.dtype, device=fraction.device) - 0.5
    # |tap - fraction|^2 is expanded; its part without a tap is the common factor.
    exponent = torch.addmm(-taps.square() / 2, fraction.view(-1, 1) - 0.5, taps[None]) / GAUSSIAN_WIDTH**2
    return exponent.exp_()
