"""Enlargement against a slow definition in exact fractions, and against torch."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from workflow_scripts.diffeo.enlargement import enlarge


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def by_definition(image: np.ndarray, factor: int) -> np.ndarray:
    """One grey image, each new pixel by itself, in exact arithmetic."""

    def neighbours(new: int, size: int) -> list[tuple[int, Fraction]]:
        place = min(max((new + Fraction(1, 2)) / factor - Fraction(1, 2), Fraction(0)), Fraction(size - 1))
        lower = floor(place)
        return [(lower, 1 - (place - lower)), (min(lower + 1, size - 1), place - lower)]

    height, width = image.shape
    found = np.empty((factor * height, factor * width), np.uint8)
    for row, column in np.ndindex(found.shape):
        value = sum(
            weight * other * int(image[i, j]) for i, weight in neighbours(row, height) for j, other in neighbours(column, width)
        )
        found[row, column] = floor(value + Fraction(1, 2))
    return found


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_it_is_bilinear_interpolation_between_pixel_centres_rounded_half_up(factor: int) -> None:
    images = random_images(2, 3, 4, 5)
    found = enlarge(images, factor)
    assert found.dtype == np.uint8 and found.shape == (2, 3, 4 * factor, 5 * factor)
    for image, channel in np.ndindex(2, 3):
        np.testing.assert_array_equal(found[image, channel], by_definition(images[image, channel], factor))


@pytest.mark.parametrize("factor", [2, 3, 8, 100])
def test_it_agrees_with_torch(factor: int) -> None:
    images = random_images(3, 1, 6, 6)
    exact = interpolate(torch.from_numpy(images).double(), scale_factor=factor, mode="bilinear", align_corners=False).numpy()
    assert np.abs(enlarge(images, factor) - exact).max() < 0.5 + 1e-9


def test_a_constant_image_stays_constant_and_a_single_pixel_has_no_neighbours() -> None:
    assert (enlarge(np.full((1, 1, 7, 7), 255, np.uint8), 5) == 255).all()
    assert (enlarge(np.full((1, 1, 1, 1), 77, np.uint8), 3) == 77).all()


def test_factor_one_changes_nothing_and_no_image_is_no_image() -> None:
    images = random_images(2, 1, 3, 3)
    np.testing.assert_array_equal(enlarge(images, 1), images)
    assert enlarge(images[:0], 2).shape == (0, 1, 6, 6)


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(5, 1, 4, 4)
    whole = enlarge(images, 2)
    monkeypatch.setattr("workflow_scripts.diffeo.enlargement.VALUES_AT_A_TIME", 130)
    np.testing.assert_array_equal(enlarge(images, 2), whole)


@pytest.mark.parametrize("factor", [0, 101])
def test_a_factor_out_of_range_is_refused(factor: int) -> None:
    with pytest.raises(ValueError, match=f"^factor is {factor}, but must be from 1 to 100$"):
        enlarge(random_images(1, 1, 2, 2), factor)
