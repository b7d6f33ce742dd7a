"""Everything that moves an image, behind one interface: draw a direction once, apply it at any strength.

To add a perturbation, add a class with the attributes and methods of `Perturbation` and name it where the sweep's list
of perturbations is made.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import displacement_field, unit_coefficients
from workflow_scripts.diffeo.interpolation import smooth, warp
from workflow_scripts.diffeo.noise import isotropic_direction


class Perturbation(Protocol):
    """A family of moved images f(x; direction, strength), the direction being random and the strength ordered.

    Attributes:
        kind: `diffeo`, `noise`, ...
        interpolation: how images are resampled; the reference image is `smooth(x, interpolation)`.
    """

    @property
    def kind(self) -> str: ...

    @property
    def interpolation(self) -> str: ...

    def direction(self, images: Tensor, image_index: Tensor, draw: int) -> Tensor:
        """Return what is random in a draw, for images (B, ch, n, n) at positions `image_index` (B,) of the probe set."""
        ...

    def move(self, images: Tensor, direction: Tensor, image_index: Tensor, draw: int, strength: int) -> Tensor:
        """Return the moved images (B, ch, n, n) at the strength of that index."""
        ...


@dataclass(frozen=True)
class Diffeo:
    """Smooth deformations of the maximum-entropy ensemble at given temperatures (`strength` indexes them)."""

    interpolation: str
    temperatures: Tensor
    seed: int
    cutoff: int
    mode_rule: str
    kind: str = "diffeo"

    def direction(self, images: Tensor, image_index: Tensor, draw: int) -> Tensor:
        """Displacement fields (B, 2, n, n) in pixels, at unit temperature."""
        coefficients = unit_coefficients(self.seed, image_index, draw, self.cutoff, self.mode_rule, images.device)
        return displacement_field(coefficients, images.shape[-1])

    def move(self, images: Tensor, direction: Tensor, image_index: Tensor, draw: int, strength: int) -> Tensor:
        """Deformed images τx."""
        displacement = self.temperatures[strength].sqrt() * direction
        return warp(images, displacement.to(images.dtype), self.interpolation)


@dataclass(frozen=True)
class Noise:
    """Isotropic noise of given norms on the reference image; `radii` has shape (strength, image, draw)."""

    interpolation: str
    radii: Tensor
    seed: int
    kind: str = "noise"

    def direction(self, images: Tensor, image_index: Tensor, draw: int) -> Tensor:
        """Unit vectors with the shape of the images."""
        return isotropic_direction(self.seed, image_index, draw, images.shape[1:], images.device)

    def move(self, images: Tensor, direction: Tensor, image_index: Tensor, draw: int, strength: int) -> Tensor:
        """Noisy images x + η, |η| the radius of that image."""
        radius = self.radii[strength, image_index, draw].view(-1, 1, 1, 1)
        return smooth(images, self.interpolation) + (radius * direction).to(images.dtype)


def reference_name(interpolation: str) -> str:
    """`original` if an interpolation leaves an image alone where nothing moves, `smoothed` if it blurs it."""
    return "smoothed" if interpolation == "gaussian" else "original"


def noise_radii(displacement_norm: Tensor, noise_norm: str) -> Tensor:
    """Norms of the noise, (strength, image, draw), that go with the norms |τx − x| of deformations (same shape).

    `mean`: every image gets the mean over images and draws (slides); `matched`: each its own (the authors' code).

    Raises:
        ValueError: any other `noise_norm`.
    """
    if noise_norm == "matched":
        return displacement_norm
    if noise_norm == "mean":
        return displacement_norm.mean(dim=(1, 2), keepdim=True).expand_as(displacement_norm)
    raise ValueError(f"noise_norm: {noise_norm!r} is not allowed; choose mean or matched")


def radii(perturbations: list[Perturbation], displacement_norm: dict[str, Tensor]) -> Tensor:
    """Mean norm r of each perturbation at each strength, (perturbation, strength)."""
    return torch.stack([displacement_norm[p.interpolation].mean(dim=(1, 2)) for p in perturbations])
