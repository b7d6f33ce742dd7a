import torch

from workflow_scripts.diffeo.noise import isotropic_direction

SHAPE = (3, 5, 7)


def test_directions_have_norm_one():
    directions = isotropic_direction(0, torch.arange(50), 1, SHAPE)
    assert directions.shape == (50, *SHAPE)
    assert directions.dtype == torch.float64
    norms = directions.flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=0, atol=1e-14)


def test_directions_are_isotropic():
    directions = isotropic_direction(0, torch.arange(20000), 0, (1, 2, 2)).flatten(1)
    count, dimension = directions.shape
    assert directions.mean(dim=0).abs().max() < 5 / (count * dimension) ** 0.5
    covariance = directions.T @ directions / count * dimension
    # Var(d x_i^2) = 2 (d - 1) / (d + 2) = 1 in four dimensions.
    assert (covariance - torch.eye(dimension)).abs().max() < 5 / count**0.5
    # In four dimensions <x_i^4> is 3 / (d (d + 2)) = 1/8, unlike the 3/16 of independent normals.
    assert abs(directions.pow(4).mean() - 1 / 8) < 0.005


def test_directions_differ_by_image_draw_and_seed():
    index = torch.tensor([0, 1])
    rows = [isotropic_direction(seed, index, draw, SHAPE).flatten(1) for seed in (0, 1) for draw in (0, 1)]
    assert (torch.cat(rows) @ torch.cat(rows).T - torch.eye(8)).abs().max() < 0.6


def test_a_direction_does_not_depend_on_its_batch():
    whole = isotropic_direction(3, torch.arange(10), 2, SHAPE)
    torch.testing.assert_close(isotropic_direction(3, torch.tensor([7, 2]), 2, SHAPE), whole[[7, 2]], rtol=0, atol=1e-15)
