"""The deconvnet against transposed matrices, gradients and one written out by hand; numbers about pictures in closed form."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow_scripts.diffeo.blur_pool import BlurPool
from workflow_scripts.diffeo.deconvolution import (
    deconvolve,
    drawn_channels,
    patches_per_batch,
    picture_numbers,
    rectified_maps,
    seen_pixels,
)
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import Patches
from workflow_scripts.diffeo.receptive_fields import Box

ALL = slice(None)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch-norm that is neither the identity nor the default."""
    layer = nn.BatchNorm2d(channels)
    with torch.no_grad():
        layer.running_mean.copy_(noise(channels, seed=11))
        layer.running_var.copy_(noise(channels, seed=12).square() + 0.3)
        layer.weight.copy_(noise(channels, seed=13))
        layer.bias.copy_(noise(channels, seed=14))
    return layer


def observed(*layers: nn.Module) -> ObservedNetwork:
    torch.manual_seed(0)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return ObservedNetwork(nn.Sequential(*layers).double().eval())


def activation_of(network: ObservedNetwork, images: Tensor, operation: int) -> Tensor:
    kept: list[Tensor] = []
    network(images, lambda _, activation: kept.append(activation))
    return kept[operation]


def every_neuron(network: ObservedNetwork, image: Tensor, operation: int) -> tuple[Tensor, Patches]:
    """All channels and positions of an operation on one image (1, ch, n, n) as patches."""
    maps = activation_of(network, image, operation).detach()
    _, channels, height, width = maps.shape
    places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).expand(channels, -1, -1)
    return torch.arange(channels), Patches(torch.zeros(channels, height * width).long(), places, maps[0].flatten(1))


def test_of_a_linear_network_it_is_the_transpose() -> None:
    network = observed(
        nn.Conv2d(2, 3, 3, padding=1, stride=2),
        norm(3),
        BlurPool(),
        nn.Conv2d(3, 4, 2, padding=1),
        nn.AvgPool2d(2, ceil_mode=True),
    )
    image = noise(1, 2, 9, 7)
    channels, patches = every_neuron(network, image, 5)
    with torch.no_grad():
        units = torch.eye(image.numel(), dtype=torch.float64).view(-1, 2, 9, 7)
        matrix = activation_of(network, units, 5) - activation_of(network, torch.zeros_like(image), 5)  # (pixel, channel, h, w)
    expected = matrix.flatten(2).permute(1, 2, 0) * patches.activation[..., None]
    found = deconvolve(network, image, 5, channels, patches, batch_size=5)
    assert found.shape == (*patches.image.shape, 2, 9, 7)
    np.testing.assert_allclose(found.flatten(2), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(3, stride=2, padding=1)])
def test_with_max_pooling_and_no_relu_it_is_the_gradient(pool: nn.Module) -> None:
    network = observed(nn.Conv2d(1, 3, 3, padding=1), pool, nn.Conv2d(3, 2, 3, padding=1))
    image = noise(1, 1, 7, 7).requires_grad_()
    channels, patches = every_neuron(network, image, 3)
    found = deconvolve(network, image.detach(), 3, channels, patches, batch_size=100)
    maps = activation_of(network, image, 3)[0].flatten(1)
    for channel in range(2):
        for place in range(maps.shape[1]):
            (gradient,) = torch.autograd.grad(maps[channel, place], image, retain_graph=True)
            expected = gradient[0] * maps[channel, place].detach()
            np.testing.assert_allclose(found[channel, place], expected, rtol=0, atol=1e-12)


def by_hand(layers: nn.Sequential, image: Tensor, channel: int, row: int, column: int) -> Tensor:
    """Convolution, ReLU, max-pooling, convolution, batch-norm, ReLU: up with switches, down by explicit transposes."""
    first, _, _, second, bn, _ = layers
    active = F.conv2d(image, first.weight, first.bias, padding=1).clamp(min=0)
    pooled, switches = F.max_pool2d(active, 2, return_indices=True)
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    shift = bn.bias - bn.running_mean * scale
    top = F.conv2d(pooled, second.weight, second.bias, stride=2) * scale[:, None, None] + shift[:, None, None]
    top = top.clamp(min=0)
    alone = torch.zeros_like(top)
    alone[0, channel, row, column] = top[0, channel, row, column]
    down = F.conv_transpose2d(alone.clamp(min=0) * scale[:, None, None], second.weight, stride=2)
    down = F.pad(down, (0, pooled.shape[3] - down.shape[3], 0, pooled.shape[2] - down.shape[2]))  # pixels that the stride skips
    down = F.max_unpool2d(down, switches, 2, output_size=active.shape[2:]).clamp(min=0)
    return F.conv_transpose2d(down, first.weight, padding=1)[0]


