"""Perturbations: a direction drawn once, applied at any strength."""

import math

import pytest
import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import displacement_field, unit_coefficients
from workflow_scripts.diffeo.interpolation import smooth, warp
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Probe, noise_radii, reference_name

IMAGES = torch.randn(6, 2, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
INDEX = torch.arange(6)
TEMPERATURES = torch.tensor([1e-4, 4e-4, 1e-2], dtype=torch.float64)
INTERPOLATIONS = ("bilinear", "bicubic", "gaussian")


def probe(interpolation: str = "bilinear", images: Tensor = IMAGES, index: Tensor = INDEX) -> Probe:
    return Probe(images, smooth(images, interpolation), index)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_diffeo_warps_by_the_field_of_that_temperature(interpolation: str) -> None:
    diffeo = Diffeo(interpolation, TEMPERATURES, 5, 3, "disc")
    direction = diffeo.direction(probe(), 1)
    for strength, temperature in enumerate(TEMPERATURES.tolist()):
        field = math.sqrt(temperature) * displacement_field(unit_coefficients(5, INDEX, 1, 3, "disc"), 12)
        moved = diffeo.move(probe(interpolation), direction, 1, strength)
        torch.testing.assert_close(moved, warp(IMAGES, field, interpolation), rtol=1e-12, atol=1e-12)
        assert not torch.equal(moved, smooth(IMAGES, interpolation))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_noise_has_exactly_the_norm_of_its_image_and_draw_around_the_reference(interpolation: str) -> None:
    norms = torch.rand(3, 6, 2, dtype=torch.float64) + 0.1
    noise = Noise(interpolation, norms, 5)
    for draw in range(2):
        direction = noise.direction(probe(), draw)
        assert direction.shape == IMAGES.shape
        for strength in range(3):
            shift = noise.move(probe(interpolation), direction, draw, strength) - smooth(IMAGES, interpolation)
            torch.testing.assert_close(shift.flatten(1).norm(dim=1), norms[strength, :, draw], rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [Diffeo("bilinear", TEMPERATURES, 5, 3, "disc"), Noise("bilinear", torch.ones(3, 6, 2), 5)])
def test_direction_depends_on_image_and_draw_and_not_on_the_batch(kind: Diffeo | Noise) -> None:
    together = kind.direction(probe(), 0)
    chosen = torch.tensor([4, 1])
    assert torch.equal(kind.direction(probe(images=IMAGES[chosen], index=chosen), 0), together[chosen])
    assert not torch.equal(kind.direction(probe(), 1), together)
    assert not torch.equal(together[0], together[1])


def test_moved_images_keep_their_precision() -> None:
    single = probe(images=IMAGES.float())
    diffeo, noise = Diffeo("bilinear", TEMPERATURES, 5, 3, "disc"), Noise("bilinear", torch.ones(3, 6, 1, dtype=torch.float64), 5)
    for kind in (diffeo, noise):
        assert kind.move(single, kind.direction(single, 0), 0, 2).dtype == torch.float32


def test_reference_is_smoothed_for_gaussian_only() -> None:
    assert [reference_name(name) for name in INTERPOLATIONS] == ["original", "original", "smoothed"]


def test_noise_radii_are_the_mean_or_each_images_own() -> None:
    norms = torch.tensor([[[1.0, 3.0], [5.0, 7.0]], [[2.0, 2.0], [4.0, 8.0]]])  # (strength, image, draw)
    assert torch.equal(noise_radii(norms, "matched"), norms)
    expected = torch.tensor([4.0, 4.0])[:, None, None].expand(2, 2, 2)
    assert torch.equal(noise_radii(norms, "mean"), expected)


def test_noise_radii_refuse_another_norm() -> None:
    with pytest.raises(ValueError, match=r"^noise_norm: 'median' is not allowed; choose mean or matched$"):
        noise_radii(torch.ones(1, 1, 1), "median")
