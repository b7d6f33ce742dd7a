"""Profiles against one-pixel images through the whole network, closed forms, centres and effective sizes."""

import math

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from benchmarks.receptive_fields import of_one_pixel_images, with_constant_weights
from tests.unit.test_receptive_fields import built, observe
from workflow_scripts.diffeo import contribution_profiles
from workflow_scripts.diffeo.contribution_profiles import AveragingNetwork, field_size
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.receptive_fields import receptive_boxes


def everywhere(size: tuple[int, int]) -> Tensor:
    return torch.cartesian_prod(*map(torch.arange, size))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(
    "name", ["vgg11_28", "resnet18", "resnet18_antialiased", "lenet_not_square", "simple_cnn_even", "convolutional"]
)
def test_profiles_are_those_of_one_pixel_images_through_the_whole_network(name: str) -> None:
    observed, shape = built(name)
    averages = AveragingNetwork(observed, shape)
    expected = of_one_pixel_images(with_constant_weights(observed.module), shape, batch_size=256)
    windows = [index for index in averages.maps if observed.operations[index].kind in ("convolution", "pool", "blur")]
    assert len(windows) == len(expected)
    for index, profiles in zip(windows, expected.values(), strict=True):
        found = averages.profiles(index, everywhere(averages.maps[index]))
        torch.testing.assert_close(found, profiles, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["vgg11_bn_antialiased", "resnet50", "locally_connected", "densenet", "mobilenet"])
