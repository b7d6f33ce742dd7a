"""Which convolution reads the channels of which, on networks small enough to know."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from workflow_scripts.diffeo.convolution_pairs import convolution_pairs
from workflow_scripts.diffeo.networks import build_network


def test_vgg_is_a_chain_and_filters_and_weights_are_those_of_the_layers() -> None:
    network = build_network({"architecture": "vgg11_bn", "width": 0.125}, input_shape=(3, 32, 32), classes=5, seed=0).eval()
    pairs = convolution_pairs(network)
    convolutions = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    assert [pair.name for pair in pairs] == convolutions
    assert [pair.before for pair in pairs] == ["", *convolutions[:-1]]
    assert pairs[0].reason == "it reads the images"
    assert pairs[0].filters is None
    for pair in pairs[1:]:
        assert pair.reason == ""
        np.testing.assert_array_equal(pair.filters, network.get_submodule(pair.before).weight.detach())
        np.testing.assert_array_equal(pair.weights, network.get_submodule(pair.name).weight.detach())
        assert pair.filters.dtype == np.float64


def test_residual_networks_have_pairs_within_blocks_and_from_the_stem() -> None:
    blocks = [BasicBlock(4, 4), BasicBlock(4, 8, 2, nn.Sequential(nn.Conv2d(4, 8, 1, 2), nn.BatchNorm2d(8)))]
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1)).eval()
    pairs = {pair.name: (pair.before, pair.reason) for pair in convolution_pairs(network)}
    of_sum = ("", "it reads a sum of branches")
    assert pairs == {
        "0": ("", "it reads the images"),
        "3.conv1": ("0", ""),
        "3.conv2": ("3.conv1", ""),
        "4.conv1": of_sum,
        "4.conv2": ("4.conv1", ""),
        "4.downsample.0": of_sum,
    }


def test_a_negative_weight_of_batch_norm_turns_the_filter_over() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 2, 3)).eval()
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([2.0, -0.5, 0.0]))
    pair = convolution_pairs(network)[1]
    expected = network[0].weight.detach().numpy() * np.array([1, -1, 1])[:, None, None, None]
    np.testing.assert_array_equal(pair.filters, expected)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (nn.Conv2d(2, 4, 1), nn.Conv2d(4, 2, 3), "the filters before it are not squares of several pixels"),
        (nn.Conv2d(2, 4, (1, 3)), nn.Conv2d(4, 2, 3), "the filters before it are not squares of several pixels"),
        (nn.Conv2d(2, 4, 3, groups=2), nn.Conv2d(4, 2, 3), "one of the two convolutions works in groups"),
        (nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, groups=4), "one of the two convolutions works in groups"),
    ],
)
def test_layers_without_filters_to_compare_say_why(first: nn.Module, second: nn.Module, reason: str) -> None:
    pair = convolution_pairs(nn.Sequential(first, nn.ReLU(), second).eval())[1]
    assert (pair.before, pair.filters, pair.reason) == ("", None, reason)


def test_dropout_is_passed_and_a_convolution_of_another_kind_of_step_is_not() -> None:
    chain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Dropout(), nn.Identity(), nn.AvgPool2d(2), nn.Conv2d(4, 2, 3)).eval()
    assert convolution_pairs(chain)[1].before == "0"
    shuffled = nn.Sequential(nn.Conv2d(1, 4, 3), nn.PixelShuffle(2), nn.Conv2d(1, 2, 3)).eval()
    assert convolution_pairs(shuffled)[1].reason == "no convolution is before it"


def test_networks_without_convolutions_have_no_pairs() -> None:
    assert convolution_pairs(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval()) == []
