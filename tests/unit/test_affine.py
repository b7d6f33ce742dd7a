"""Affine maps inside a box: norms, signs, exact rotations and shifts, and nothing outside."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workflow_scripts.diffeo.affine import (
    LARGEST_ROTATION,
    TRANSFORMS,
    Region,
    affine_maps,
    amounts,
    random_angles,
    transformed_windows,
    windows,
)

QUARTER = 2.0  # ‖U‖ of a rotation by 90°


def box(first: tuple[int, int], last: tuple[int, int], count: int = 1) -> Region:
    """The same box in `count` images, about its own centre."""
    corners = torch.tensor([first, last])[:, None].expand(2, count, 2)
    return Region(corners[0], corners[1], corners.double().mean(dim=0))


def transformed(images: Tensor, region: Region, transform: str, amount: float, angle: float) -> Tensor:
    gradient, translation = affine_maps(transform, torch.tensor(amount), torch.tensor(angle, dtype=torch.float64))
    batch, edges = len(images), (images.shape[2], images.shape[3])
    start = torch.zeros(batch, 2, dtype=torch.int64)
    maps = gradient.expand(batch, 1, 2, 2), translation.expand(batch, 1, 2)
    return transformed_windows(images, region, *maps, start, edges)[:, 0]


def images(batch: int = 2, edge: int = 13, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(batch, 3, edge, edge, generator=torch.Generator().manual_seed(1), dtype=dtype)


def slow(image: Tensor, first: tuple[int, int], last: tuple[int, int], gradient: Tensor, translation: Tensor) -> Tensor:
    """Pixel by pixel: read the image (ch, h, w) at s − U (s − c) − t, bilinearly, clamped."""
    result = image.clone()
    edges = image.shape[1:]
    centre = [(a + b) / 2 for a, b in zip(first, last, strict=True)]
    for row in range(first[0], last[0] + 1):
        for column in range(first[1], last[1] + 1):
            away = torch.tensor([row - centre[0], column - centre[1]], dtype=torch.float64)
            read = torch.tensor([row, column]) - gradient @ away - translation
            (y, x) = (min(max(float(read[axis]), 0), edges[axis] - 1) for axis in range(2))
            top, left = math.floor(y), math.floor(x)
            below, right = min(top + 1, edges[0] - 1), min(left + 1, edges[1] - 1)
            upper = (1 - (x - left)) * image[:, top, left] + (x - left) * image[:, top, right]
            lower = (1 - (x - left)) * image[:, below, left] + (x - left) * image[:, below, right]
            result[:, row, column] = (1 - (y - top)) * upper + (y - top) * lower
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("first", "last"), [((3, 4), (9, 10)), ((2, 5), (9, 12))])  # odd and even edge
@pytest.mark.parametrize(("angle", "turns"), [(1.0, 1), (4.0, -1)])
def test_rotation_by_a_quarter_is_rot90_to_the_bit(
    dtype: torch.dtype, first: tuple[int, int], last: tuple[int, int], angle: float, turns: int
) -> None:
    before = images(dtype=dtype)
    after = transformed(before, box(first, last, 2), "rotation", QUARTER, angle)
    expected = before.clone()
    part = (slice(None), slice(None), slice(first[0], last[0] + 1), slice(first[1], last[1] + 1))
    expected[part] = torch.rot90(before[part], turns, dims=(2, 3))
    assert torch.equal(after, expected)


def test_whole_translation_is_a_shift_and_reads_from_outside_the_box() -> None:
    before = images()
    after = transformed(before, box((3, 3), (8, 9), 2), "translation", 2.0, 0.0)  # content moves two rows down
    assert torch.equal(after[:, :, 3:9, 3:10], before[:, :, 1:7, 3:10])
    at_the_edge = transformed(before, box((0, 3), (4, 9), 2), "translation", 2.0, 0.0)
    assert torch.equal(at_the_edge[:, :, 2:5, 3:10], before[:, :, 0:3, 3:10])
    assert torch.equal(at_the_edge[:, :, :2, 3:10], before[:, :, :1, 3:10].expand(-1, -1, 2, -1))  # clamped


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_outside_the_box_not_a_bit_changes_and_inside_all_is_as_by_hand(transform: str) -> None:
    before = images(1, dtype=torch.float64)
    before[0, 0, 0, 0] = -0.0
    first, last = (2, 1), (7, 9)
    after = transformed(before, box(first, last), transform, 0.7, 2.3)
    gradient, translation = affine_maps(transform, torch.tensor(0.7), torch.tensor(2.3, dtype=torch.float64))
    outside = torch.ones(13, 13, dtype=torch.bool)
    outside[2:8, 1:10] = False
    bits = [part[:, :, outside].view(torch.int64) for part in (before, after)]
    assert torch.equal(*bits)
    assert not torch.isclose(before, after)[:, :, ~outside].all()
    torch.testing.assert_close(after[0], slow(before[0], first, last, gradient, translation), rtol=1e-12, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, LARGEST_ROTATION), st.floats(0, 6.28))
def test_norms_and_parts_are_those_of_the_slides(amount: float, angle: float) -> None:
    both = torch.tensor(amount, dtype=torch.float64), torch.tensor(angle, dtype=torch.float64)
    identity = torch.eye(2, dtype=torch.float64)
    for transform in TRANSFORMS:
        gradient, translation = affine_maps(transform, *both)
        norm = translation.norm() if transform == "translation" else gradient.norm()
        assert float(norm) == pytest.approx(amount, abs=1e-12)
        torch.testing.assert_close(gradient.T @ gradient, identity * gradient.norm() ** 2 / 2, rtol=0, atol=1e-12)
    rotation = identity - affine_maps("rotation", *both)[0]  # what is read: R(−θ)
    torch.testing.assert_close(rotation @ rotation.T, identity, rtol=0, atol=1e-12)
    theta = 2 * math.asin(min(1.0, amount / LARGEST_ROTATION))
    assert float(rotation.trace()) == pytest.approx(2 * math.cos(theta), abs=1e-9)
    shear = affine_maps("shear", *both)[0]
    assert torch.equal(shear, shear.T)
    assert float(shear.trace()) == 0


def test_a_unit_rotation_is_by_41_degrees_and_a_unit_compression_by_0_707() -> None:
    gradient = affine_maps("rotation", torch.tensor(1.0), torch.tensor(1.0))[0]
    assert math.degrees(math.acos(1 - gradient[0, 0])) == pytest.approx(41.41, abs=0.005)
    assert float(gradient[1, 0]) > 0  # R(θ) = [[cos, −sin], [sin, cos]] turns rows towards columns
    stretch = affine_maps("compression", torch.tensor(1.0), torch.tensor(1.0))[0]
    torch.testing.assert_close(stretch, torch.eye(2).double() * 0.5**0.5)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize(("first", "last"), [((0, 0), (4, 4)), ((0, 2), (3, 12))])
def test_rms_displacement_is_what_the_norm_says(transform: str, first: tuple[int, int], last: tuple[int, int]) -> None:
    region = box(first, last)
    off_centre = Region(region.first, region.last, region.centre - torch.tensor([1.5, 0.25]))  # clipped by the image's edge
    for where in (region, off_centre):
        gradient, translation = affine_maps(transform, amounts(transform, "displacement", 0.6, where)[0], torch.tensor(0.8))
        grid = torch.cartesian_prod(torch.arange(first[0], last[0] + 1), torch.arange(first[1], last[1] + 1)).double()
        moved = (grid - where.centre) @ gradient.T + translation
        assert float(moved.square().sum(dim=1).mean().sqrt()) == pytest.approx(0.6, abs=1e-12)


@pytest.mark.parametrize("edge", [1, 2, 3, 8, 33])
def test_unit_norm_moves_a_square_by_its_edge_over_root_12(edge: int) -> None:
    spread = float(box((0, 0), (edge - 1, edge - 1)).mean_square_distance() / 2)
    assert math.sqrt(spread) == pytest.approx(math.sqrt((edge**2 - 1) / 12), abs=1e-12)


def test_directions_are_a_function_of_the_patch_and_the_draw() -> None:
    index = torch.tensor([5, 0, 7])
    angles = random_angles("shear", 3, index, 4)
    assert torch.equal(random_angles("shear", 3, index.flip(0), 2), angles.flip(0)[:, :2])
    assert not torch.isclose(angles, random_angles("rotation", 3, index, 4)).any()
    many = random_angles("rotation", 0, torch.arange(2000), 1)
    positive = (affine_maps("rotation", torch.tensor(1.0), many)[0][..., 1, 0] > 0).double().mean()
    assert abs(float(positive) - 0.5) < 5 * 0.5 / 2000**0.5


def test_windows_are_cut_where_they_begin() -> None:
    before = images()
    cut = windows(before, torch.tensor([[1, 2], [4, 0]]), (5, 7))
    assert torch.equal(cut[0], before[0, :, 1:6, 2:9])
    assert torch.equal(cut[1], before[1, :, 4:9, 0:7])
    region = box((5, 4), (7, 8), 2)
    gradient, translation = affine_maps("rotation", torch.full((2, 3), 0.5), torch.rand(2, 3))
    whole = transformed_windows(before, region, gradient, translation, torch.zeros(2, 2).long(), (13, 13))
    start = torch.tensor([[4, 2], [5, 4]])
    part = transformed_windows(before, region, gradient, translation, start, (4, 6))
    for image, (row, column) in enumerate(start.tolist()):
        assert torch.equal(part[image], whole[image, :, :, row : row + 4, column : column + 6])


def test_what_is_not_possible_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a rotation of norm 3 is not possible; the largest is 2\.8284, by 180°"):
        affine_maps("rotation", torch.tensor(3.0), torch.tensor(0.0))
    with pytest.raises(ValueError, match="transform is 'twist'; it must be one of compression"):
        affine_maps("twist", torch.tensor(1.0), torch.tensor(0.0))
    with pytest.raises(ValueError, match="no compression moves a receptive field of one pixel by 1 pixels"):
        amounts("compression", "displacement", 1.0, box((2, 2), (2, 2)))
    with pytest.raises(ValueError, match="norm is 'spectral'; it must be one of displacement, frobenius"):
        amounts("compression", "spectral", 1.0, box((2, 2), (3, 3)))
