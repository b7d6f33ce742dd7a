"""The maximum-entropy ensemble of smooth deformations: modes, temperatures, fields and their exact norms.

On the unit square, tau = (tau_u, tau_v) with tau_u = sum A_ij sin(i pi u) sin(j pi v), where A_ij is normal with
variance T/(i^2 + j^2), and tau_v an independent copy; u runs along the rows, v along the columns. The grid is
linspace(0, 1, n), both ends included, and the displacement in pixels is n tau. Coefficients are drawn at unit
temperature (T = 1); fields are linear in them: that of temperature T is sqrt(T) times that of T = 1.

Source: slides, "How much of these transformations is there in a diffeo?"; Petrini et al., NeurIPS 2021.
"""

import math

import torch
from torch import Tensor

from workflow_scripts.diffeo.randomness import standard_normal

MODE_RULES = ("disc", "padded")
CONVENTIONS = ("asymptotic", "exact")


def _check_cutoff(cutoff: int, rule: str, size: int | None = None) -> None:
    if rule not in MODE_RULES:
        raise ValueError(f"mode_rule is {rule!r}; it must be one of {', '.join(MODE_RULES)}")
    if isinstance(cutoff, bool) or not isinstance(cutoff, int) or cutoff < 2:
        raise ValueError(f"cutoff is {cutoff!r}; it must be an integer of at least 2 (at 1, ln c = 0)")
    if size is not None and cutoff > size - 2:
        raise ValueError(f"cutoff is {cutoff}; images of {size} pixels a side resolve at most {size - 2}")


def modes(cutoff: int, rule: str = "disc") -> tuple[tuple[int, int], ...]:
    """The pairs (i, j) of the ensemble, in row-major order.

    `rule`: "disc" keeps i^2 + j^2 <= c^2 (slides), "padded" sqrt(i^2 + j^2) < c + 1/2 (the authors' code).
    Raises ValueError for an unknown rule or a cutoff below 2.
    """
    _check_cutoff(cutoff, rule)
    wave_numbers = range(1, cutoff + 1)
    return tuple((i, j) for i in wave_numbers for j in wave_numbers if 4 * (i * i + j * j) <= _largest(cutoff, rule))


def _largest(cutoff: int, rule: str) -> int:
    """Largest 4 (i^2 + j^2) of a mode: twice the radii, squared, so that the comparison of c + 1/2 is one of integers."""
    return 4 * cutoff**2 if rule == "disc" else (2 * cutoff + 1) ** 2 - 1


def mode_sums(cutoff: int, rule: str = "disc") -> tuple[int, float]:
    """N, the number of modes of one component, and L, the sum of 1/(i^2 + j^2) over them."""
    pairs = modes(cutoff, rule)
    return len(pairs), math.fsum(1 / (i * i + j * j) for i, j in pairs)


def standard_deviations(cutoff: int, rule: str = "disc", device: torch.device | str | None = None) -> Tensor:
    """Standard deviation of A_ij at T = 1, float64 (c, c): entry [i-1, j-1], zero where there is no mode."""
    _check_cutoff(cutoff, rule)
    squares = torch.arange(1, cutoff + 1, device=device).square()
    wave_numbers = squares[:, None] + squares  # i^2 + j^2
    return torch.where(4 * wave_numbers <= _largest(cutoff, rule), 1 / wave_numbers.double().sqrt(), 0)


def _mode_number(cutoff: int, device: torch.device) -> Tensor:
    """Number of each mode, int64 (c, c), counted by shells of max(i, j) so that it does not depend on c."""
    index = torch.arange(cutoff, device=device)
    i, j = index[:, None], index[None, :]
    shell = torch.maximum(i, j)
    return shell**2 + torch.where(i == shell, j, shell + 1 + i)


def unit_coefficients(
    seed: int,
    image_index: Tensor,
    draw: int | Tensor,
    cutoff: int,
    rule: str = "disc",
    device: torch.device | str | None = None,
) -> Tensor:
    """Coefficients A_ij / sqrt(T) of both components, float64 of shape (B, 2, c, c); zero outside the modes.

    `image_index`: (B,) integers; `draw`: one integer or (B,). The number behind a mode depends on (seed, image,
    draw, component, i, j) alone: the ensembles of all cutoffs and rules share their common modes.
    Raises ValueError for an unknown rule or a cutoff below 2.
    """
    deviations = standard_deviations(cutoff, rule, device or image_index.device)
    normal = standard_normal(seed, "deformation", image_index, draw, 2 * cutoff**2, device=device)
    pairs = normal.view(-1, cutoff**2, 2)
    coefficients: Tensor = pairs[:, _mode_number(cutoff, pairs.device)].movedim(-1, 1) * deviations
    return coefficients


def waves(cutoff: int, points: Tensor) -> tuple[Tensor, Tensor]:
    """sin(i pi u) and its derivative i pi cos(i pi u) for i = 1 ... c at points u (n,) of the unit interval, each (n, c)."""
    wave_number = torch.arange(1, cutoff + 1, dtype=points.dtype, device=points.device)
    phase = math.pi * points[:, None] * wave_number
    return phase.sin(), math.pi * wave_number * phase.cos()


