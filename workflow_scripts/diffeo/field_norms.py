"""Exact means of the norms of a field and of the parts of its gradient, without the square, and the formulas of the slides.

At a point, tau_u and tau_v are independent normal numbers of one variance; so are their gradients, with the covariance
[[a, c], [c, b]] of (d_u, d_v) each. Hence |C| and |R| are moduli of one normal number of variance (a + b)/2, |S| is the root of
the sum of the squares of two independent ones, and |U|^2 is the sum of two exponential numbers of the means 2 lambda_1 and
2 lambda_2, lambda the eigenvalues of the covariance. The variances depend on the point: means over points are sums over the grid,
or quadratures.

Source: slides, "How much of these transformations is there in a diffeo?", "Compute the average of the norm (w/o the square)".
"""

import math

import numpy as np
import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import (
    displacement,
    grid_waves,
    mean_square_displacement,
    mean_square_norms,
    standard_deviations,
    waves,
)

PARTS = ("tau", "C", "S", "R", "U")  # the displacement in pixels; compression, pure shear, rotation and the whole gradient
FORMULAS = ("slides", "asymptotic")
NODES = 200  # of the quadrature along each axis


def mean_norms(cutoff: int, rule: str = "disc", *, size: int, on_grid: bool) -> dict[str, float]:
    """Exact mean norms at unit temperature, of n |tau| ("tau", in pixels) and of |C|, |S|, |R|, |U|; they grow as sqrt(T).

    Averaged over the pixels of the inclusive n x n grid (`on_grid`), or over the unit square, by Gauss-Legendre quadrature with
    a relative error below 1e-8.
    Raises ValueError for an unknown rule or a cutoff not in 2 ... n - 2.
    """
    mean_square_displacement(1, cutoff, size, rule)  # checks
    like = torch.zeros((), dtype=torch.float64)
    if on_grid:
        weights, along = torch.full((size,), 1 / size, dtype=like.dtype), grid_waves(cutoff, size, like)
    else:
        nodes, halves = (torch.from_numpy(values) / 2 for values in np.polynomial.legendre.leggauss(NODES))
        weights, along = halves, waves(cutoff, nodes + 1 / 2)
    field, trace, determinant = _variances(along, standard_deviations(cutoff, rule).square())
    total, root = 2 * trace, 2 * determinant.sqrt()
    compression = (trace / math.pi).sqrt()
    norms = {
        "tau": size * (math.pi / 2 * field).sqrt(),
        "C": compression,
        "S": math.pi / 2 * compression,
        "R": compression,
        "U": math.sqrt(math.pi) / 2 * (total + root) / (total + 2 * root).sqrt().clamp(min=1e-300),
    }
    return {part: float(weights @ norm @ weights) for part, norm in norms.items()}


def _variances(along: tuple[Tensor, Tensor], squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Variance of tau_u, and trace and determinant of the covariance of its gradient, at all pairs of points, (n, n) each."""
    sine, derivative = along

    def variance(rows: Tensor) -> Tensor:
        return rows @ squares @ sine.square().T

    down = variance(derivative.square())
    mixed = (sine * derivative) @ squares @ (sine * derivative).T
    return variance(sine.square()), down + down.T, (down * down.T - mixed.square()).clamp(min=0)


def mean_squares(cutoff: int, rule: str = "disc", *, size: int, on_grid: bool) -> dict[str, float]:
    """Exact mean squared norms at unit temperature, keys as of `mean_norms`; they grow as T."""
    field = mean_square_displacement(1, cutoff, size, rule, on_grid=on_grid)
    return {"tau": field, **mean_square_norms(1, cutoff, rule, size=size if on_grid else None)}


def asymptotic_mean_squares(formula: str, cutoff: int, size: int) -> dict[str, float]:
    """Mean squared norms at unit temperature at large c, the same for either rule.

    `formula`: "slides" as the slides print them, (pi/4) n^2 ln c and pi^2 c^2 / 32, / 16, / 32; "asymptotic" with the factor pi
    that those of the gradient lack. Keys as of `mean_norms`; the slides do not give "U", here it is C + S + R.
    Raises ValueError for another formula.
    """
    if formula not in FORMULAS:
        raise ValueError(f"formula is {formula!r}; it must be one of {', '.join(FORMULAS)}")
    unit = math.pi ** (2 if formula == "slides" else 3) * cutoff**2 / 32
    return {"tau": displacement(1, cutoff, size) ** 2, "C": unit, "S": 2 * unit, "R": unit, "U": 4 * unit}
