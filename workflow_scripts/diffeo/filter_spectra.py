"""Filters on the eigenvectors of the grid Laplacian, and how training changes each coefficient. Knows no torch.

The Laplacian of the k × k grid of pixels with free boundary is degenerate ({0, 1, 1, 2, 3, 3, 4, 4, 6} for k = 3), so that the
basis of an eigensolver is arbitrary; the products of cosines (DCT-II) are exact eigenvectors, labelled by two wave numbers
(a, b). Filters are the samples, and those that share an input or an output channel are not independent; a filter after training
is correlated with itself at initialisation, and so are its coefficients on different modes. Errors count all of it
(`statistics.py`).
"""

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.statistics import Estimate, Labels, mean
from workflow_scripts.diffeo.variables import described

Array = NDArray[np.float64]
SQUARED = "squared weight"
FILTER = ("sample", "mode")


def mode_indices(size: int) -> NDArray[np.int64]:
    """Wave numbers (a, b) of each mode of a `size` × `size` grid, (size², 2).

    Modes are counted by shells of max(a, b), so that the number of a mode does not depend on the size; mode 0 is constant.
    """
    rows = [(shell, b) for shell in range(size) for b in range(shell + 1)]
    columns = [(a, shell) for shell in range(size) for a in range(shell)]
    return np.array(sorted([*rows, *columns], key=lambda mode: (max(mode), mode[0] < max(mode), min(mode))))


def eigenvalues(size: int) -> Array:
    """Eigenvalue 4 sin²(πa/2k) + 4 sin²(πb/2k) of each mode on the grid of k = `size` pixels, (size²,)."""
    along: Array = (4 * np.sin(math.pi * mode_indices(size) / (2 * size)) ** 2).sum(axis=1)
    return along


def laplacian_basis(size: int) -> Array:
    """Orthonormal eigenvectors Ψ of the grid Laplacian, products of cosines, (mode, size, size)."""
    frequency, pixel = np.arange(size)[:, None], np.arange(size)
    waves = np.cos(math.pi * frequency * (pixel + 0.5) / size) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    a, b = mode_indices(size).T
    return np.asarray(waves[a][:, :, None] * waves[b][:, None, :])


def same_eigenvalue(values: Array) -> Array:
    """Matrix (mode, mode) that averages over the modes of each eigenspace."""
    same = np.isclose(values[:, None], values[None, :], rtol=0, atol=1e-9)
    return np.asarray(same / same.sum(axis=1))


def squared_coefficients(filters: Array, basis: Array) -> xr.Variable:
    """(w·Ψ)² of each filter and mode, dims `sample` and `mode`.

    Args:
        filters: (output channel, input channel, k, k).
        basis: (mode, k, k).
    """
    coefficients = np.tensordot(filters, basis, axes=([2, 3], [1, 2]))
    return xr.Variable(FILTER, coefficients.reshape(-1, len(basis)) ** 2)


def channels_of(outputs: int, inputs: int, groups: int = 1) -> tuple[Labels, Labels]:
    """Output and input channel of each filter of a layer, in the order of its weights (`outputs`, `inputs` of a group)."""
    output, within = np.divmod(np.arange(outputs * inputs), inputs)
    return output, within + inputs * (output * groups // outputs)


def filter_spectrum(initial: Array, filters: Array, *, groups: int = 1, basis: Array | None = None) -> xr.Dataset:
    """Spectrum of one layer's filters and its change since the initialisation.

    Args:
        initial: weights of a convolution at initialisation, (output channel, input channel, k, k), k ≥ 2.
        filters: the same weights at some epoch.
        groups: of channels that the convolution does not mix; the input channels are those of one group.
        basis: another orthonormal basis of eigenvectors, in the order of `eigenvalues`, than `laplacian_basis`.

    Returns:
        With dim `mode`: `coefficient` c_λ = ⟨(w·Ψ_λ)²⟩ over filters, `ratio` c_t/c_0, and both for the mean over the modes of an
        eigenspace (`eigenspace_*`, the same for all its modes, whatever the basis inside it). Without it:
        `low_pass = log10[(c_t/c_0)(lowest λ) / (c_t/c_0)(highest λ)]` and
        `pooling = log10[(c_t/c_0)(lowest λ) / (c̄_t/c̄_0)]`, c̄ the mean over all modes. All with `*_standard_error` over filters,
        clustered by input and output channel; ratios of what is zero at initialisation, and errors of a single filter, are NaN.

    Raises:
        ValueError: the filters are not square, smaller than 2 × 2, or not the same in number and size.

    Source: slide "Can we more directly track the evolution of the filters during training to see if they become more low pass?".
    """
    size = filters.shape[-1]
    if initial.shape != filters.shape or filters.ndim != 4 or filters.shape[2] != size or size < 2:
        found = f"found {initial.shape} and {filters.shape}"
        raise ValueError(f"filters must be of equal shapes (output channel, input channel, k, k), k >= 2; {found}")
    values = eigenvalues(size)
    vectors, average = laplacian_basis(size) if basis is None else basis, same_eigenvalue(values)
    before, now = (squared_coefficients(weights, vectors) for weights in (initial, filters))
    spaces = [xr.Variable(FILTER, part.values @ average) for part in (before, now)]
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest, highest = (change(*(part.isel(mode=mode) for part in (before, now))) for mode in (0, int(values.argmax())))
        estimates = {
            "coefficient": (mean(now), "mean over filters of the squared coefficient on a mode", SQUARED),
            "eigenspace_coefficient": (mean(spaces[1]), "the same, mean over the modes of an eigenvalue", SQUARED),
            "ratio": (change(before, now), "coefficient over that at initialisation, c_t/c_0", "1"),
            "eigenspace_ratio": (change(*spaces), "eigenspace_coefficient over that at initialisation", "1"),
            "low_pass": (lowest.over(highest).log10(), "log10 of c_t/c_0 at the lowest over that at the highest eigenvalue", "1"),
            "pooling": (
                lowest.over(change(before.mean("mode"), now.mean("mode"))).log10(),
                "log10 of c_t/c_0 at the lowest eigenvalue over that of the mean of all modes",
                "1",
            ),
        }
        return with_errors(estimates, channels_of(filters.shape[0], filters.shape[1], groups))


def change(before: xr.Variable, now: xr.Variable) -> Estimate:
    """Mean over filters over that at initialisation."""
    return mean(now).over(mean(before))


def with_errors(estimates: dict[str, tuple[Estimate, str, str]], channels: tuple[Labels, Labels]) -> xr.Dataset:
    """Values and standard errors of statistics with their meanings and units; what is infinite becomes NaN."""
    variables = {}
    for name, (estimate, meaning, units) in estimates.items():
        variables[name] = described(finite(estimate.value), meaning, units)
        error = finite(estimate.two_way_standard_error(*channels))
        variables[f"{name}_standard_error"] = described(error, f"standard error of {name}", units)
    return xr.Dataset(variables)


def finite(values: xr.Variable) -> xr.Variable:
    """The same with NaN in place of infinity."""
    return xr.Variable(values.dims, np.where(np.isfinite(values.values), values.values, np.nan))
