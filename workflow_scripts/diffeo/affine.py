"""Translation, rotation, compression and pure shear of what is inside a box of an image.

A transform moves the content at s by d(s) = U (s − c) + t, with c the centre of the receptive field and s, d = (row, column) in
pixels; as everywhere here, the image is pulled back, (τx)(s) = x(s − d(s)). For `translation` U = 0, for the others t = 0 and,
with the norm δ = ‖U‖ (Frobenius), a sign ± and an angle φ:

- `rotation` by θ, δ = 2√2 sin(θ/2): U = I − R(−θ) = [[1 − cos θ, ∓sin θ], [±sin θ, 1 − cos θ]], so that the content is turned
  by exactly θ, x' = R(θ) x. On the slides U = R(θ) − I is the displacement where the content arrives; this one is where it is
  read. They have the same norm and agree to first order.
- `compression`: U = ±δ/√2 I (with + the content expands).
- `shear`: U = δ/√2 [[cos φ, sin φ], [sin φ, −cos φ]].
- `translation`: t = δ (cos φ, sin φ), δ in pixels.

UᵀU is a multiple of I for each of the linear ones, so that the root mean square of |d| over any pixels is ‖U‖ √(⟨|s − c|²⟩/2),
which is ‖U‖ √((p² − 1)/12) for p × p pixels about their centre.

Only pixels inside the box change. What they show is read from the image itself, bilinearly: content moves in from outside the
box, as if the image were deformed there, and coordinates are clamped to the image.

Source: slides "Linear transformations" and "Linear transformations stability".
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.diffeo.interpolation import sample_at
from workflow_scripts.diffeo.randomness import uniform

TRANSFORMS = ("compression", "rotation", "shear", "translation")
NORMS = ("displacement", "frobenius")
LARGEST_ROTATION = 2 * math.sqrt(2)
"""‖U‖ of a rotation by 180°."""


@dataclass(frozen=True)
class Region:
    """What is transformed in each of B images: the pixels of a receptive field that lie in the image.

    Attributes:
        first: its first row and column, (B, 2), int64.
        last: its last ones, inside the image.
        centre: centre of the receptive field in pixels, (B, 2), float64; of the whole, also where it sticks out of the image.
    """

    first: Tensor
    last: Tensor
    centre: Tensor

    def __getitem__(self, rows: Tensor | slice) -> "Region":
        """The regions of some of the images."""
        return Region(self.first[rows], self.last[rows], self.centre[rows])

    def mean_square_distance(self) -> Tensor:
        """⟨|s − c|²⟩ over the pixels of each region, (B,), float64."""
        edges = (self.last - self.first + 1).double()
        off_centre = (self.first + self.last).double() / 2 - self.centre
        return ((edges.square() - 1) / 12 + off_centre.square()).sum(dim=1)


def random_angles(transform: str, seed: int, index: Tensor, draws: int) -> Tensor:
    """Random directions, as angles in (0, 2π), (B, draws) float64: a function of (seed, transform, index, draw).

    `index`: (B,) integers, one for each patch.
    """
    draw = torch.arange(draws, device=index.device).repeat(len(index))
    numbers = uniform(seed, f"local {transform}", index.repeat_interleave(draws), draw, 1)
    return 2 * math.pi * numbers.view(len(index), draws)


def affine_maps(transform: str, amount: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """U (..., 2, 2) and t (..., 2), float64, for norms δ and angles φ of shapes that broadcast to (...).

    Rotations and compressions have no direction but a sign, which is + where sin φ is positive.

    Raises:
        ValueError: the transform is not one of `TRANSFORMS`, or a rotation larger than by 180° is asked for.
    """
    amount, angle = torch.broadcast_tensors(amount.double(), angle.double())  # type: ignore[no-untyped-call]
    sign = torch.where(angle.sin() < 0, -1.0, 1.0).to(amount)
    zero = torch.zeros_like(amount)
    nothing = torch.stack((zero, zero), dim=-1)
    match transform:
        case "translation":
            translation = torch.stack((amount * angle.cos(), amount * angle.sin()), dim=-1)
            return matrix(zero, zero, zero, zero), translation
        case "rotation":
            if bool((amount > LARGEST_ROTATION).any()):
                largest = f"the largest is {LARGEST_ROTATION:.4f}, by 180°"
                raise ValueError(f"a rotation of norm {float(amount.max()):.4g} is not possible; {largest}")
            lost = amount.square() / 4  # 1 − cos θ, exact at 90°
            sine = sign * (lost * (2 - lost)).clamp(min=0).sqrt()
            return matrix(lost, -sine, sine, lost), nothing
        case "compression":
            stretch = sign * amount / math.sqrt(2)
            return matrix(stretch, zero, zero, stretch), nothing
        case "shear":
            along, across = (amount / math.sqrt(2) * part for part in (angle.cos(), angle.sin()))
            return matrix(along, across, across, -along), nothing
    raise ValueError(f"transform is {transform!r}; it must be one of {', '.join(TRANSFORMS)}")


def matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """[[a, b], [c, d]] of numbers (...), (..., 2, 2)."""
    return torch.stack((torch.stack((a, b), dim=-1), torch.stack((c, d), dim=-1)), dim=-2)


def amounts(transform: str, norm: str, value: float, region: Region) -> Tensor:
    """Norm δ of a transform (pixels for a translation, else ‖U‖) in each region, (B,), float64.

    Args:
        transform: one of `TRANSFORMS`.
        norm: `frobenius`, δ is `value`; or `displacement`, the rms displacement over the region is `value` pixels.
        value: the norm.
        region: where the transform acts.

    Raises:
        ValueError: unknown `norm`, or a region of one pixel, which linear transforms do not move.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is {norm!r}; it must be one of {', '.join(NORMS)}")
    constant = torch.full_like(region.centre[:, 0], value)
    if norm == "frobenius" or transform == "translation":
        return constant
    spread = region.mean_square_distance()
    if not bool(spread.all()):
        raise ValueError(f"no {transform} moves a receptive field of one pixel by {value:g} pixels")
    return constant / (spread / 2).sqrt()


