import math

import numpy as np
import pytest
import torch

from workflow_scripts.diffeo.deformation import modes, standard_deviations
from workflow_scripts.diffeo.field_norms import mean_squares
from workflow_scripts.diffeo.patch_norms import (
    continuum_moments,
    linear_estimate,
    linear_range,
    patch_gradient_mean_squares,
    patch_mean_squares,
    pixel_moments,
    window_weights,
)

ENSEMBLES = [("disc", 2), ("disc", 3), ("disc", 5), ("padded", 3)]
SIZE = 12
PATCHES = [2, 3, 5, 8, 11, 12]


def brute_force(cutoff: int, rule: str, patch: int) -> tuple[dict[str, float], dict[str, float]]:
    """Sums over modes, components, patches and pixels, with a least-squares fit of every mode on every patch."""
    rows = np.arange(patch)
    design = np.stack([np.ones((patch, patch)), *np.meshgrid(rows, rows, indexing="ij")], axis=-1).reshape(-1, 3)
    squares = dict.fromkeys(("translation", "remainder", "linear", "rest"), 0.0)
    along_rows = along_columns = 0.0
    starts = [(row, column) for row in range(SIZE - patch + 1) for column in range(SIZE - patch + 1)]
    for i, j in modes(cutoff, rule):
        deviation = 1 / math.hypot(i, j)
        for first_row, first_column in starts:
            u = math.pi * (first_row + rows)[:, None] / (SIZE - 1)
            v = math.pi * (first_column + rows)[None, :] / (SIZE - 1)
            values = SIZE * deviation * (np.sin(i * u) * np.sin(j * v)).ravel()
            fitted = design @ np.linalg.lstsq(design, values, rcond=None)[0]
            share = 2 / len(starts)  # of this patch, for two components
            squares["translation"] += share * values.mean() ** 2
            squares["remainder"] += share * ((values - values.mean()) ** 2).mean()
            squares["linear"] += share * ((fitted - values.mean()) ** 2).mean()
            squares["rest"] += share * ((values - fitted) ** 2).mean()
            along_rows += share * (deviation * math.pi * i * np.cos(i * u) * np.sin(j * v)).mean() ** 2
            along_columns += share * (deviation * math.pi * j * np.sin(i * u) * np.cos(j * v)).mean() ** 2
    total = along_rows + along_columns
    return squares, {"C": total / 4, "S": total / 2, "R": total / 4, "U": total}


@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_sums_over_pixels_are_those_of_brute_force(rule, cutoff, patch):
    squares, gradients = brute_force(cutoff, rule, patch)
    found = patch_mean_squares(cutoff, rule, size=SIZE, patch=patch, on_grid=True)
    assert found == pytest.approx(squares, rel=1e-12, abs=1e-12)
    found = patch_gradient_mean_squares(cutoff, rule, size=SIZE, patch=patch, on_grid=True)
    assert found == pytest.approx(gradients, rel=1e-12, abs=1e-12)


def legendre(low: float, high: float, nodes: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a quadrature that is a mean over an interval."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return (low + high) / 2 + (high - low) / 2 * points, weights / 2


@pytest.mark.parametrize("width", [0.01, 0.0625, 0.3, 0.7, 0.999, 1.0])
def test_moments_of_the_continuum_are_those_of_quadrature(width):
    found = continuum_moments(6, width)
    offsets, weights = legendre(-width / 2, width / 2)
    centres, at_centres = legendre(width / 2, 1 - width / 2)
    for i in range(1, 7):
        k = math.pi * i
        sine, cosine = (wave(k * (centres[:, None] + offsets)) for wave in (np.sin, np.cos))
        ramp = offsets * math.sqrt(12) / width
        expected = [(sine @ weights) ** 2, (sine @ (ramp * weights)) ** 2, sine**2 @ weights, (k * cosine @ weights) ** 2]
        for moments, values in zip(found, expected, strict=True):
            assert moments[i - 1].item() == pytest.approx(at_centres @ values, rel=1e-10, abs=1e-12)


def test_pixels_tend_to_the_continuum():
    for fine, limit in zip(pixel_moments(5, 400, 100), continuum_moments(5, 0.25), strict=True):
        torch.testing.assert_close(fine, limit, rtol=2e-2, atol=0)


@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_the_whole_image_is_one_patch(rule, cutoff, on_grid):
    found = patch_mean_squares(cutoff, rule, size=32, patch=32, on_grid=on_grid)
    everything = mean_squares(cutoff, rule, size=32, on_grid=on_grid)["tau"]
    assert found["translation"] + found["remainder"] == pytest.approx(everything, rel=1e-12)


def test_the_mean_over_the_unit_square_is_known():
    # The integral of sin(i pi u) is 2/(i pi) for odd i, 0 for even ones; the mean of its derivative is 0.
    variance = standard_deviations(5).square()
    expected = (
        2 * 32**2 * sum(variance[i - 1, j - 1].item() * (4 / (math.pi**2 * i * j)) ** 2 for i in (1, 3, 5) for j in (1, 3, 5))
    )
    found = patch_mean_squares(5, size=32, patch=32, on_grid=False)
    assert found["translation"] == pytest.approx(expected, rel=1e-12)
    assert patch_gradient_mean_squares(5, size=32, patch=32, on_grid=False)["U"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_on_small_patches_of_a_fine_grid_the_remainder_is_linear_and_the_estimate_right(rule, cutoff, on_grid):
    where = {"size": 1000, "patch": 10, "on_grid": on_grid}
    found = patch_mean_squares(cutoff, rule, **where)
    assert found["remainder"] == pytest.approx(linear_estimate(cutoff, rule, **where), rel=0.03)
    assert found["rest"] < 1e-3 * found["remainder"]


def test_a_patch_of_two_pixels_holds_a_quarter_of_the_squared_difference_of_pixels():
    mean, slope = window_weights(2, 4)
    torch.testing.assert_close(mean[1], torch.tensor([0, 0.5, 0.5, 0], dtype=torch.float64))
    torch.testing.assert_close(slope[1], torch.tensor([0, -0.5, 0.5, 0], dtype=torch.float64))


@pytest.mark.parametrize(("cutoff", "expected"), [(2, 7), (3, 6), (5, 4), (8, 3), (15, 0)])
def test_the_estimate_is_within_a_tenth_up_to_its_range_and_not_beyond(cutoff, expected):
    found = linear_range(cutoff, size=32)
    assert found == expected

    def off(patch):
        remainder = patch_mean_squares(cutoff, size=32, patch=patch, on_grid=True)["remainder"]
        return abs(linear_estimate(cutoff, size=32, patch=patch, on_grid=True) / remainder - 1)

    assert all(off(patch) <= 0.1 for patch in range(2, found + 1))
    assert off(max(found + 1, 2)) > 0.1


def test_the_estimate_holds_everywhere_if_patches_are_small():
    assert linear_range(2, size=6) in range(2, 7)


@pytest.mark.parametrize("patch", [1, 33])
@pytest.mark.parametrize("compute", [patch_mean_squares, patch_gradient_mean_squares, linear_estimate])
def test_patches_that_do_not_fit_are_refused(compute, patch):
    with pytest.raises(ValueError, match=f"patch is {patch}; it must be from 2 to the 32 pixels of the image"):
        compute(3, size=32, patch=patch, on_grid=False)
