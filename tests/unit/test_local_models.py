"""Local models: a locally connected layer against the convolution, its initial weights, pooling and what is trained."""

import math

import pytest
import torch
from torch import nn

from workflow_scripts.diffeo.local_models import LocallyConnected2d, local_model

SHAPE = (3, 9, 12)


def build(shape: tuple[int, int, int] = SHAPE, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return local_model(shape, 7, lambda channels: channels, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("filter_size", [1, 2, 3, 4, 5, 9])
def test_shared_weights_make_it_the_convolution(filter_size: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 8, filter_size, padding="same").double()
    local = LocallyConnected2d(3, 8, filter_size, (9, 12)).double()
    with torch.no_grad():
        local.weight.copy_(convolution.weight.flatten(1).expand_as(local.weight))
        local.bias.copy_(convolution.bias[:, None].expand_as(local.bias))
    images = torch.randn(4, *SHAPE, dtype=torch.float64)
    torch.testing.assert_close(local(images), convolution(images), rtol=1e-6, atol=1e-6)
    assert torch.allclose(local.float()(images.float()), convolution.float()(images.float()), rtol=1e-6, atol=1e-6)


def test_every_position_has_filters_of_its_own() -> None:
    torch.manual_seed(0)
    local, images = LocallyConnected2d(2, 4, 3, (5, 6)).double(), torch.randn(2, 2, 5, 6, dtype=torch.float64)
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    found = local(images)
    for row in range(5):
        for column in range(6):
            weight = local.weight[6 * row + column].reshape(4, 2, 3, 3)
            patch = padded[:, :, row : row + 3, column : column + 3]
            expected = torch.einsum("bchw,ochw->bo", patch, weight) + local.bias[:, 6 * row + column]
            torch.testing.assert_close(found[:, :, row, column], expected, rtol=1e-12, atol=1e-12)


def test_initial_weights_vary_as_those_of_a_convolution_of_the_same_fan_in() -> None:
    torch.manual_seed(0)
    local, convolution = LocallyConnected2d(4, 50, 5, (10, 10)), nn.Conv2d(4, 2000, 5)
    for mine, theirs in ((local.weight, convolution.weight), (local.bias, convolution.bias)):
        assert mine.mean().abs() < 0.01 * mine.std() * math.sqrt(1e6 / mine.numel())
        assert mine.var().item() == pytest.approx(1 / (3 * 100), rel=0.05)  # uniform within ±1/sqrt(fan-in)
        assert mine.var().item() == pytest.approx(theirs.var().item(), rel=0.08)
        assert mine.abs().max() <= 0.1


@pytest.mark.parametrize("locally_connected", [False, True])
@pytest.mark.parametrize(("pool_size", "positions"), [(1, 108), (4, 9), (5, 6), (9, 2)])
def test_pooled_squares_cover_the_image(locally_connected: bool, pool_size: int, positions: int) -> None:
    for pooling in ("average", "max"):
        network = build(channels=6, filter_size=4, pool_size=pool_size, pooling=pooling, locally_connected=locally_connected)
        assert network.linear.in_features == 6 * positions
        images = torch.randn(2, *SHAPE)
        logits = network(images)
        assert logits.shape == (2, 7)
        torch.testing.assert_close(torch.fx.symbolic_trace(network)(images), logits)


def test_squares_at_the_end_are_averaged_over_what_is_there() -> None:
    network = build(channels=2, pool_size=5, pooling="average")
    assert torch.allclose(network.pool(torch.ones(1, 2, 9, 12)), torch.ones(1, 2, 2, 3))
    corner = torch.arange(108.0).reshape(1, 1, 9, 12)
    assert network.pool(corner)[0, 0, 1, 2] == corner[..., 5:, 10:].mean()
    assert build(pool_size=5).pool(corner)[0, 0, 1, 2] == 107


@pytest.mark.parametrize("locally_connected", [False, True])
def test_only_what_is_trained_takes_a_gradient(locally_connected: bool) -> None:
    whole, readout = (build(channels=3, locally_connected=locally_connected, trained=what) for what in ("all", "readout"))
    assert [parameter.requires_grad for parameter in whole.parameters()] == [True] * 4
    assert {name for name, parameter in readout.named_parameters() if parameter.requires_grad} == {"linear.weight", "linear.bias"}
    readout(torch.randn(2, *SHAPE)).sum().backward()
    assert readout.conv.weight.grad is None and readout.linear.weight.grad is not None


def test_gradients_of_a_locally_connected_layer() -> None:
    torch.manual_seed(0)
    layer = LocallyConnected2d(2, 3, 3, (3, 4)).double()
    images = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, images)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"pooling": "mean"}, "pooling 'mean' is not known; choose one of average, max"),
        ({"trained": "hidden"}, "trained 'hidden' is not known; choose one of all, readout"),
        ({"filter_size": 10}, "filter_size 10 is not allowed for images of 9 x 12 pixels; it must not exceed their edge"),
        ({"pool_size": 12}, "pool_size 12 is not allowed for images of 9 x 12 pixels; it must not exceed their edge"),
    ],
)
def test_errors_name_the_key_the_value_and_what_is_allowed(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        build(**options)
    assert str(caught.value) == sentence