def small_net(relu: nn.Module) -> tuple[nn.Sequential, ObservedNetwork]:
    layers = [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2, stride=2), norm(5), relu]
    network = observed(*layers)
    return nn.Sequential(*layers), network


@torch.no_grad()
def test_against_a_deconvnet_written_by_hand() -> None:
    layers, network = small_net(nn.ReLU())
    images = noise(3, 2, 11, 11)
    for index in range(3):
        channels, patches = every_neuron(network, images[[index]], 6)
        assert (patches.activation > 0).any() and (patches.activation == 0).any()
        found = deconvolve(network, images[[index]], 6, channels, patches, batch_size=7)
        for channel in range(5):
            for place, (row, column) in enumerate(patches.position[channel].tolist()):
                expected = by_hand(layers, images[[index]], channel, row, column)
                np.testing.assert_allclose(found[channel, place], expected, rtol=0, atol=1e-12)
                assert bool(expected.any()) == bool(patches.activation[channel, place] > 0)


def test_it_is_not_the_gradient_where_a_relu_acts() -> None:
    _, network = small_net(nn.ReLU())
    image = noise(1, 2, 11, 11).requires_grad_()
    channels, patches = every_neuron(network, image, 6)
    maps = activation_of(network, image, 6)
    (gradient,) = torch.autograd.grad(maps.square().sum() / 2, image)  # what all neurons' gradients times activations add up to
    found = deconvolve(network, image.detach(), 6, channels, patches, batch_size=7).sum((0, 1))
    assert (found - gradient[0]).norm() > 0.1 * gradient.norm()


