"""Boxes: what is outside never matters, every edge inside the image does; closed forms of known networks."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from workflow_scripts.diffeo.blur_pool import BlurPool, BlurredMaxPool
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.receptive_fields import Box, receptive_boxes

WHOLE = Box((32, 32), (0, 0), (0, 0))
SPECIFICATIONS = {
    "vgg11": ({"architecture": "vgg11", "width": 0.05}, (3, 32, 32)),
    "vgg11_28": ({"architecture": "vgg11", "width": 0.05}, (1, 28, 28)),
    "vgg11_bn_antialiased": ({"architecture": "vgg11_bn", "width": 0.05, "antialiased": True}, (1, 28, 28)),
    "resnet18": ({"architecture": "resnet18", "width": 0.05}, (1, 24, 24)),
    "resnet18_antialiased": ({"architecture": "resnet18", "width": 0.05, "antialiased": True}, (1, 24, 24)),
    "resnet50": ({"architecture": "resnet50", "width": 0.05}, (1, 24, 24)),
    "lenet": ({"architecture": "lenet"}, (1, 28, 28)),
    "lenet_not_square": ({"architecture": "lenet"}, (1, 24, 32)),
    "simple_cnn": ({"architecture": "simple_cnn", "width": 0.1}, (1, 28, 28)),
    "simple_cnn_even": ({"architecture": "simple_cnn", "width": 0.1, "filter_size": 4}, (1, 28, 28)),
    "convolutional": ({"architecture": "local_model", "channels": 4, "filter_size": 4, "pool_size": 5}, (1, 16, 16)),
    "locally_connected": (
        {"architecture": "local_model", "channels": 4, "filter_size": 4, "pool_size": 5, "locally_connected": True},
        (1, 16, 16),
    ),
    "fully_connected": ({"architecture": "fully_connected", "width": 0.01}, (1, 8, 8)),
    "efficientnet_lite0": ({"architecture": "efficientnet_lite0"}, (3, 32, 32)),
}
TORCHVISION = {
    "densenet": (lambda: torchvision.models.DenseNet(4, (2, 2), 8, num_classes=4), (3, 40, 40)),
    "mobilenet": (lambda: torchvision.models.MobileNetV2(num_classes=4, width_mult=0.1), (3, 40, 40)),
    "squeezenet": (lambda: torchvision.models.SqueezeNet("1_1", num_classes=4), (3, 39, 39)),
}


def observe(network: nn.Module) -> ObservedNetwork:
    return ObservedNetwork(network.double().eval())


def built(name: str) -> tuple[ObservedNetwork, tuple[int, int, int]]:
    if name in TORCHVISION:
        build, shape = TORCHVISION[name]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return observe(build()), shape
    specification, shape = SPECIFICATIONS[name]
    return observe(build_network(specification, input_shape=shape, classes=4, seed=0)), shape


def activations(observed: ObservedNetwork, images: Tensor) -> dict[int, Tensor]:
    kept: dict[int, Tensor] = {}
    with torch.no_grad():
        observed(images, kept.__setitem__)
    return kept


def masks(box: Box, position: tuple[int, int], size: tuple[int, int]) -> list[Tensor]:
    """Everything outside the clipped box, and its four edges."""
    rows, columns = box.clipped(position, size)
    outside = torch.ones(size, dtype=torch.bool)
    outside[rows, columns] = False
    edges = []
    for chosen in ((rows.start, columns), (rows.stop - 1, columns), (rows, columns.start), (rows, columns.stop - 1)):
        edge = torch.zeros(size, dtype=torch.bool)
        edge[chosen] = True
        edges.append(edge)
    return [outside, *edges]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", [*SPECIFICATIONS, *TORCHVISION])
def test_a_neuron_sees_its_box_up_to_every_edge_and_nothing_else(name: str) -> None:
    observed, shape = built(name)
    boxes = receptive_boxes(observed, shape)
    assert list(boxes) == list(range(len(observed.operations)))
    generator = torch.Generator().manual_seed(0)
    images, others = torch.randn(2, 4, *shape, dtype=torch.float64, generator=generator)
    reference = activations(observed, images)
    moved: dict[tuple[bool, ...], dict[int, Tensor]] = {}
    for index in list(boxes)[:: max(1, len(boxes) // 15)]:
        has_maps = reference[index].ndim == 4
        height, width = reference[index].shape[2:] if has_maps else (1, 1)
        for position in {(0, 0), (height // 2, width // 2), (height - 1, width - 1)}:
            at = (slice(None), slice(None), *position) if has_maps else ...
            for number, mask in enumerate(masks(boxes[index], position, shape[1:])):
                key = tuple(mask.ravel().tolist())
                if key not in moved:
                    moved[key] = activations(observed, torch.where(mask, 30 * others, images))
                same = torch.equal(moved[key][index][at], reference[index][at])
                assert same == (number == 0), f"{observed.operations[index]} at {position}, mask {number}: {boxes[index]}"


def test_boxes_of_vgg16_are_those_of_the_recursion_by_hand() -> None:
    network = build_network({"architecture": "vgg16", "width": 0.02}, input_shape=(3, 32, 32), classes=4, seed=0)
    observed = observe(network)
    boxes = receptive_boxes(observed, (3, 32, 32))
    found = [boxes[index].size[0] for index, operation in enumerate(observed.operations) if operation.kind == "convolution"]
    assert found == [3, 5, 10, 14, 24, 32, 40, 60, 76, 92, 132, 164, 196]
    pools = [boxes[index] for index, operation in enumerate(observed.operations) if operation.kind == "pool"]
    assert [(box.size[0], box.jump[0]) for box in pools[:5]] == [(6, 2), (16, 4), (44, 8), (100, 16), (212, 32)]
    assert boxes[0] == Box((1, 1), (1, 1), (0, 0))
    assert boxes[len(boxes) - 1] == boxes[len(boxes) - 2] == WHOLE


def box_of(*layers: nn.Module) -> Box:
    """Box of the last of several layers, on images of 1 × 32 × 32; a pooling of all positions follows them."""
    observed = observe(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)))
    boxes = receptive_boxes(observed, (1, 32, 32))
    return boxes[len(layers)]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Conv2d(1, 1, (3, 5), stride=(1, 2), padding=(1, 0))], Box((3, 5), (1, 2), (-1, 0))),
        ([nn.Conv2d(1, 1, 3, dilation=4, padding="same")], Box((9, 9), (1, 1), (-4, -4))),
        ([nn.Conv2d(1, 1, 3, padding="valid")], Box((3, 3), (1, 1), (0, 0))),
        ([nn.MaxPool2d(3, 2, 1), nn.Conv2d(1, 1, 3)], Box((7, 7), (2, 2), (-1, -1))),
        ([nn.AvgPool2d((2, 4)), nn.AdaptiveAvgPool2d((8, 8))], Box((4, 4), (4, 4), (0, 0))),
        ([nn.AdaptiveMaxPool2d(16)], Box((2, 2), (2, 2), (0, 0))),
        ([nn.AdaptiveAvgPool2d(12)], WHOLE),
        ([BlurPool(), BlurPool()], Box((7, 7), (4, 4), (-3, -3))),
        ([BlurredMaxPool()], Box((4, 4), (2, 2), (-1, -1))),
        ([nn.AdaptiveAvgPool2d(1)], WHOLE),
    ],
)
def test_box_of_layers_by_hand(layers: list[nn.Module], expected: Box) -> None:
    assert box_of(*layers) == expected


class Branches(nn.Module):
    """A sum or concatenation of two branches, after which maps are pooled."""

    def __init__(self, first: nn.Module, second: nn.Module, join: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second, self.join = first, second, join
        self.last, self.linear = nn.LazyConv2d(1, 1), nn.Linear(1, 2)

    def forward(self, images: Tensor) -> Tensor:
        joined = self.join(self.first(images), self.second(images))
        return self.linear(F.adaptive_avg_pool2d(self.last(joined.relu()), 1).flatten(1))


def cat(one: Tensor, other: Tensor) -> Tensor:
    return torch.cat((one, other), dim=1)


def excite(one: Tensor, other: Tensor) -> Tensor:
    return one * other.mean((2, 3), keepdim=True)


def pooled(one: Tensor, other: Tensor) -> Tensor:
    return F.max_pool2d(one, 2) + F.avg_pool2d(other, kernel_size=3, stride=2, padding=1)


@pytest.mark.parametrize(
    ("second", "join", "expected"),
    [
        (nn.Identity(), torch.add, Box((3, 3), (1, 1), (-1, -1))),
        (nn.Sequential(nn.ReflectionPad2d((0, 0, 4, 0)), nn.Conv2d(1, 1, (5, 1))), torch.add, WHOLE),
        (nn.Conv2d(1, 1, (2, 5), padding="same"), torch.add, Box((3, 5), (1, 1), (-1, -2))),
        (nn.Conv2d(1, 1, 5, padding=2), cat, Box((5, 5), (1, 1), (-2, -2))),
        (nn.Identity(), excite, WHOLE),
        (nn.Conv2d(1, 1, 5, padding=2), pooled, Box((7, 7), (2, 2), (-3, -3))),
        (nn.Sequential(nn.Conv2d(1, 1, 2, stride=2), nn.Upsample(scale_factor=2)), torch.add, WHOLE),
    ],
)
def test_box_of_a_join_holds_both_branches(second: nn.Module, join: Callable[[Tensor, Tensor], Tensor], expected: Box) -> None:
    network = Branches(nn.Conv2d(1, 1, 3, padding=1), second, join)
    network(torch.zeros(1, 1, 32, 32))
    observed = observe(network)
    boxes = receptive_boxes(observed, (1, 32, 32))
    last = [operation.name for operation in observed.operations].index("last")
    assert boxes[last] == expected


def test_squeeze_and_excitation_sees_the_whole_image() -> None:
    with torch.device("meta"):
        network = torchvision.models.efficientnet_b0(num_classes=4)
    observed = ObservedNetwork(network.to_empty(device="cpu").eval())
    boxes = receptive_boxes(observed, (3, 32, 32))
    names = [operation.name for operation in observed.operations]
    assert boxes[names.index("features.1.0.block.0.0")] == Box((7, 7), (2, 2), (-3, -3))
    assert boxes[names.index("features.1.0.block.2.0")] == WHOLE
    assert boxes[names.index("features.8.0")] == WHOLE


def test_a_network_of_which_only_the_output_is_observed_is_refused() -> None:
    network = build_network(SPECIFICATIONS["lenet"][0], input_shape=(1, 28, 28), classes=4, seed=0)
    with pytest.raises(ValueError, match="every operation is observed"):
        receptive_boxes(ObservedNetwork(network.eval(), every_operation=False), (1, 28, 28))


def test_box_is_clipped_to_the_image() -> None:
    box = Box((5, 7), (2, 4), (-2, -3))
    assert box.clipped((0, 0), (12, 12)) == (slice(0, 3), slice(0, 4))
    assert box.clipped((2, 1), (12, 12)) == (slice(2, 7), slice(1, 8))
    assert box.clipped((5, 3), (12, 12)) == (slice(8, 12), slice(9, 12))
