"""Everything that moves an image, behind one interface: draw a direction once, apply it at any strength.

To add a perturbation, add a class with the attributes and methods of `Perturbation` and name it where the sweep's list
of perturbations is made.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from workflow_scripts.diffeo.deformation import displacement_field, unit_coefficients
from workflow_scripts.diffeo.interpolation import warp
from workflow_scripts.diffeo.noise import isotropic_direction


@dataclass(frozen=True)
class Probe:
    """A batch of images to move.

    Attributes:
        images: normalised images x (B, ch, n, n).
        reference: what moved images are compared with, `smooth(images, interpolation)`.
        index: positions of the images in the probe set (B,), on which what is random depends.
    """

    images: Tensor
    reference: Tensor
    index: Tensor


class Perturbation(Protocol):
    """A family of moved images; the direction is random, the strength ordered.

    Attributes:
        kind: `diffeo`, `noise`, ...
        interpolation: how images are resampled, and with that which reference belongs to them.
    """

    @property
    def kind(self) -> str:
        """What moves the images."""
        ...

    @property
    def interpolation(self) -> str:
        """How they are resampled."""
        ...

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Return what is random in a draw; the same for every strength."""
        ...

    def move(self, probe: Probe, direction: Tensor, draw: int, strength: int) -> Tensor:
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

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Displacement fields (B, 2, n, n) in pixels, at unit temperature."""
        coefficients = unit_coefficients(self.seed, probe.index, draw, self.cutoff, self.mode_rule, probe.images.device)
        return displacement_field(coefficients, probe.images.shape[-1])

    def move(self, probe: Probe, direction: Tensor, draw: int, strength: int) -> Tensor:
        """Deformed images τx."""
        displacement = self.temperatures[strength].sqrt() * direction
        return warp(probe.images, displacement.to(probe.images.dtype), self.interpolation)


@dataclass(frozen=True)
class Noise:
    """Isotropic noise of given norms on the reference image; `radii` has shape (strength, image, draw)."""

    interpolation: str
    radii: Tensor
    seed: int
    kind: str = "noise"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Unit vectors with the shape of the images."""
        return isotropic_direction(self.seed, probe.index, draw, probe.images.shape[1:], probe.images.device)

    def move(self, probe: Probe, direction: Tensor, draw: int, strength: int) -> Tensor:
        """Noisy images x + η, |η| the radius of that image."""
        radius = self.radii[strength, probe.index, draw].view(-1, 1, 1, 1)
        return probe.reference + (radius * direction).to(probe.reference.dtype)


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