class Residual(nn.Module):
    """A block whose sum is rectified by a function, not a module, and whose shortcut is a strided convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 3, 3, padding=1, stride=2), nn.Conv2d(3, 3, 3, padding=1)
        self.shortcut = nn.Conv2d(1, 3, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second(torch.relu(self.first(x)))
        return F.relu(inner + self.shortcut(x), inplace=True)


@torch.no_grad()
def test_residual_sums_send_what_comes_down_to_both_branches() -> None:
    torch.manual_seed(0)
    block = Residual().double().eval()
    network = ObservedNetwork(block)
    image = noise(1, 1, 7, 7)
    operation = [kind.kind for kind in network.operations].index("logits")
    channels, patches = every_neuron(network, image, operation)
    found = deconvolve(network, image, operation, channels, patches, batch_size=4)
    for channel in range(3):
        for place, (row, column) in enumerate(patches.position[channel].tolist()):
            alone = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
            alone[0, channel, row, column] = patches.activation[channel, place]
            inner = F.conv_transpose2d(alone, block.second.weight, padding=1).clamp(min=0)
            expected = F.conv_transpose2d(inner, block.first.weight, padding=1, stride=2)
            expected = expected + F.conv_transpose2d(alone, block.shortcut.weight, stride=2)
            np.testing.assert_allclose(found[channel, place], expected[0], rtol=0, atol=1e-12)


def test_relu6_is_rectified_as_a_relu_is() -> None:
    _, plain = small_net(nn.ReLU())
    _, capped = small_net(nn.ReLU6())
    image = 40 * noise(1, 2, 11, 11)
    channels, patches = every_neuron(capped, image, 6)
    assert patches.activation.max() == 6
    found, reference = (deconvolve(network, image, 6, channels, patches, batch_size=9) for network in (capped, plain))
    uncapped = every_neuron(plain, image, 6)[1].activation
    ratio = torch.where(uncapped > 0, patches.activation / uncapped, 0)  # the deconvnet is linear in where it starts from
    np.testing.assert_allclose(found, reference * ratio[..., None, None, None], rtol=1e-12, atol=1e-12)


def test_other_activation_functions_are_refused() -> None:
    with pytest.raises(ValueError, match="layer 1 is neither ReLU nor ReLU6: a deconvnet is defined for these only"):
        network = observed(nn.Conv2d(1, 2, 3), nn.SiLU())
        deconvolve(network, noise(1, 1, 5, 5), 2, *every_neuron(network, noise(1, 1, 5, 5), 2), batch_size=3)
    assert rectified_maps(network, noise(1, 1, 5, 5)) == []


def test_many_patches_of_many_images_at_once_are_those_of_each_alone() -> None:
    network = ObservedNetwork(
        build_network({"architecture": "resnet18", "width": 0.0625}, input_shape=(3, 16, 16), classes=4, seed=0).eval()
    )
    images = noise(4, 3, 16, 16).float()
    operation = 9
    channels = torch.tensor([3, 0])
    patches = Patches(
        torch.tensor([[2, 0, 3], [1, 2, 0]]),
        torch.tensor([[[1, 5], [9, 2], [0, 0]], [[3, 3], [8, 1], [15, 15]]]),
        torch.zeros(2, 3),
    )
    together = deconvolve(network, images, operation, channels, patches, batch_size=6)
    assert together.abs().amax((-3, -2, -1)).gt(0).any()
    for channel in range(2):
        for patch in range(3):
            one = Patches(
                *(
                    values[channel : channel + 1, patch : patch + 1]
                    for values in (patches.image, patches.position, patches.activation)
                )
            )
            alone = deconvolve(network, images, operation, channels[[channel]], one, batch_size=1)
            torch.testing.assert_close(together[channel, patch], alone[0, 0], rtol=1e-4, atol=1e-6)


def test_the_network_is_left_as_it_was() -> None:
    _, network = small_net(nn.ReLU())
    image = noise(1, 2, 11, 11)
    deconvolve(network, image, 6, *every_neuron(network, image, 6), batch_size=9)
    assert not image.requires_grad
    assert all(parameter.grad is None for parameter in network.module.parameters())
    inputs = torch.tensor([-1.0, 1.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(F.relu(inputs).sum(), inputs)
    assert gradient.tolist() == [0, 1]


# What is looked at


def test_layers_are_the_relus_of_maps() -> None:
    network = ObservedNetwork(build_network({"architecture": "lenet"}, input_shape=(1, 28, 28), classes=4, seed=0).eval())
    layers = rectified_maps(network, torch.zeros(1, 1, 28, 28))
    assert [network.operations[layer].name for layer in layers] == ["relu1", "relu2"]


def test_channels_are_drawn_of_the_active_ones_in_an_order_of_their_own() -> None:
    strongest = torch.ones(100)
    every = drawn_channels(strongest, 100, seed=1, operation=3)
    assert sorted(every.tolist()) == list(range(100))
    strongest[every[[0, 2, 3]]] = 0
    assert drawn_channels(strongest, 5, seed=1, operation=3).tolist() == every[[1, 4, 5, 6, 7]].tolist()
    assert len(drawn_channels(strongest, 100, seed=1, operation=3)) == 97
    assert not torch.equal(every, drawn_channels(torch.ones(100), 100, seed=2, operation=3))
    assert not torch.equal(every, drawn_channels(torch.ones(100), 100, seed=1, operation=4))


def test_seen_pixels_are_those_of_the_box() -> None:
    box = Box(size=(5, 3), jump=(2, 4), offset=(-3, -1))
    positions = torch.cartesian_prod(torch.arange(6), torch.arange(3))
    start, stop = seen_pixels(box, positions, (10, 9))
    for position, first, last in zip(positions.tolist(), start.tolist(), stop.tolist(), strict=True):
        assert box.clipped((position[0], position[1]), (10, 9)) == tuple(map(slice, first, last))


def test_the_memory_budget_sets_the_batch() -> None:
    network = observed(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU())
    image = noise(1, 1, 256, 256)  # a patch is three times (1 + 2 + 2 + 2) maps of 256 × 256 float64: 10.5 MiB
    assert [patches_per_batch(network, image, megabytes) for megabytes in (1, 22, 10_000)] == [1, 2, 64]


# Numbers about pictures


def test_a_uniform_square_has_its_edge_as_extent() -> None:
    pictures = torch.zeros(3, 1, 2, 12, 12)
    for index, edge in enumerate((1, 4, 9)):
        pictures[index, 0, :, 2 : 2 + edge, 1 : 1 + edge] = -0.7
    box = torch.zeros(3, 1, 2).long()
    found = picture_numbers(pictures, box + 2, box + 6)
    assert found.extent.flatten().tolist() == pytest.approx([1, 4, 9], abs=1e-12)
    assert found.share_inside.flatten().tolist() == pytest.approx([0, 12 / 16, 16 / 81], abs=1e-12)


def test_a_wave_has_its_wave_number_as_centroid() -> None:
    place = torch.arange(16, dtype=torch.float64)
    waves = torch.stack([torch.cos(2 * torch.pi * number * place / 16).expand(1, 16, 16) for number in (1, 3)])
    found = picture_numbers(waves, torch.zeros(2, 2), torch.full((2, 2), 16))
    assert found.centroid.tolist() == pytest.approx([1 / 8, 3 / 8], abs=1e-12)
    assert found.low_fraction.tolist() == pytest.approx([1, 0], abs=1e-12)
    assert found.share_inside.tolist() == [1, 1]


def test_an_empty_picture_has_no_numbers() -> None:
    found = picture_numbers(torch.zeros(1, 3, 6, 6), torch.zeros(1, 2), torch.full((1, 2), 3))
    for name in ("share_inside", "extent", "centroid", "low_fraction"):
        assert getattr(found, name).isnan().all()
