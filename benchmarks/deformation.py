"""Drawing, laying out and applying deformations of a batch of images, over doing so image by image, as the formulas read."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.timing import DEVICE, Growth, Judged, Table, growth, ratio, table
from workflow_scripts.diffeo.deformation import displacement_field, modes, unit_coefficients
from workflow_scripts.diffeo.interpolation import GAUSSIAN_WIDTH, INTERPOLATIONS, warp

IMAGES, SIDE, CHANNELS, CUTOFF, SEED = 512, 32, 3, 3, 0
ROOT = 0.03  # of the temperature: some pixels of displacement
TARGETS = {"bilinear": 10.0, "gaussian": 100.0}
Array = np.ndarray[Any, Any]


def some_images(count: int, side: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random images (count, 3, side, side)."""
    return torch.randn(count, CHANNELS, side, side, generator=torch.Generator().manual_seed(SEED)).to(DEVICE, dtype)


def deform(images: Tensor, interpolation: str) -> Tensor:
    """The library: deformations of all images at once, drawn and applied."""
    index = torch.arange(len(images), device=images.device)
    coefficients = unit_coefficients(SEED, index, 0, CUTOFF, device=images.device)
    field = ROOT * displacement_field(coefficients, images.shape[-1])
    return warp(images, field.to(images.dtype), interpolation)


def deform_one_by_one(images: Tensor, interpolation: str) -> Tensor:
    """The same, one image after another and in it one mode after another."""
    sample = SAMPLERS[interpolation]
    deformed = []
    for number, image in enumerate(images.cpu().numpy()):
        coefficients = unit_coefficients(SEED, torch.tensor([number]), 0, CUTOFF)[0].numpy()
        field = ROOT * sum_of_sines(coefficients, image.shape[-1])
        deformed.append(sample(image, *coordinates(field.astype(image.dtype))))
    return torch.from_numpy(np.stack(deformed))


def sum_of_sines(coefficients: Array, side: int) -> Array:
    """Displacement in pixels (2, side, side): n sum over modes A_ij sin(i pi u) sin(j pi v)."""
    u = np.linspace(0, 1, side)
    field: Array = np.zeros((2, side, side))
    for component in range(2):
        for i, j in modes(CUTOFF):
            waves = np.outer(np.sin(i * math.pi * u), np.sin(j * math.pi * u))
            field[component] += side * coefficients[component, i - 1, j - 1] * waves
    return field


def coordinates(field: Array) -> tuple[Array, Array]:
    """Rows and columns (side, side) at which the image is read, within it."""
    side = field.shape[-1]
    pixels = np.arange(side, dtype=field.dtype)
    return np.clip(pixels[:, None] - field[0], 0, side - 1), np.clip(pixels[None, :] - field[1], 0, side - 1)


def linear_weight(distance: Array) -> Array:
    """1 - |t| between neighbours."""
    return np.where(np.abs(distance) <= 1, 1 - np.abs(distance), 0)


def cubic_weight(distance: Array) -> Array:
    """Cubic convolution with a = -3/4 (Keys 1981)."""
    a, t = -0.75, np.abs(distance)
    near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def sample_neighbours(image: Array, rows: Array, columns: Array, weight: Callable[[Array], Array], taps: Iterable[int]) -> Array:
    """Weighted sum of the pixels around each coordinate, the border replicated; image and result (channels, side, side)."""
    side = image.shape[-1]
    taps, found = list(taps), np.zeros_like(image)
    for row in (np.floor(rows).astype(int) + tap for tap in taps):
        for column in (np.floor(columns).astype(int) + tap for tap in taps):
            weights = weight(rows - row) * weight(columns - column)
            found += weights * image[:, np.clip(row, 0, side - 1), np.clip(column, 0, side - 1)]
    return found


def sample_all_pixels(image: Array, rows: Array, columns: Array) -> Array:
    """Normalised gaussian weights of all pairs of an output pixel and a pixel of the image."""
    pixel_rows, pixel_columns = (each.ravel().astype(image.dtype) for each in np.indices(image.shape[1:]))
    squared = (rows.ravel()[:, None] - pixel_rows) ** 2 + (columns.ravel()[:, None] - pixel_columns) ** 2
    weights = np.exp(-squared / (2 * GAUSSIAN_WIDTH**2))
    weights /= weights.sum(axis=1, keepdims=True)
    deformed: Array = image.reshape(len(image), -1) @ weights.T
    return deformed.reshape(image.shape)


SAMPLERS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "bilinear": partial(sample_neighbours, weight=linear_weight, taps=range(2)),
    "bicubic": partial(sample_neighbours, weight=cubic_weight, taps=range(-1, 3)),
    "gaussian": sample_all_pixels,
}


def largest_difference(images: Tensor, interpolation: str) -> float:
    """Between the two, of any pixel."""
    return float((deform(images, interpolation).cpu() - deform_one_by_one(images, interpolation)).abs().max())


def growths(counts: Sequence[int], sides: Sequence[int], repeats: int) -> list[Growth]:
    """Of bilinear and gaussian deformations, with the number of images and with their side."""

    def of(count: int, side: int, interpolation: str) -> Callable[[], Tensor]:
        return partial(deform, some_images(count, side), interpolation)

    found = []
    for name in TARGETS:
        what = f"{name} deformations"
        found.append(growth(what, "number of images", counts, lambda count: of(count, SIDE, name), repeats))  # noqa: B023
        found.append(growth(what, "side of the images", sides, lambda side: of(counts[0], side, name), repeats))  # noqa: B023
    return found


def measure(
    images: int = IMAGES,
    repeats: int = 3,
    counts: Sequence[int] = (128, 256, 512, 1024, 2048),
    sides: Sequence[int] = (16, 32, 64, 128),
) -> Table:
    """A row for each interpolation: time image by image over that of the batch in float32."""
    batch, judged, rows = some_images(images, SIDE), [], []
    for name in INTERPOLATIONS:
        found = ratio(partial(deform_one_by_one, batch, name), partial(deform, batch, name), repeats)
        cells = "— | —"
        if name in TARGETS:
            judged.append(Judged(f"deformation of a batch, {name}", found.value, TARGETS[name], at_least=True))
            cells = judged[-1].cells
        difference = largest_difference(batch, name)
        in_double = ratio(partial(deform_one_by_one, batch.double(), name), partial(deform, batch, name), repeats)
        rows.append(
            [name, f"{found.value:.0f}", cells, f"{in_double.value:.0f}", f"{1000 * found.fast:.1f} ms", f"{difference:.0e}"]
        )
    head = [
        "interpolation",
        "image by image / batch",
        "target",
        "",
        "image by image in float64 / batch",
        "the batch takes",
        "largest difference",
    ]
    return Table(table(head, rows), judged, growths(counts, sides, repeats))
