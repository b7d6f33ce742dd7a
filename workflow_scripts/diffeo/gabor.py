"""Gabor functions fitted to filters, and a null that says how well filters are fitted that are none. Knows no torch.

A Gabor function is `a G cos(2πf u − φ)`: a wave of frequency f and phase φ under a gaussian `G = exp(−u²/2σ_u² − v²/2σ_v²)`,
with u along the wave and v across it, both from the centre. Fitted is a Gabor function plus a constant, by least squares; the
amplitudes of its even and its odd part are linear and eliminated (variable projection: Golub and Pereyra, SIAM J. Numer. Anal.
10, 1973, with the Jacobian of Kaufman, BIT 15, 1975), the other six parameters are found by Levenberg and Marquardt's method
from the best start of each frequency and direction on a grid. All filters at once.

The null of a filter: the squared coefficients on the modes of the grid Laplacian stay, their signs are random. So it has the same
spectrum; of white noise it has the distribution.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.filter_spectra import laplacian_basis
from workflow_scripts.diffeo.variables import variable

Array = NDArray[np.float64]
SMALLEST = 5  # edge in pixels: fewer pixels can hardly refute eight parameters
ITERATIONS = 60
TOLERANCE = 1e-9  # unexplained share below which, or relative gain of a step below which, a fit is finished
CHUNK = 2_000_000  # numbers in one array of the fit

# Position of each parameter: centre from the middle of the filter in pixels, direction of the wave in radians, logarithms.
ROW, COLUMN, ORIENTATION, FREQUENCY, ALONG, ACROSS = range(6)
MEANINGS = {
    "explained_variance": ("share of a filter's variance about its mean that a Gabor function explains", "1"),
    "orientation": ("direction of the wave, anticlockwise from the rows, 0 to 180", "degree"),
    "frequency": ("frequency of the wave", "cycle per pixel"),
    "phase": ("phase of the wave at the centre, 0 where it has its maximum", "degree"),
    "width_along": ("standard deviation of the gaussian along the wave", "pixel"),
    "width_across": ("standard deviation of the gaussian across the wave", "pixel"),
    "centre_row": ("row of the centre, 0 in the middle of the first", "pixel"),
    "centre_column": ("column of the centre, 0 in the middle of the first", "pixel"),
    "amplitude": ("amplitude of the wave", "weight"),
    "offset": ("constant beside the Gabor function", "weight"),
}
OF_NULL = "the explained variance of filters of the same spectrum and random signs"


class Waves(NamedTuple):
    """What the parameters of some fits (fit, 6) give at each pixel, (fit, pixel) each: place, gaussian, even and odd part."""

    along: Array
    across: Array
    gaussian: Array
    even: Array
    odd: Array


class Projection(NamedTuple):
    """Least-squares amplitudes of the two parts for given parameters.

    Attributes:
        basis: orthonormal basis of the centred parts, (fit, 2, pixel); 0 for a part that is no function of its own.
        amplitudes: of the even and the odd part, (fit, 2).
        residual: what is left of the pictures, (fit, pixel).
        unexplained: squared norm of that, (fit,).
    """

    basis: Array
    amplitudes: Array
    residual: Array
    unexplained: Array


def principal_pictures(filters: Array) -> Array:
    """One picture of each filter: the combination of its channels with the largest norm, of grey filters the filter itself.

    `filters`: (filter, channel, k, k). Returns (filter, k, k); signs such that the weights of the channels sum to 0 or more.
    """
    channels, scale, pictures = np.linalg.svd(filters.reshape(*filters.shape[:2], -1), full_matrices=False)
    sign = np.where(channels[:, :, 0].sum(axis=1) < 0, -1, 1)
    return np.asarray(((sign * scale[:, 0])[:, None] * pictures[:, 0]).reshape(len(filters), *filters.shape[2:]))


def with_random_signs(filters: Array, draws: int, seed: int) -> Array:
    """Filters of the same spectrum, (filter, draw, k, k): random signs on the modes of the grid Laplacian.

    Draws of a filter depend on the seed and the number of the filter.
    """
    basis = laplacian_basis(filters.shape[-1]).reshape(-1, filters[0].size)
    signs = np.random.default_rng(seed).integers(0, 2, (len(filters), draws, len(basis))) * 2 - 1
    coefficients = filters.reshape(len(filters), 1, -1) @ basis.T
    return np.asarray((signs * coefficients) @ basis).reshape(len(filters), draws, *filters.shape[1:])


def gabor_fits(filters: Array, *, null_draws: int, seed: int) -> xr.Dataset:
    """Fit a Gabor function to each filter.

    Args:
        filters: (filter, k, k), k at least `SMALLEST`.
        null_draws: random filters of the null for each.
        seed: of the null.

    Returns:
        The variables `gabor_*` of `MEANINGS`, dim `filter`, and `gabor_null_explained_variance` (filter, draw); NaN for a filter
        that is constant.

    Raises:
        ValueError: the filters are not square or too small.
    """
    size = filters.shape[-1]
    if filters.ndim != 3 or filters.shape[1] != size or size < SMALLEST:
        raise ValueError(f"filters must have shape (filter, k, k), k >= {SMALLEST}; found {filters.shape}")
    null = with_random_signs(filters, null_draws, seed).reshape(-1, size**2)
    unit, _ = normalised(np.concatenate([filters.reshape(-1, size**2), null]))
    parameters, projection = fitted(unit, size)
    explained = 1 - projection.unexplained
    explained[np.isnan(unit).any(axis=1)] = np.nan
    count = len(filters)
    numbers = named_parameters(parameters[:count], projection.amplitudes[:count], filters.reshape(count, -1), size)
    numbers["explained_variance"] = explained[:count]
    constant = np.isnan(explained[:count])
    variables = {
        f"gabor_{name}": variable(("filter",), np.where(constant, np.nan, numbers[name]), *meaning)
        for name, meaning in MEANINGS.items()
    }
    of_null = explained[count:].reshape(count, null_draws)
    return xr.Dataset(variables | {"gabor_null_explained_variance": variable(("filter", "draw"), of_null, OF_NULL)})


def gabor_functions(fits: xr.Dataset, size: int) -> Array:
    """Pictures (filter, size, size) of the fits of `gabor_fits`."""
    value = {name: fits[f"gabor_{name}"].values for name in MEANINGS}
    middle = (size - 1) / 2
    columns = [
        value["centre_row"] - middle,
        value["centre_column"] - middle,
        np.radians(value["orientation"]),
        *(np.log(value[name]) for name in ("frequency", "width_along", "width_across")),
    ]
    found, phase = waves(np.stack(columns, axis=1), size), np.radians(value["phase"])[:, None]
    wave = value["amplitude"][:, None] * (np.cos(phase) * found.even + np.sin(phase) * found.odd)
    return np.asarray(wave + value["offset"][:, None]).reshape(-1, size, size)


def normalised(pictures: Array) -> tuple[Array, Array]:
    """Pictures (picture, pixel) less their mean, of norm 1, and that norm (picture, 1); constant pictures are NaN."""
    centred = pictures - pictures.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    varied = norm > 1e-12 * np.linalg.norm(pictures, axis=1, keepdims=True)
    return np.divide(centred, norm, out=np.full_like(centred, np.nan), where=varied), norm


def waves(parameters: Array, size: int) -> Waves:
    """The two parts of Gabor functions (fit, 6) on the pixels of a filter."""
    pixel = np.arange(size**2)[None]
    values = parameters[:, :, None]
    down = pixel // size - (size - 1) / 2 - values[:, ROW]
    right = pixel % size - (size - 1) / 2 - values[:, COLUMN]
    cosine, sine = np.cos(values[:, ORIENTATION]), np.sin(values[:, ORIENTATION])
    along, across = right * cosine - down * sine, right * sine + down * cosine
    widths = np.exp(-2 * values[:, ALONG]), np.exp(-2 * values[:, ACROSS])
    gaussian = np.exp(-(along**2 * widths[0] + across**2 * widths[1]) / 2)
    angle = 2 * np.pi * np.exp(values[:, FREQUENCY]) * along
    return Waves(along, across, gaussian, gaussian * np.cos(angle), gaussian * np.sin(angle))


def orthonormal(found: Waves) -> tuple[Array, Array]:
    """Basis (fit, 2, pixel) of the centred parts, and the triangle (fit, 2, 2) that the parts are in it."""
    even, odd = (part - part.mean(axis=1, keepdims=True) for part in (found.even, found.odd))
    even_norm = np.linalg.norm(even, axis=1)
    first = even / np.maximum(even_norm, 1e-300)[:, None]
    shared = np.einsum("fp,fp->f", first, odd)
    rest = odd - shared[:, None] * first
    norm = np.linalg.norm(rest, axis=1)
    norm = np.where(norm > 1e-6 * np.linalg.norm(found.gaussian, axis=1), norm, np.inf)
    triangle = np.stack([even_norm, shared, np.zeros_like(norm), norm], axis=1).reshape(-1, 2, 2)
    return np.stack([first, rest / norm[:, None]], axis=1), triangle


def projected(pictures: Array, found: Waves) -> Projection:
    """Fit the amplitudes of the two parts to pictures (fit, pixel) of mean 0."""
    basis, triangle = orthonormal(found)
    inside = np.einsum("fip,fp->fi", basis, pictures)
    odd = inside[:, 1] / triangle[:, 1, 1]
    even = (inside[:, 0] - triangle[:, 0, 1] * odd) / np.maximum(triangle[:, 0, 0], 1e-300)
    residual = pictures - np.einsum("fip,fi->fp", basis, inside)
    return Projection(basis, np.stack([even, odd], axis=1), residual, np.einsum("fp,fp->f", residual, residual))


def jacobian(parameters: Array, found: Waves, projection: Projection) -> Array:
    """Derivatives (fit, 6, pixel) of the fitted functions by the parameters, less what the amplitudes make up for."""
    values = parameters[:, :, None]
    even, odd = projection.amplitudes[:, :1], projection.amplitudes[:, 1:]
    wave = even * found.even + odd * found.odd
    turned = 2 * np.pi * np.exp(values[:, FREQUENCY]) * (odd * found.even - even * found.odd)
    along = found.along * np.exp(-2 * values[:, ALONG]) * wave
    across = found.across * np.exp(-2 * values[:, ACROSS]) * wave
    by_along, by_across = turned - along, -across
    cosine, sine = np.cos(values[:, ORIENTATION]), np.sin(values[:, ORIENTATION])
    slopes = np.stack(
        [
            sine * by_along - cosine * by_across,
            -cosine * by_along - sine * by_across,
            -found.across * by_along + found.along * by_across,
            found.along * turned,
            found.along * along,
            found.across * across,
        ],
        axis=1,
    )
    slopes -= slopes.mean(axis=2, keepdims=True)
    return np.asarray(slopes - (slopes @ projection.basis.swapaxes(1, 2)) @ projection.basis)


def bounds(size: int) -> tuple[Array, Array]:
    """Smallest and largest parameters.

    Centres inside the filter, one cycle along its edge to 0.45 in a pixel (at 0.5 the even or the odd part may be nothing on the
    pixels), widths of one pixel to its edge.
    """
    middle = (size - 1) / 2
    low = [-middle, -middle, -np.inf, np.log(1 / size), 0.0, 0.0]
    high = [middle, middle, np.inf, np.log(0.45), np.log(size), np.log(size)]
    return np.array(low), np.array(high)


def starts(size: int) -> Array:
    """Parameters from which fits start, (group, start, 6): a group for each of 4 frequencies and 4 pairs of directions."""
    low, high = bounds(size)
    frequencies = low[FREQUENCY] + (high[FREQUENCY] - low[FREQUENCY]) * np.array([0.1, 0.4, 0.7, 0.95])
    centres = np.linspace(low[ROW], high[ROW], 5)
    orientations = np.pi * np.arange(8) / 8
    widths = np.log(size / np.array([5.0, 2.5]))
    grid = np.meshgrid(frequencies, orientations, centres, centres, widths, indexing="ij")
    frequency, orientation, row, column, width = (part.reshape(16, -1) for part in grid)
    return np.stack([row, column, orientation, frequency, width, width], axis=2)


def fitted(pictures: Array, size: int) -> tuple[Array, Projection]:
    """The best fit to each picture (picture, pixel) of mean 0 and norm 1: its parameters (picture, 6) and projection."""
    grid = starts(size)
    basis, _ = orthonormal(waves(grid.reshape(-1, 6), size))
    chunk = max(1, CHUNK // (6 * len(grid) * size**2))
    parts = [fitted_from(part, grid, basis, size) for part in np.split(pictures, range(chunk, len(pictures), chunk))]
    parameters = np.concatenate(parts)
    return parameters, projected(pictures, waves(parameters, size))


def fitted_from(pictures: Array, grid: Array, basis: Array, size: int) -> Array:
    """Parameters of the best of the fits from the best start of each group of `grid`."""
    explained = ((basis @ pictures.T) ** 2).sum(axis=1).reshape(*grid.shape[:2], -1)
    best = np.nan_to_num(explained).argmax(axis=1).T
    chosen = grid[np.arange(len(grid)), best]
    parameters, unexplained = minimised(np.repeat(pictures, len(grid), axis=0), chosen.reshape(-1, 6), size)
    choice = np.nan_to_num(unexplained.reshape(best.shape), nan=np.inf).argmin(axis=1)
    return np.asarray(parameters.reshape(*best.shape, 6)[np.arange(len(pictures)), choice])


def minimised(pictures: Array, parameters: Array, size: int) -> tuple[Array, Array]:
    """Levenberg and Marquardt's method within `bounds`, for all fits at once; those that are finished drop out.

    Returns:
        Parameters (fit, 6) and the unexplained share (fit,).
    """
    low, high = bounds(size)
    result, unexplained = parameters.copy(), np.full(len(parameters), np.nan)
    active, damping = np.arange(len(parameters)), np.full(len(parameters), 1e-2)
    found = waves(parameters, size)
    projection = projected(pictures, found)
    for _ in range(ITERATIONS):
        slopes = jacobian(parameters, found, projection)
        downhill = np.einsum("fip,fp->fi", slopes, projection.residual)
        stopped = ((parameters <= low) & (downhill < 0)) | ((parameters >= high) & (downhill > 0))
        step = damped_step(np.where(stopped[:, :, None], 0, slopes), np.where(stopped, 0, downhill), damping)
        trial = np.clip(parameters + step, low, high)
        trial_found = waves(trial, size)
        trial_projection = projected(pictures, trial_found)
        gain = projection.unexplained - trial_projection.unexplained
        better = gain > 0
        parameters, found, projection = (
            np.where(better[:, None], trial, parameters),
            Waves(*chosen(better, trial_found, found)),
            Projection(*chosen(better, trial_projection, projection)),
        )
        damping = np.where(better, damping / 5, damping * 4)
        result[active], unexplained[active] = parameters, projection.unexplained
        going = (damping < 1e6) & (projection.unexplained > TOLERANCE) & ~(better & (gain < TOLERANCE * projection.unexplained))
        if not going.any():
            break
        active, damping, pictures, parameters = active[going], damping[going], pictures[going], parameters[going]
        found, projection = Waves(*(part[going] for part in found)), Projection(*(part[going] for part in projection))
    return result, unexplained


def chosen(first: NDArray[np.bool_], one: tuple[Array, ...], other: tuple[Array, ...]) -> list[Array]:
    """Each array of `one` where `first`, of `other` elsewhere, along the first axis."""
    return [np.where(first.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(one, other, strict=True)]


def damped_step(slopes: Array, downhill: Array, damping: Array) -> Array:
    """Step (fit, 6) of Levenberg and Marquardt for slopes (fit, 6, pixel) of the function; `downhill`: times its residual."""
    curvature = slopes @ slopes.swapaxes(1, 2)
    diagonal = np.einsum("fii->fi", curvature)
    scale = np.maximum(diagonal, 1e-9 + 1e-6 * diagonal.max(axis=1, keepdims=True))
    damped = curvature + damping[:, None, None] * scale[:, None] * np.eye(6) + 1e-12 * np.eye(6)
    return np.asarray(np.linalg.solve(damped, downhill[:, :, None])[:, :, 0])


def named_parameters(parameters: Array, amplitudes: Array, pictures: Array, size: int) -> dict[str, Array]:
    """The parameters of `MEANINGS` of fits to `pictures` (picture, pixel), whose centred and normalised versions were fitted."""
    turns = np.floor(parameters[:, ORIENTATION] / np.pi)
    odd = np.where(turns % 2, -1, 1) * amplitudes[:, 1]  # a wave turned by half a circle has the opposite odd part
    _, norm = normalised(pictures)
    found = waves(parameters, size)
    function = norm * np.einsum("fi,ifp->fp", amplitudes, np.stack([found.even, found.odd]))
    return {
        "orientation": np.degrees(parameters[:, ORIENTATION] - np.pi * turns),
        "frequency": np.exp(parameters[:, FREQUENCY]),
        "phase": np.degrees(np.arctan2(odd, amplitudes[:, 0])),
        "width_along": np.exp(parameters[:, ALONG]),
        "width_across": np.exp(parameters[:, ACROSS]),
        "centre_row": parameters[:, ROW] + (size - 1) / 2,
        "centre_column": parameters[:, COLUMN] + (size - 1) / 2,
        "amplitude": norm[:, 0] * np.hypot(*amplitudes.T),
        "offset": (pictures - function).mean(axis=1),
    }