def grid_waves(cutoff: int, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """`waves` on the inclusive grid, with the type and device of `like`; the sine is exactly zero on the border."""
    sine, derivative = waves(cutoff, torch.linspace(0, 1, size, dtype=like.dtype, device=like.device))
    sine[0] = sine[-1] = 0
    return sine, derivative


def displacement_field(coefficients: Tensor, size: int) -> Tensor:
    """Displacement n tau in pixels at unit temperature; multiply by sqrt(T) for that of temperature T.

    `coefficients`: (B, 2, c, c). Returns (B, 2, n, n), component 0 along rows (u), 1 along columns (v).
    """
    _check_cutoff(coefficients.shape[-1], "disc", size)
    sine, _ = grid_waves(coefficients.shape[-1], size, coefficients)
    return size * (sine @ coefficients @ sine.T)


def displacement_gradient(coefficients: Tensor, size: int) -> Tensor:
    """U = [[d_u tau_u, d_v tau_u], [d_u tau_v, d_v tau_v]] at unit temperature, analytic; dimensionless.

    `coefficients`: (B, 2, c, c). Returns (B, 2, 2, n, n): image, component, direction of derivative, row, column.
    """
    _check_cutoff(coefficients.shape[-1], "disc", size)
    sine, derivative = grid_waves(coefficients.shape[-1], size, coefficients)
    return torch.stack((derivative @ coefficients @ sine.T, sine @ coefficients @ derivative.T), dim=2)


def folds(coefficients: Tensor, temperature: float, size: int) -> Tensor:
    """Whether the deformation of temperature T folds: det(I - grad tau) <= 0 somewhere on the n x n grid.

    `coefficients`: (B, 2, c, c) of unit temperature. Returns (B,) bool.
    Raises ValueError if the temperature is negative or not finite.
    """
    _check_not_negative("temperature", temperature)
    gradient = math.sqrt(temperature) * displacement_gradient(coefficients, size)
    determinant = (1 - gradient[:, 0, 0]) * (1 - gradient[:, 1, 1]) - gradient[:, 0, 1] * gradient[:, 1, 0]
    return determinant.flatten(1).amin(dim=1) <= 0


def _check_not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value!r}; it must be a finite number of at least 0")


def _squared_displacement_per_temperature(cutoff: int, size: int, convention: str, rule: str) -> float:
    """delta^2 / T, in square pixels."""
    _check_cutoff(cutoff, rule, size)
    if convention not in CONVENTIONS:
        raise ValueError(f"delta_convention is {convention!r}; it must be one of {', '.join(CONVENTIONS)}")
    if convention == "asymptotic":
        return math.pi / 4 * size**2 * math.log(cutoff)
    return size**2 * mode_sums(cutoff, rule)[1] / 2


def temperature(displacement: float, cutoff: int, size: int, convention: str = "asymptotic", rule: str = "disc") -> float:
    """Temperature T at which the displacement is `displacement` pixels on images of n x n pixels.

    `convention`: "asymptotic" takes delta^2 = (pi/4) n^2 T ln c (slides; the leading logarithm at large c, for
    either rule), "exact" the true root-mean-square displacement over the unit square, delta^2 = n^2 T L / 2.
    (Averaged over the pixels of the grid, delta^2 is smaller by (1 - 1/n)^2: see `mean_square_displacement`.)
    Raises ValueError for a negative displacement, a cutoff not in 2 ... n - 2, an unknown convention or rule.
    """
    _check_not_negative("displacement", displacement)
    return displacement**2 / _squared_displacement_per_temperature(cutoff, size, convention, rule)


def displacement(temperature: float, cutoff: int, size: int, convention: str = "asymptotic", rule: str = "disc") -> float:
    """Displacement delta in pixels at temperature T: the inverse of `temperature`, with its errors."""
    _check_not_negative("temperature", temperature)
    return math.sqrt(temperature * _squared_displacement_per_temperature(cutoff, size, convention, rule))


def critical_temperatures(cutoff: int, size: int) -> tuple[float, float]:
    """T1 = 1/(pi n^2 ln c), where delta is half a pixel, and T2 = 4/(pi^3 c^2 ln c), the onset of folds.

    T2 is a heuristic, delta = n/(pi c) in the asymptotic convention. Source: Petrini et al., NeurIPS 2021.
    """
    return temperature(1 / 2, cutoff, size), temperature(size / (math.pi * cutoff), cutoff, size)


def mean_square_displacement(temperature: float, cutoff: int, size: int, rule: str = "disc", *, on_grid: bool = False) -> float:
    """Exact mean of |n tau|^2 in square pixels: n^2 T L / 2; averaged over the pixels, (n - 1)^2 T L / 2."""
    _check_not_negative("temperature", temperature)
    _check_cutoff(cutoff, rule, size)
    return ((size - 1) if on_grid else size) ** 2 * temperature * mode_sums(cutoff, rule)[1] / 2


def mean_square_norms(temperature: float, cutoff: int, rule: str = "disc", *, size: int | None = None) -> dict[str, float]:
    """Exact mean squared Frobenius norms of U and its trace (C), symmetric traceless (S), antisymmetric (R) parts.

    Keys "C", "S", "R", "U". Without `size`, averages over the unit square: pi^2 N T / 8, / 4, / 8 and / 2; with
    it, over the pixels of the inclusive n x n grid: smaller by 1 - 1/n^2. (The slides lack one factor pi.)
    """
    _check_not_negative("temperature", temperature)
    _check_cutoff(cutoff, rule, size)
    total = math.pi**2 * mode_sums(cutoff, rule)[0] * temperature / 2
    if size is not None:
        total *= 1 - 1 / size**2
    return {"C": total / 4, "S": total / 2, "R": total / 4, "U": total}
