import math

import numpy as np
import pytest
import torch

from workflow_scripts.diffeo.interpolation import GAUSSIAN_WIDTH, INTERPOLATIONS, smooth, warp


def cubic(distance: float) -> float:
    """Keys' kernel with a = -3/4."""
    a, d = -0.75, abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def axis_weights(coordinate: float, side: int, interpolation: str) -> np.ndarray:
    """Weight of every pixel along one axis, from the definition; the gaussian one covers the whole image."""
    weights, floor = np.zeros(side), math.floor(coordinate)
    if interpolation == "gaussian":
        weights = np.exp(-((np.arange(side) - coordinate) ** 2) / (2 * GAUSSIAN_WIDTH**2))
        return weights / weights.sum()
    for tap in range(floor - 1, floor + 3):
        distance = coordinate - tap
        value = max(0.0, 1 - abs(distance)) if interpolation == "bilinear" else cubic(distance)
        weights[min(max(tap, 0), side - 1)] += value
    return weights


def warp_slowly(images: np.ndarray, displacement: np.ndarray, interpolation: str) -> np.ndarray:
    result = np.empty_like(images)
    batch, _, height, width = images.shape
    for number in range(batch):
        for row in range(height):
            for column in range(width):
                u = min(max(row - displacement[number, 0, row, column], 0), height - 1)
                v = min(max(column - displacement[number, 1, row, column], 0), width - 1)
                weights = np.outer(axis_weights(u, height, interpolation), axis_weights(v, width, interpolation))
                result[number, :, row, column] = (images[number] * weights).sum(axis=(1, 2))
    return result


def random_batch(height: int, width: int, amplitude: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 2, height, width, generator=generator, dtype=torch.float64)
    return images, amplitude * torch.randn(3, 2, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10)])
@pytest.mark.parametrize(("interpolation", "tolerance"), [("bilinear", 1e-12), ("bicubic", 1e-12), ("gaussian", 1e-7)])
def test_equals_the_loop_over_pixels(shape, interpolation, tolerance):
    images, displacement = random_batch(*shape)
    expected = torch.from_numpy(warp_slowly(images.numpy(), displacement.numpy(), interpolation))
    torch.testing.assert_close(warp(images, displacement, interpolation), expected, rtol=0, atol=tolerance)


def test_gaussian_equals_its_window_exactly():
    images, displacement = random_batch(7, 9)
    result = warp(images, displacement, "gaussian")
    row, column = 4, 6
    for number in range(3):
        u = min(max(row - displacement[number, 0, row, column].item(), 0), 6)
        v = min(max(column - displacement[number, 1, row, column].item(), 0), 8)
        window = [
            (math.exp(-((r - u) ** 2 + (c - v) ** 2) / (2 * GAUSSIAN_WIDTH**2)), images[number, :, r, c])
            for r in range(max(0, math.floor(u) - 2), min(7, math.floor(u) + 4))
            for c in range(max(0, math.floor(v) - 2), min(9, math.floor(v) + 4))
        ]
        expected = sum(weight * value for weight, value in window) / sum(weight for weight, _ in window)
        torch.testing.assert_close(result[number, :, row, column], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [8, 28, 31])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_displacement_is_the_exact_identity(interpolation, side, dtype):
    images = random_batch(side, side)[0].to(dtype)
    assert torch.equal(warp(images, images.new_zeros(3, 2, side, side), interpolation), images)
    assert smooth(images, interpolation) is images


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_translations_by_whole_pixels_shift(interpolation):
    images, _ = random_batch(16, 16)
    displacement = torch.tensor([2.0, -3.0], dtype=torch.float64).view(1, 2, 1, 1).expand(3, 2, 16, 16)
    shifted = warp(images, displacement, interpolation)
    reference = smooth(images, interpolation)
    # Away from the border by the reach of the gaussian, whose normalisation is another one there.
    inside = shifted[:, :, 5:-3, 3:-6]
    torch.testing.assert_close(inside, reference[:, :, 3:-5, 6:-3], rtol=0, atol=1e-8 if interpolation == "gaussian" else 1e-12)


def test_pull_back_moves_a_point_along_the_displacement():
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 4, 4] = 1
    displacement = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 9, 9)
    assert warp(images, displacement, "bilinear").nonzero().tolist() == [[0, 0, 6, 5]]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [8, 11])
def test_coordinates_are_clamped_to_the_image(interpolation, side):
    images, _ = random_batch(side, side)
    far = torch.tensor([100.0, -100.0], dtype=torch.float64).view(1, 2, 1, 1).expand(3, 2, side, side)
    corner = images[:, :, :1, -1:].expand_as(images)
    assert torch.equal(warp(images, far, interpolation), corner)


def test_bilinear_warps_a_ramp_exactly():
    rows, columns = torch.meshgrid(torch.arange(10.0).double(), torch.arange(10.0).double(), indexing="ij")
    _, displacement = random_batch(10, 10, 0.7)
    u, v = (rows - displacement[:, 0]).clamp(0, 9), (columns - displacement[:, 1]).clamp(0, 9)
    warped = warp((3 * rows - 2 * columns + 1).expand(3, 1, 10, 10), displacement, "bilinear")
    torch.testing.assert_close(warped[:, 0], 3 * u - 2 * v + 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_images_stay_and_types_are_kept(interpolation, dtype):
    _, displacement = random_batch(12, 12)
    warped = warp(torch.full((3, 2, 12, 12), 1.5, dtype=dtype), displacement, interpolation)
    assert warped.dtype == dtype
    torch.testing.assert_close(warped, torch.full_like(warped, 1.5), rtol=0, atol=4e-6 if dtype == torch.float32 else 1e-13)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_single_precision_agrees_with_double(interpolation):
    images, displacement = random_batch(28, 28)
    double = warp(images, displacement, interpolation)
    torch.testing.assert_close(warp(images.float(), displacement, interpolation).double(), double, rtol=0, atol=3e-5)


def test_gaussian_does_not_depend_on_the_pixels_at_a_time(monkeypatch):
    images, displacement = random_batch(8, 8)
    whole = warp(images, displacement, "gaussian")
    monkeypatch.setattr("workflow_scripts.diffeo.interpolation.PIXELS_AT_A_TIME", 1)
    torch.testing.assert_close(warp(images, displacement, "gaussian"), whole, rtol=0, atol=1e-14)


def test_smooth_is_the_gaussian_at_zero_displacement():
    images, _ = random_batch(8, 8)
    expected = warp_slowly(images.numpy(), np.zeros((3, 2, 8, 8)), "gaussian")
    torch.testing.assert_close(smooth(images, "gaussian"), torch.from_numpy(expected), rtol=0, atol=1e-7)


def test_nonsense_is_refused():
    images, displacement = random_batch(8, 8)
    with pytest.raises(ValueError, match="interpolation is 'nearest'; it must be one of bilinear, bicubic, gaussian"):
        warp(images, displacement, "nearest")
    with pytest.raises(ValueError, match=r"displacement has shape \(1, 2, 8, 8\)"):
        warp(images, displacement[:1], "bilinear")
