"""What a transform inside a receptive field looks like: how far it moves pixels, and how much of that is a translation.

A linear transform with the norm ‖U‖ of `affine.py` moves the pixel s by |d| = ‖U‖ |s − c|/√2 whatever its direction. With
weights that sum to 1 over the field, ⟨|d|⟩ = ‖U‖ ⟨|s − c|⟩/√2, and the part of ⟨|d|²⟩ that is a translation of the whole is
|⟨s − c⟩|²/⟨|s − c|²⟩, the same for rotation, compression and shear: it vanishes unless the weights are off the centre. An object
of m × m pixels in the field is moved by the displacement at its own centre and changed by the rest: the translation's part is
⟨|s − c|²⟩/(⟨|s − c|²⟩ + (m² − 1)/6), with s the centres of objects placed with the weights.

Source: slides "Issue (?): small rotation in large receptive fields looks like a translation" and "Average norm of the
displacement increases with patch size".
"""

from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.diffeo.affine import TRANSFORMS, Region, amounts

WEIGHTINGS = ("profile", "uniform")


class Spread(NamedTuple):
    """Moments of weights about the centres of B receptive fields, each (B,), float64.

    Attributes:
        distance: ⟨|s − c|⟩ in pixels.
        square: ⟨|s − c|²⟩ in pixels².
        off_centre: |⟨s − c⟩|² in pixels².
    """

    distance: Tensor
    square: Tensor
    off_centre: Tensor


def spread(weights: Tensor, region: Region) -> Spread:
    """Moments of weights (B, h, w) of the pixels of images, any positive total, about the centres of regions."""
    weights = weights.double() / weights.double().sum(dim=(1, 2), keepdim=True)
    rows, columns = (torch.arange(edge, device=weights.device) for edge in weights.shape[1:])
    away = (rows - region.centre[:, :1])[:, :, None], (columns - region.centre[:, 1:])[:, None]
    square = away[0].square() + away[1].square()
    off_centre = [(weights * part).sum(dim=(1, 2)).square() for part in away]
    return Spread((weights * square.sqrt()).sum(dim=(1, 2)), (weights * square).sum(dim=(1, 2)), off_centre[0] + off_centre[1])


def uniform_weights(region: Region, image_size: tuple[int, int]) -> Tensor:
    """Ones inside the regions and zeros elsewhere, (B, *image_size), float64."""
    inside = []
    for axis, edge in enumerate(image_size):
        pixel = torch.arange(edge, device=region.first.device)
        inside.append((pixel >= region.first[:, axis, None]) & (pixel <= region.last[:, axis, None]))
    return (inside[0][:, :, None] & inside[1][:, None]).double()


def mean_displacements(moments: Spread, region: Region, strengths: list[tuple[str, float]]) -> Tensor:
    """Weighted mean |d| in pixels of each transform and strength in each field, (transform, strength, B), float64."""
    found = []
    for transform in TRANSFORMS:
        amount = torch.stack([amounts(transform, norm, value, region) for norm, value in strengths])
        found.append(amount if transform == "translation" else amount * moments.distance / 2**0.5)
    return torch.stack(found)


def translation_shares(moments: Spread) -> Tensor:
    """Part of the weighted ⟨|d|²⟩ of each transform in each field that is a translation of the whole field, (transform, B)."""
    linear = moments.off_centre / moments.square
    return torch.stack([torch.ones_like(linear) if transform == "translation" else linear for transform in TRANSFORMS])
