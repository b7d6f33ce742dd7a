"""How far deformations of given temperatures move the images of a data set, and how many of them fold."""

from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_scripts.diffeo.batches import in_batches
from workflow_scripts.diffeo.deformation import displacement_field, folds, unit_coefficients
from workflow_scripts.diffeo.interpolation import smooth, warp


def displacement_norms(
    images: Tensor,
    temperatures: Sequence[float],
    cutoff: int,
    rule: str,
    interpolations: Sequence[str],
    draws: int,
    seed: int,
    chunk: int,
) -> Tensor:
    """Norms |tau x - x| of every image, draw, temperature and interpolation.

    `images`: (P, ch, n, n), normalised; the deformation of an image is that of its position among them. With the
    gaussian interpolation x stands for the smoothed image. `chunk` images are worked on at a time.
    Returns (interpolation, strength, image, draw) float64, `strength` counting the temperatures.
    """
    norms = images.new_empty(len(interpolations), len(temperatures), len(images), draws, dtype=torch.float64)

    def fill_in(index: Tensor) -> None:
        part = images[index]
        references = [smooth(part, interpolation) for interpolation in interpolations]
        for draw in range(draws):
            coefficients = unit_coefficients(seed, index, draw, cutoff, rule, images.device)
            field = displacement_field(coefficients, images.shape[-1])
            for strength, temperature in enumerate(temperatures):
                moved = (temperature**0.5 * field).to(images.dtype)
                for which, interpolation in enumerate(interpolations):
                    change = warp(part, moved, interpolation) - references[which]
                    norms[which, strength, index, draw] = change.double().flatten(1).norm(dim=1)

    for _ in in_batches(fill_in, torch.arange(len(images), device=images.device), chunk):
        pass
    return norms


def folded_fraction(
    temperatures: Sequence[float], cutoff: int, size: int, rule: str, images: int, draws: int, seed: int, chunk: int
) -> tuple[Tensor, Tensor]:
    """Fraction of the deformations of `images` x `draws` that fold, and its binomial standard error.

    The deformations are those of `displacement_norms`. Returns two float64 tensors (strength,).
    """
    folded = torch.zeros(len(temperatures), dtype=torch.float64)
    for index in torch.split(torch.arange(images), chunk):
        for draw in range(draws):
            coefficients = unit_coefficients(seed, index, draw, cutoff, rule)
            folded += torch.stack([folds(coefficients, temperature, size).sum() for temperature in temperatures])
    fraction = folded / (images * draws)
    return fraction, (fraction * (1 - fraction) / (images * draws)).sqrt()
