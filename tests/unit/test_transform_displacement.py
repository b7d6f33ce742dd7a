"""Displacements inside receptive fields: closed forms for uniform weights, and every pixel by hand."""

import math

import pytest
import torch

from workflow_scripts.diffeo.affine import TRANSFORMS, Region, affine_maps, amounts
from workflow_scripts.diffeo.transform_displacement import mean_displacements, spread, translation_shares, uniform_weights

STRENGTHS = [("displacement", 0.7), ("frobenius", 1.0)]


def region(first: tuple[int, int], last: tuple[int, int], centre: tuple[float, float]) -> Region:
    return Region(torch.tensor([first]), torch.tensor([last]), torch.tensor([centre], dtype=torch.float64))


@pytest.mark.parametrize("edge", [1, 2, 5, 12])
def test_uniform_square_has_its_second_moment(edge: int) -> None:
    middle = 3 + (edge - 1) / 2
    field = region((3, 3), (2 + edge, 2 + edge), (middle, middle))
    moments = spread(uniform_weights(field, (20, 17)), field)
    assert float(moments.square) == pytest.approx((edge**2 - 1) / 6, abs=1e-12)  # twice (p² − 1)/12
    assert float(moments.off_centre) == pytest.approx(0, abs=1e-24)
    assert float(moments.square) == pytest.approx(float(field.mean_square_distance()), abs=1e-12)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_displacement_and_share_are_those_of_the_field_itself(transform: str) -> None:
    """On random weights, against U (s − c) + t at every pixel."""
    field = region((0, 2), (5, 8), (1.5, 6.0))
    weights = torch.rand(1, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = spread(weights, field)
    grid = torch.cartesian_prod(torch.arange(6), torch.arange(9)).double()
    w = (weights / weights.sum()).flatten()
    found = dict(zip(TRANSFORMS, mean_displacements(moments, field, STRENGTHS), strict=True))[transform]
    for (norm, value), mean in zip(STRENGTHS, found, strict=True):
        gradient, translation = affine_maps(transform, amounts(transform, norm, value, field)[0], torch.tensor(2.2))
        moved = (grid - field.centre) @ gradient.T + translation
        assert float(mean) == pytest.approx(float(w @ moved.norm(dim=1)), abs=1e-12)
        share = (w @ moved).square().sum() / (w @ moved.square().sum(dim=1))
        expected = dict(zip(TRANSFORMS, translation_shares(moments), strict=True))[transform]
        assert float(expected) == pytest.approx(float(share), abs=1e-12)


def test_an_object_far_from_the_centre_is_translated() -> None:
    """One heavy pixel: all of its displacement is a translation."""
    field = region((0, 0), (8, 8), (4.0, 4.0))
    weights = torch.zeros(1, 9, 9)
    weights[0, 1, 7] = 3
    moments = spread(weights, field)
    assert float(moments.distance) == pytest.approx(math.hypot(3, 3))
    assert translation_shares(moments).flatten().tolist() == pytest.approx([1] * 4)