def windows(images: Tensor, start: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut a window of `size` rows and columns out of each image (B, ch, h, w), beginning at `start` (B, 2): (B, ch, *size)."""
    rows, columns = _pixels(start, size)
    image = torch.arange(len(images), device=images.device)[:, None, None]
    return images.movedim(1, -1)[image, rows[:, :, None], columns[:, None]].movedim(-1, 1)


def transformed_windows(
    images: Tensor, region: Region, gradient: Tensor, translation: Tensor, start: Tensor, size: tuple[int, int]
) -> Tensor:
    """The same windows of images transformed inside their regions, each in T ways.

    Args:
        images: (B, ch, h, w), float32 or float64.
        region: where each image is transformed; outside, not a bit of it changes.
        gradient: U, (B, T, 2, 2), float64.
        translation: t in pixels, (B, T, 2), float64.
        start: first row and column of the windows, (B, 2), int64.
        size: rows and columns of a window.

    Returns:
        (B, T, ch, *size).
    """
    edges, (batch, ways) = images.shape[2:], gradient.shape[:2]
    pixels = _pixels(start, size)
    rows, columns = (pixel.double() - region.centre[:, axis, None] for axis, pixel in enumerate(pixels))
    read = []
    for axis, pixel in enumerate((pixels[0][:, None, :, None], pixels[1][:, None, None, :])):
        by_row, by_column = gradient[:, :, axis].unbind(dim=-1)
        moved = (by_row[..., None] * rows[:, None] + translation[:, :, axis, None])[..., None]
        moved = moved + (by_column[..., None] * columns[:, None])[..., None, :]
        read.append((pixel - moved).clamp_(0, edges[axis] - 1).flatten(1, 2))
    sampled = sample_at(images, read[0], read[1], "bilinear").view(batch, -1, ways, *size).movedim(2, 1)
    inside = [(pixel >= region.first[:, axis, None]) & (pixel <= region.last[:, axis, None]) for axis, pixel in enumerate(pixels)]
    within = (inside[0][:, :, None] & inside[1][:, None]).view(batch, 1, 1, *size)
    return torch.where(within, sampled, windows(images, start, size)[:, None])


def _pixels(start: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Rows (B, size[0]) and columns (B, size[1]) of the windows that begin at `start`."""
    rows, columns = (
        first[:, None] + torch.arange(count, device=start.device) for first, count in zip(start.T, size, strict=True)
    )
    return rows, columns
