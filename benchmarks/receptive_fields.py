"""Contribution profiles by gradients of one channel, over one-pixel images through the whole network with constant weights."""

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.timing import Judged, Table, growth, ratio, table
from workflow_scripts.diffeo.blur_pool import BlurPool
from workflow_scripts.diffeo.contribution_profiles import AveragingNetwork
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork

SIZE = 32
TARGET = 20.0
SHAPE = (3, SIZE, SIZE)
BATCH = 128  # one-pixel images per forward pass: no faster with 32 or with images in another memory order

Profiles = dict[int, Tensor]


def with_constant_weights(network: nn.Module) -> nn.Module:
    """A copy whose filters average, without biases, with average for max-pooling and without batch-norm and activations."""
    network = copy.deepcopy(network)
    for name, module in list(network.named_modules()):
        parent, leaf = network.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
        if isinstance(module, nn.Conv2d):
            module.weight.data.fill_(1 / module.weight[0].numel())
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, nn.MaxPool2d):
            window = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
            setattr(parent, leaf, nn.AvgPool2d(*window, count_include_pad=False))
        elif isinstance(module, nn.BatchNorm2d | nn.ReLU):
            setattr(parent, leaf, nn.Identity())
    return network


@torch.no_grad()
def of_one_pixel_images(network: nn.Module, shape: tuple[int, int, int], batch_size: int = BATCH) -> Profiles:
    """Profiles (positions, h, w), scaled to a maximum of 1, of all modules with maps, by switching on one pixel after another."""
    _, height, width = shape
    found: dict[int, list[Tensor]] = {}

    def record(index: int) -> Callable[..., None]:
        return lambda module, inputs, output: found.setdefault(index, []).append(output.mean(dim=1).flatten(1))

    leaves = [module for module in network.modules() if not list(module.children()) and not isinstance(module, nn.Identity)]
    windows = (nn.Conv2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, BlurPool)
    with_maps = [module for module in leaves if isinstance(module, windows)]
    hooks = [module.register_forward_hook(record(index)) for index, module in enumerate(with_maps)]
    dtype = next(network.parameters()).dtype
    pixels = torch.eye(height * width, dtype=dtype).view(-1, 1, height, width).expand(-1, *shape)
    for batch in torch.split(pixels, batch_size):
        network(batch.contiguous(memory_format=torch.channels_last))
    for hook in hooks:
        hook.remove()
    contributions = {index: torch.cat(parts).T.reshape(-1, height, width) for index, parts in found.items()}
    return {index: profiles / profiles.amax(dim=(1, 2), keepdim=True) for index, profiles in contributions.items()}


def by_gradients(observed: ObservedNetwork, shape: tuple[int, int, int], *, centre_only: bool) -> Profiles:
    """The same profiles of convolutions and poolings, of all positions or of the central one."""
    averages = AveragingNetwork(observed, shape)
    windows = [index for index in averages.maps if observed.operations[index].kind in ("convolution", "pool", "blur")]
    found = {}
    for number, index in enumerate(windows):
        height, width = averages.maps[index]
        positions = torch.cartesian_prod(torch.arange(height), torch.arange(width))
        chosen = torch.tensor([[height // 2, width // 2]]) if centre_only else positions
        found[number] = averages.profiles(index, chosen)
    return found


def largest_difference(one: Profiles, other: Profiles) -> float:
    """Largest difference of two sets of profiles.

    Raises:
        ValueError: they are not of the same operations.
    """
    if list(one) != list(other):
        raise ValueError(f"profiles of operations {list(one)} cannot be compared with those of {list(other)}")
    return max(float((one[index] - other[index]).abs().max()) for index in one)


def measure(repeats: int = 3, width: float = 1.0, sides: Sequence[int] = (32, 48, 64)) -> Table:
    """A row for all positions and one for the central: time of one-pixel images over that of gradients, for VGG11."""
    network = build_network({"architecture": "vgg11", "width": width}, input_shape=SHAPE, classes=10, seed=0).eval()
    constant = with_constant_weights(network).double()  # in float32 the profiles of deep layers are off by 1e-4
    constant.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    observed = ObservedNetwork(network)

    def slow() -> Profiles:
        return of_one_pixel_images(constant, SHAPE)

    difference = largest_difference(slow(), by_gradients(observed, SHAPE, centre_only=False))
    judged, rows = [], []
    for name, centre_only in (("all positions", False), ("the central position", True)):
        found = ratio(slow, lambda: by_gradients(observed, SHAPE, centre_only=centre_only), repeats)  # noqa: B023
        judged.append(Judged(f"receptive fields, {name}", found.value, TARGET, at_least=True))
        rows.append([name, f"{found.value:.0f}", judged[-1].cells, f"{difference:.0e}"])
    head = ["profiles of VGG11", "one-pixel images / gradients", "target", "", "largest difference"]

    def of_side(side: int) -> Callable[[], object]:
        shape = (3, side, side)
        built = build_network({"architecture": "vgg11", "width": width}, input_shape=shape, classes=10, seed=0).eval()
        return partial(by_gradients, ObservedNetwork(built), shape, centre_only=False)

    return Table(table(head, rows), judged, [growth("receptive fields, all positions", "side", sides, of_side, repeats)])
