"""Everything that moves an image, behind one interface: draw a direction once, move along it by any amount.

To add a perturbation, add a class with the attributes and methods of `Perturbation` and name it where the list of
perturbations is made: in `measure_stability.py` or, with a word for the configuration, in `measure_predictor.py`.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import displacement_field, unit_coefficients
from workflow_scripts.diffeo.interpolation import warp
from workflow_scripts.diffeo.noise import isotropic_direction
from workflow_scripts.diffeo.randomness import uniform


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
    """A family of moved images; the direction is random, the amount of the motion ordered.

    Attributes:
        kind: `diffeo`, `noise`, ...
        interpolation: how images are resampled, and with that which reference belongs to them.
        amounts: how far each image is moved at each strength, in the perturbation's own unit; (strength, image, draw).
    """

    @property
    def kind(self) -> str:
        """What moves the images."""
        ...

    @property
    def interpolation(self) -> str:
        """How they are resampled."""
        ...

    @property
    def amounts(self) -> Tensor:
        """How far they are moved."""
        ...

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Return what is random in a draw; the same for every amount."""
        ...

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        """Return the moved images (B, ch, n, n), each by its own amount (B,)."""
        ...


@dataclass(frozen=True)
class Diffeo:
    """Smooth deformations of the maximum-entropy ensemble; amounts are roots √T of temperatures."""

    amounts: Tensor
    interpolation: str
    seed: int
    cutoff: int
    mode_rule: str
    kind: str = "diffeo"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Displacement fields (B, 2, n, n) in pixels, at unit temperature."""
        coefficients = unit_coefficients(self.seed, probe.index, draw, self.cutoff, self.mode_rule, probe.images.device)
        return displacement_field(coefficients, probe.images.shape[-1])

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        """Deformed images τx."""
        return warp(probe.images, (per_image(amount) * direction).to(probe.images.dtype), self.interpolation)


@dataclass(frozen=True)
class Noise:
    """Isotropic noise on the reference image; amounts are norms r."""

    amounts: Tensor
    interpolation: str
    seed: int
    kind: str = "noise"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Unit vectors with the shape of the images."""
        return isotropic_direction(self.seed, probe.index, draw, probe.images.shape[1:], probe.images.device)

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        """Noisy images x + η, |η| = r."""
        return probe.reference + (per_image(amount) * direction).to(probe.reference.dtype)


@dataclass(frozen=True)
class Towards:
    """Steps of norm r towards another image z of the probe set: x + r (z − x)/|z − x| (slides: G')."""

    amounts: Tensor
    seed: int
    images: Tensor
    interpolation: str = "bilinear"
    kind: str = "towards"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """Unit vectors with the shape of the images."""
        towards = (other_images(self, probe, draw) - probe.images).double()
        norm = towards.flatten(1).norm(dim=1)
        return towards / per_image(norm.clamp(min=torch.finfo(norm.dtype).tiny))  # the same image twice: no way to go

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        """Images that are r closer to another one."""
        return probe.reference + (per_image(amount) * direction).to(probe.reference.dtype)


@dataclass(frozen=True)
class Segment:
    """The segment to another image z of the probe set: (1 − λ) x + λ z (slides: Λ, sign corrected); amounts are fractions λ."""

    amounts: Tensor
    seed: int
    images: Tensor
    interpolation: str = "bilinear"
    kind: str = "segment"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        """The other images."""
        return other_images(self, probe, draw)

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        """Exactly x at λ = 0 and z at λ = 1."""
        return torch.lerp(probe.reference, direction, per_image(amount).to(direction.dtype))


def other_images(perturbation: Towards | Segment, probe: Probe, draw: int) -> Tensor:
    """For each image of the probe another one of `perturbation.images` (P, ch, n, n), a function of (seed, image, draw, P)."""
    count = len(perturbation.images)
    fraction = uniform(perturbation.seed, "other image", probe.index, draw, 1)[:, 0]
    other = (probe.index + 1 + (fraction * (count - 1)).long()) % count
    return perturbation.images[other].to(probe.images.dtype)


def per_image(amount: Tensor) -> Tensor:
    """(B,) as (B, 1, 1, 1)."""
    return amount.view(-1, 1, 1, 1)


def for_all(amounts: Tensor, images: int, draws: int) -> Tensor:
    """Amounts (strength,) as (strength, image, draw), the same for all images and draws; takes no memory."""
    return amounts.view(-1, 1, 1).expand(-1, images, draws)


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
