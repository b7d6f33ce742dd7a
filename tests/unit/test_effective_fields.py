"""Effective receptive fields against gradients of every channel, one at a time, and closed forms of linear networks."""

import math

import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.contribution_profiles import AveragingNetwork, field_size
from workflow_scripts.diffeo.effective_fields import (
    LARGEST_BATCH,
    central_position,
    effective_fields,
    images_per_batch,
    strongest_maps,
)
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork


def small_network(channels: int = 5) -> nn.Module:
    layers = (nn.Conv2d(2, channels, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(channels, channels, 3, padding=1), nn.Tanh())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)).double().eval()


def images(count: int) -> Tensor:
    return torch.randn(count, 2, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def squared_gradients(network: nn.Module, layers: int, pixels: Tensor) -> Tensor:
    """Σ_c (∂a_c/∂x)² of each image (P, h, w), channel by channel, of the layer that follows `layers` others."""
    found = torch.zeros(len(pixels), *pixels.shape[2:], dtype=torch.float64)
    for number, image in enumerate(pixels):

        def central(x: Tensor) -> Tensor:
            maps = network[: layers + 1](x[None])
            return maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2]

        found[number] = torch.autograd.functional.jacobian(central, image).square().sum(dim=(0, 1))
    return found


def test_random_signs_give_the_sum_over_channels() -> None:
    torch.manual_seed(0)
    network, pixels = small_network(), images(3)
    expected = squared_gradients(network, 3, pixels)
    observed = ObservedNetwork(network)
    draws = 400
    found = torch.stack([effective_fields(observed, pixels, seed=seed, draws=1, batch_size=3)[4].total for seed in range(draws)])
    error = found.std(dim=0) / math.sqrt(draws)
    assert ((found.mean(dim=0) - expected.sum(dim=(1, 2))).abs() < 5 * error).all()


def test_field_of_a_single_channel_is_its_squared_gradient() -> None:
    torch.manual_seed(0)
    network, pixels = small_network(channels=1), images(4)
    found = effective_fields(ObservedNetwork(network), pixels, seed=0, draws=1, batch_size=4)
    assert list(found) == [1, 4]
    for index, layers in ((1, 0), (4, 3)):
        expected = squared_gradients(network, layers, pixels)
        profile = expected.mean(dim=0)
        torch.testing.assert_close(found[index].profile, profile, rtol=1e-6, atol=0)
        torch.testing.assert_close(found[index].total, expected.sum(dim=(1, 2)), rtol=1e-6, atol=0)
        peak = expected.flatten(1)[:, int(profile.argmax())]
        torch.testing.assert_close(found[index].peak, peak, rtol=1e-6, atol=0)


def test_fields_do_not_depend_on_the_batches() -> None:
    torch.manual_seed(0)
    observed = ObservedNetwork(small_network())
    whole, parts = (effective_fields(observed, images(7), seed=3, draws=3, batch_size=size) for size in (7, 2))
    for index, field in whole.items():
        for one, other in zip(field, parts[index], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)


def test_draws_are_averages_over_signs() -> None:
    torch.manual_seed(0)
    observed = ObservedNetwork(small_network())
    pixels = images(3)
    several, more = (effective_fields(observed, pixels, seed=0, draws=draws, batch_size=3)[4].total for draws in (1, 2))
    second = 2 * more - several
    assert (second > 0).all()  # the mean of the first draw and of another one
    assert (second - several).abs().min() > 0


def test_at_initialisation_the_field_is_about_the_contribution_profile() -> None:
    """Independent weights: the mean square of a sum over paths is the sum of the squares, as for equal weights."""
    network = build_network({"architecture": "vgg11", "width": 0.25}, input_shape=(1, 32, 32), classes=4, seed=0).eval()
    observed = ObservedNetwork(network)
    pixels = torch.randn(200, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    field = effective_fields(observed, pixels, seed=0, draws=2, batch_size=50)[7].profile  # third convolution
    averages = AveragingNetwork(observed, (1, 32, 32))
    (profile,) = averages.profiles(7, torch.tensor([[4, 4]]))
    expected = field_size(profile)
    assert observed.operations[7].kind == "convolution"
    assert field[profile == 0].abs().max() == 0
    correlation = torch.corrcoef(torch.stack((field.flatten(), profile.flatten())))[0, 1]
    assert correlation > 0.95
    torch.testing.assert_close(field_size(field).centre, expected.centre, rtol=0, atol=0.5)


def test_strongest_map_is_that_of_the_most_active_channel() -> None:
    torch.manual_seed(0)
    network, pixels = small_network(), images(1)
    found = strongest_maps(ObservedNetwork(network), pixels)
    maps = network[:4](pixels)[0]
    row, column = central_position(maps)
    assert torch.equal(found[4], maps[int(maps[:, row, column].argmax())])
    assert (row, column) == (2, 2)


@pytest.mark.parametrize(("memory_mb", "expected"), [(1, 16), (10000, LARGEST_BATCH)])
def test_batches_fit_into_memory(memory_mb: int, expected: int) -> None:
    observed = ObservedNetwork(small_network())
    activations = 2 * 144 + 2 * 5 * 100 + 3 * 5 * 25 + 5 + 2 + 2  # input; convolution, ReLU; pool, convolution, tanh; outputs
    assert expected in (LARGEST_BATCH, 2**20 // (8 * (2 * activations + 3 * 3 * 500)))
    assert images_per_batch(observed, images(1), 3, memory_mb) == expected