def test_profile_fills_the_box_and_nothing_else(name: str) -> None:
    observed, shape = built(name)
    boxes, averages = receptive_boxes(observed, shape), AveragingNetwork(observed, shape)
    assert (
        list(averages.maps)
        == [index for index in boxes if observed.operations[index].kind not in ("linear", "logits", "softmax")][
            : len(averages.maps)
        ]
    )
    for index, (height, width) in averages.maps.items():
        for position in ((0, 0), (height // 2, width // 2)):
            (profile,) = averages.profiles(index, torch.tensor([position]))
            inside = torch.zeros(shape[1:], dtype=torch.bool)
            inside[boxes[index].clipped(position, shape[1:])] = True
            assert not profile[~inside].any()
            rows, columns = (profile.sum(dim=axis).nonzero() for axis in (1, 0))
            seen = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
            assert seen == boxes[index].clipped(position, shape[1:])


def averages_of(*layers: nn.Module, size: int = 32) -> AveragingNetwork:
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    return AveragingNetwork(observe(network), (1, size, size))


def test_profile_of_two_convolutions_is_a_tent() -> None:
    averages = averages_of(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1))
    (profile,) = averages.profiles(2, torch.tensor([[10, 20]]))
    tent = torch.tensor([1.0, 2.0, 3.0, 2.0, 1.0], dtype=torch.float64) / 3
    expected = torch.zeros(32, 32, dtype=torch.float64)
    expected[8:13, 18:23] = tent[:, None] * tent
    torch.testing.assert_close(profile, expected, rtol=0, atol=1e-15)
    centre, effective_size = field_size(profile)
    assert centre.tolist() == pytest.approx([10, 20], abs=1e-12)
    assert effective_size.item() == pytest.approx(3, abs=1e-12)  # √(3 · 3) of the sums of the tents


def test_profile_at_the_border_is_cut_off_and_its_centre_moves_inwards() -> None:
    averages = averages_of(nn.Conv2d(1, 1, 5, padding=2))
    centres, sizes = field_size(averages.profiles(1, torch.tensor([[0, 0], [0, 16], [16, 16], [31, 31]])))
    expected = torch.tensor([[1, 1], [1, 16], [16, 16], [30, 30]], dtype=torch.float64)
    torch.testing.assert_close(centres, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(sizes, torch.tensor([3, math.sqrt(15), 5, 3], dtype=torch.float64), rtol=0, atol=1e-12)


def test_effective_size_of_a_gaussian() -> None:
    distance = torch.arange(-60, 61, dtype=torch.float64)
    line = torch.exp(-(distance**2) / (2 * 4.0**2))
    assert field_size(line[:, None] * line).effective_size.item() == pytest.approx(math.sqrt(2 * math.pi) * 4, rel=1e-12)


def test_operations_that_do_nothing_to_a_map_share_its_profile() -> None:
    averages = averages_of(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2))
    assert averages.same(1, 2)
    assert averages.same(2, 3)
    assert not averages.same(3, 4)
    assert averages.maps == {0: (32, 32), 1: (30, 30), 2: (30, 30), 3: (30, 30), 4: (15, 15), 5: (1, 1)}


@pytest.mark.parametrize(
    ("layer", "window"),
    [
        (nn.Conv2d(1, 1, 3, dilation=2, padding=2), [1, 0, 1, 0, 1]),
        (nn.Conv2d(1, 1, 3, dilation=2, padding="same"), [1, 0, 1, 0, 1]),
        (nn.MaxPool2d(5, stride=1, padding=2), [1, 1, 1, 1, 1]),
        (nn.AvgPool2d(3, stride=1, padding=1), [0, 1, 1, 1, 0]),
    ],
)
def test_window_of_a_layer(layer: nn.Module, window: list[int]) -> None:
    (profile,) = averages_of(layer).profiles(1, torch.tensor([[9, 9]]))
    line = torch.tensor(window, dtype=torch.float64)
    torch.testing.assert_close(profile[7:12, 7:12], line[:, None] * line, rtol=0, atol=1e-15)
    assert profile.sum() == line.sum() ** 2


class Functions(nn.Module):
    """Layers as functions, a concatenation of unequal branches, a gate, and a function that nobody knows."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.linear = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(1, 1, 1), nn.Linear(4, 2)
        self.gated, self.unknown = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        joined = torch.cat((self.wide(images), self.narrow(images)), dim=1)
        gated = self.gated(joined * joined.mean((2, 3), keepdim=True))
        pooled = F.avg_pool2d(F.max_pool2d(gated, 2), kernel_size=2)
        return self.linear(F.adaptive_avg_pool2d(self.unknown(pooled.flip(-1)), 1).flatten(1))


def test_branches_count_by_their_channels_and_gates_do_not() -> None:
    observed = observe(Functions())
    averages = AveragingNetwork(observed, (1, 16, 16))
    names = [operation.name for operation in observed.operations]
    (profile,) = averages.profiles(names.index("gated"), torch.tensor([[8, 8]]))
    expected = torch.full((3, 3), 3 / 9, dtype=torch.float64)  # three channels that average nine pixels, one that takes the pixel
    expected[1, 1] += 1
    torch.testing.assert_close(profile[7:10, 7:10], expected / expected.max(), rtol=0, atol=1e-15)
    assert averages.maps[names.index("avg_pool2d")] == (4, 4)
    assert names.index("unknown") not in averages.maps


def test_squeeze_and_excitation_of_efficientnet_has_a_profile_inside_the_map() -> None:
    with torch.device("meta"):
        network = torchvision.models.efficientnet_b0(num_classes=4)
    observed = ObservedNetwork(network.to_empty(device="cpu").eval())
    averages = AveragingNetwork(observed, (3, 32, 32))
    names = [operation.name for operation in observed.operations]
    (profile,) = averages.profiles(names.index("features.1.0.block.2.0"), torch.tensor([[8, 8]]))
    assert profile[13:20, 13:20].all()
    assert profile.count_nonzero() == 49


def test_profiles_do_not_depend_on_how_many_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    averages = averages_of(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), size=16)
    expected = averages.profiles(2, everywhere((7, 7)))
    monkeypatch.setattr(contribution_profiles, "LARGEST_BATCH", 5 * 256)
    torch.testing.assert_close(averages.profiles(2, everywhere((7, 7))), expected, rtol=0, atol=0)
    single = contribution_profiles.contribution_profiles(
        observe(nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))),
        (1, 16, 16),
        1,
        torch.tensor([[3, 3]]),
    )
    assert single.shape == (1, 16, 16)
