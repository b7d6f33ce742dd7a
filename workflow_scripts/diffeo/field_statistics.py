"""Norms of drawn fields, of the parts of their gradient, and of what is a translation, linear, or neither on a patch.

Every number is that of one draw at unit temperature, averaged over pixels or patches: means over draws follow later, and norms
grow as sqrt(T), their squares as T. `field_norms.py` and `patch_norms.py` have the exact means.

Source: slides, "Linear transformations", "How much of these transformations is there in a diffeo?", "Compute the empirical
average over finite patches".
"""

import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import displacement_field, displacement_gradient
from workflow_scripts.diffeo.patch_norms import window_weights

LOCAL_PARTS = ("translation", "C", "S", "R", "rest")


def squared_parts(gradient: Tensor) -> Tensor:
    """Squared Frobenius norms of the parts of gradients: C (trace), S (symmetric, traceless), R (antisymmetric), and of all, U.

    `gradient`: (B, 2, 2, ...): component and direction. Returns (B, 4, ...).
    """
    (uu, uv), (vu, vv) = (row.unbind(dim=1) for row in gradient.unbind(dim=1))
    parts = ((uu + vv) ** 2, (uu - vv) ** 2 + (uv + vu) ** 2, (uv - vu) ** 2)
    return torch.stack((*parts, sum(parts, torch.zeros_like(uu))), dim=1) / 2


def drawn_norms(coefficients: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Means over the pixels of the norms of n tau (pixels), C, S, R and U, and of their squares, for each draw.

    `coefficients`: (B, 2, c, c) of unit temperature. Returns two tensors (B, 5).
    """
    field = displacement_field(coefficients, size).square().sum(dim=1, keepdim=True)
    squares = torch.cat((field, squared_parts(displacement_gradient(coefficients, size))), dim=1).flatten(2)
    return squares.sqrt().mean(dim=2), squares.mean(dim=2)


def drawn_patch_squares(coefficients: Tensor, size: int, patch: int) -> tuple[Tensor, Tensor]:
    """Mean squares over all p x p patches of each draw, at unit temperature.

    `coefficients`: (B, 2, c, c). Returns two tensors (B, 4): in square pixels, the parts of n tau on a patch in the order of
    `patch_norms.PATCH_PARTS`; the squared norms of the parts C, S, R and of all, U, of the gradient averaged over a patch.
    Raises ValueError for a patch not in 2 ... n.
    """
    mean, slope = (weights.to(coefficients) for weights in window_weights(patch, size))
    field = displacement_field(coefficients, size)

    def over_patches(rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
        return (rows @ values @ columns.T).square().sum(dim=1).flatten(1).mean(dim=1)

    translation = over_patches(mean, mean, field)
    linear = over_patches(slope, mean, field) + over_patches(mean, slope, field)
    everything = (mean @ field.square().sum(dim=1) @ mean.T).flatten(1).mean(dim=1)
    remainder = everything - translation
    averaged = mean @ displacement_gradient(coefficients, size) @ mean.T
    squares = torch.stack((translation, remainder, linear, remainder - linear), dim=1)
    return squares, squared_parts(averaged).flatten(2).mean(dim=2)


def local_parts(field: Tensor, patch: int) -> Tensor:
    """What is left of a field when the image is cut into p x p patches and only one part of it is kept on each.

    The parts are the translation (the mean over the patch), the parts C, S and R of the best linear transform about the centre
    of the patch (least squares), and the rest; they add up to the field. Rows and columns that fill no patch are left out.
    `field`: (B, 2, n, n). Returns (B, 5, 2, m, m) in the order of `LOCAL_PARTS`, m the largest multiple of p up to n.
    """
    count = field.shape[-1] // patch
    tiles = field[..., : count * patch, : count * patch].reshape(-1, 2, count, patch, count, patch)
    centred = torch.arange(patch, dtype=field.dtype, device=field.device) - (patch - 1) / 2
    down, across = centred[:, None, None].expand(-1, 1, patch), centred.expand(patch, 1, -1)
    slopes = [
        (tiles * ramp).mean(dim=(-3, -1), keepdim=True) / centred.square().mean() for ramp in (down, across)
    ]  # each (B, 2, tiles, 1, tiles, 1): the derivatives along rows and columns
    (uu, vu), (uv, vv) = (slope.unbind(dim=1) for slope in slopes)
    compression, along, between, rotation = (uu + vv) / 2, (uu - vv) / 2, (uv + vu) / 2, (uv - vu) / 2
    parts = [
        tiles.mean(dim=(-3, -1), keepdim=True).expand_as(tiles),
        torch.stack((compression * down, compression * across), dim=1),
        torch.stack((along * down + between * across, between * down - along * across), dim=1),
        torch.stack((rotation * across, -rotation * down), dim=1),
    ]
    parts.append(tiles - sum(parts, torch.zeros_like(tiles)))
    return torch.stack(parts, dim=1).flatten(-2).flatten(-3, -2)
