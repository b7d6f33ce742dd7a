"""Perturbations: a direction drawn once, followed by any amount."""

import math

import pytest
import torch
from torch import Tensor

from workflow_scripts.diffeo.deformation import displacement_field, unit_coefficients
from workflow_scripts.diffeo.interpolation import smooth, warp
from workflow_scripts.diffeo.perturbations import (
    Diffeo,
    Noise,
    Perturbation,
    Probe,
    Segment,
    Towards,
    for_all,
    noise_radii,
    other_images,
    reference_name,
)

IMAGES = torch.randn(6, 2, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
INDEX = torch.arange(6)
TEMPERATURES = torch.tensor([1e-4, 4e-4, 1e-2], dtype=torch.float64)
INTERPOLATIONS = ("bilinear", "bicubic", "gaussian")


def probe(interpolation: str = "bilinear", images: Tensor = IMAGES, index: Tensor = INDEX) -> Probe:
    return Probe(images, smooth(images, interpolation), index)


def every_kind(images: Tensor = IMAGES) -> list[Perturbation]:
    amounts = for_all(torch.linspace(0.1, 1, 3, dtype=torch.float64), len(images), 2)
    return [
        Diffeo(0.1 * amounts, "bilinear", 5, 3, "disc"),
        Noise(amounts, "bilinear", 5),
        Towards(amounts, 5, images),
        Segment(amounts, 5, images),
    ]


KINDS = ["diffeo", "noise", "towards", "segment"]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_diffeo_warps_each_image_by_the_field_of_its_temperature(interpolation: str) -> None:
    diffeo = Diffeo(TEMPERATURES, interpolation, 5, 3, "disc")
    temperatures = torch.linspace(1e-4, 1e-2, 6, dtype=torch.float64)
    moved = diffeo.move(probe(interpolation), diffeo.direction(probe(), 1), temperatures.sqrt())
    for image, temperature in enumerate(temperatures.tolist()):
        field = math.sqrt(temperature) * displacement_field(unit_coefficients(5, INDEX[[image]], 1, 3, "disc"), 12)
        expected = warp(IMAGES[[image]], field, interpolation)[0]
        torch.testing.assert_close(moved[image], expected, rtol=1e-12, atol=1e-12)
    assert not torch.equal(moved, smooth(IMAGES, interpolation))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_noise_has_exactly_its_norm_around_the_reference(interpolation: str) -> None:
    norms = torch.rand(6, dtype=torch.float64) + 0.1
    noise = Noise(norms[None, :, None], interpolation, 5)
    direction = noise.direction(probe(), 1)
    assert direction.shape == IMAGES.shape
    shift = noise.move(probe(interpolation), direction, norms) - smooth(IMAGES, interpolation)
    torch.testing.assert_close(shift.flatten(1).norm(dim=1), norms, rtol=1e-12, atol=0)


def test_a_step_towards_another_image_has_its_norm_and_ends_there() -> None:
    norms = torch.rand(6, dtype=torch.float64) + 0.1
    towards = Towards(norms[None, :, None], 5, IMAGES)
    direction = towards.direction(probe(), 0)
    step = towards.move(probe(), direction, norms) - IMAGES
    torch.testing.assert_close(step.flatten(1).norm(dim=1), norms, rtol=1e-12, atol=0)
    other = other_images(towards, probe(), 0)
    distance = (other - IMAGES).flatten(1).norm(dim=1)
    torch.testing.assert_close(towards.move(probe(), direction, distance), other, rtol=1e-12, atol=1e-12)


def test_there_is_no_way_to_an_equal_image() -> None:
    same = torch.ones(2, 1, 4, 4)
    towards = Towards(for_all(torch.ones(1), 2, 1), 5, same)
    twins = Probe(same, same, torch.arange(2))
    assert torch.equal(towards.move(twins, towards.direction(twins, 0), torch.ones(2)), same)


def test_the_segment_begins_and_ends_exactly_at_the_images() -> None:
    images = IMAGES.float()
    segment = Segment(for_all(torch.linspace(0, 1, 3), 6, 1), 5, images)
    here = probe(images=images)
    other = segment.direction(here, 0)
    assert torch.equal(segment.move(here, other, torch.zeros(6)), images)
    assert torch.equal(segment.move(here, other, torch.ones(6)), other)
    torch.testing.assert_close(segment.move(here, other, torch.full((6,), 0.25)), 0.75 * images + 0.25 * other)


def test_the_other_image_is_another_one_and_the_same_for_both_ways_to_it() -> None:
    images = torch.arange(50.0, dtype=torch.float64).view(50, 1, 1, 1).expand(50, 1, 3, 3)
    everything = Probe(images, images, torch.arange(50))
    towards, segment = Towards(torch.ones(1, 50, 40), 5, images), Segment(torch.ones(1, 50, 40), 5, images)
    chosen = torch.stack([other_images(towards, everything, draw)[:, 0, 0, 0] for draw in range(40)])
    assert torch.equal(chosen[0], segment.direction(everything, 0)[:, 0, 0, 0])
    assert not (chosen == torch.arange(50)).any()
    counts = torch.bincount(chosen.long().flatten(), minlength=50).double()  # 40 of each expected, all images alike
    assert counts.min() > 40 - 5 * 40**0.5
    assert counts.max() < 40 + 5 * 40**0.5


@pytest.mark.parametrize("kind", every_kind(), ids=KINDS)
def test_direction_depends_on_image_and_draw_and_not_on_the_batch(kind: Perturbation) -> None:
    together = kind.direction(probe(), 0)
    chosen = torch.tensor([4, 1])
    assert torch.equal(kind.direction(probe(images=IMAGES[chosen], index=chosen), 0), together[chosen])
    assert not torch.equal(kind.direction(probe(), 1), together)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("kind", every_kind(IMAGES.float()), ids=KINDS)
def test_moved_images_keep_their_precision(kind: Perturbation) -> None:
    single = probe(images=IMAGES.float())
    assert kind.move(single, kind.direction(single, 0), kind.amounts[2, INDEX, 0]).dtype == torch.float32


@pytest.mark.parametrize("kind", every_kind(), ids=KINDS)
def test_kind_is_the_word_for_it(kind: Perturbation) -> None:
    assert kind.kind == type(kind).__name__.lower()


def test_amounts_for_all_are_the_same_for_every_image_and_draw() -> None:
    amounts = for_all(torch.tensor([1.0, 2.0]), 3, 4)
    assert amounts.shape == (2, 3, 4)
    assert torch.equal(amounts[1], torch.full((3, 4), 2.0))


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
