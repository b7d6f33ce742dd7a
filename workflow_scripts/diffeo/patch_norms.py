"""Exact mean squares of a field over patches of p x p pixels: its translation, the best linear transform, and the rest.

On a patch, tau = mean + affine fit by least squares + rest, three orthogonal parts, averaged over the patch, all positions of
the patch inside the image, and the draws. A mode is a product of sines, and so is its mean over a patch a product of means along
the axes: with, for each wave number i, the mean square over positions of

    m_i: the mean of sin(i pi u) over p pixels,    l_i: its coefficient on the normalised centred ramp,
    q_i: its root mean square,                     d_i: the mean of its derivative i pi cos(i pi u),

and s_ij the variance of A_ij, two components and n pixels a side give

    translation 2 n^2 sum s_ij m_i m_j,  linear 2 n^2 sum s_ij (l_i m_j + m_i l_j),  all 2 n^2 sum s_ij q_i q_j,
    |mean of U|^2 = 2 sum s_ij (d_i m_j + m_i d_j).

Everything is at unit temperature and grows as T. `on_grid`: sums over pixels; otherwise integrals over squares of the width p/n.

Source: slides, "Compute the empirical average over finite patches", "Is it ok to compare translations norm and gradients norm?".
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import grid_waves, mean_square_norms, standard_deviations

TOLERANCE = 0.1  # by which the linear estimate may be off
PATCH_PARTS = ("translation", "remainder", "linear", "rest")  # the second is the sum of the last two


class AxisMoments(NamedTuple):
    """m_i, l_i, q_i and d_i of the wave numbers 1 ... c, each (c,) float64."""

    mean: Tensor
    slope: Tensor
    total: Tensor
    derivative: Tensor


def check_patch(patch: int, size: int) -> None:
    """Raise ValueError unless patches of p pixels a side, 2 ... n, fit in the image."""
    if not 2 <= patch <= size:
        raise ValueError(f"patch is {patch}; it must be from 2 to the {size} pixels of the image")


def window_weights(patch: int, size: int) -> tuple[Tensor, Tensor]:
    """Matrices (n - p + 1, n) that take a line of pixels to what its windows of p pixels hold, one row for each window.

    They are two: the mean, and the coefficient on the centred ramp of mean square 1, whose square is a part of the mean square.
    Raises ValueError if p is not in 2 ... n.
    """
    check_patch(patch, size)
    ramp = torch.arange(patch, dtype=torch.float64) - (patch - 1) / 2
    windows = torch.eye(size, dtype=torch.float64).unfold(0, patch, 1)
    return windows.mean(dim=2), (windows * ramp).mean(dim=2) / ramp.square().mean().sqrt()


def pixel_moments(cutoff: int, size: int, patch: int) -> AxisMoments:
    """The moments of windows of p pixels of the inclusive grid."""
    mean, slope = window_weights(patch, size)
    sine, derivative = grid_waves(cutoff, size, mean)

    def over_positions(values: Tensor) -> Tensor:
        return values.square().mean(dim=0)

    total = (mean @ sine.square()).mean(dim=0)
    return AxisMoments(over_positions(mean @ sine), over_positions(slope @ sine), total, over_positions(mean @ derivative))


def continuum_moments(cutoff: int, width: float) -> AxisMoments:
    """The moments of windows of a width w in (0, 1] of the unit interval.

    With k = i pi and h = k w / 2, the mean over a window around x is sin(h)/h sin(kx), its coefficient on the ramp
    sqrt(3) (sin(h) - h cos(h))/h^2 cos(kx), and sin^2(kx) has the mean 1/2 + sin(2h)/(2k(1 - w)) over positions.
    """
    k = math.pi * torch.arange(1, cutoff + 1, dtype=torch.float64)
    half = k * width / 2
    ripple = torch.sin(2 * half) / (k * (1 - width)) if width < 1 else -torch.cos(k)
    sine, cosine = (1 + ripple) / 2, (1 - ripple) / 2
    averaged = half.sin() / half
    slope = math.sqrt(3) * (half.sin() - half * half.cos()) / half**2
    total = (1 + averaged * half.cos() * ripple) / 2
    return AxisMoments(averaged**2 * sine, slope**2 * cosine, total, (k * averaged) ** 2 * cosine)


def axis_moments(cutoff: int, size: int, patch: int, *, on_grid: bool) -> AxisMoments:
    """`pixel_moments` of windows of p of n pixels, or `continuum_moments` of the width p/n."""
    check_patch(patch, size)
    return pixel_moments(cutoff, size, patch) if on_grid else continuum_moments(cutoff, patch / size)


def patch_mean_squares(cutoff: int, rule: str = "disc", *, size: int, patch: int, on_grid: bool) -> dict[str, float]:
    """Mean squares of the parts of n tau on patches, in square pixels at unit temperature; keys are `PATCH_PARTS`.

    Raises ValueError for an unknown rule, a cutoff below 2 or a patch not in 2 ... n.
    """
    moments = axis_moments(cutoff, size, patch, on_grid=on_grid)
    squares = 2 * size**2 * standard_deviations(cutoff, rule).square()
    translation = float(moments.mean @ squares @ moments.mean)
    linear = 2 * float(moments.slope @ squares @ moments.mean)
    remainder = float(moments.total @ squares @ moments.total) - translation
    return {"translation": translation, "remainder": remainder, "linear": linear, "rest": remainder - linear}


def patch_gradient_mean_squares(cutoff: int, rule: str = "disc", *, size: int, patch: int, on_grid: bool) -> dict[str, float]:
    """Mean squared norms at unit temperature of the parts C, S, R of the gradient averaged over a patch, and of all of it, U.

    Raises ValueError as `patch_mean_squares` does.
    """
    moments = axis_moments(cutoff, size, patch, on_grid=on_grid)
    total = 4 * float(moments.derivative @ standard_deviations(cutoff, rule).square() @ moments.mean)
    return {"C": total / 4, "S": total / 2, "R": total / 4, "U": total}


def linear_estimate(cutoff: int, rule: str = "disc", *, size: int, patch: int, on_grid: bool) -> float:
    """Remainder <|tau - mean|^2> in square pixels that a constant gradient would leave: p^2 <|U|^2>/12 at unit temperature.

    On the grid the positions of p pixels have the variance (p^2 - 1)/12, and a pixel is 1/(n - 1) of the unit square.
    Raises ValueError as `patch_mean_squares` does.
    """
    check_patch(patch, size)
    if on_grid:
        return (patch**2 - 1) / 12 * (size / (size - 1)) ** 2 * mean_square_norms(1, cutoff, rule, size=size)["U"]
    return patch**2 / 12 * mean_square_norms(1, cutoff, rule)["U"]


def linear_range(cutoff: int, rule: str = "disc", *, size: int) -> int:
    """Edge p of the largest patch of pixels up to which `linear_estimate` is within `TOLERANCE` of the remainder; 0 if of none.

    Raises ValueError for an unknown rule or a cutoff not in 2 ... n - 2.
    """
    for patch in range(2, size + 1):
        remainder = patch_mean_squares(cutoff, rule, size=size, patch=patch, on_grid=True)["remainder"]
        if abs(linear_estimate(cutoff, rule, size=size, patch=patch, on_grid=True) / remainder - 1) > TOLERANCE:
            return patch - 1 if patch > 2 else 0
    return size
