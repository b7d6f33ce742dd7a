"""Shuffled channels: what is permuted and what is not, and batch-norm recalibrated."""

import copy

import pytest
import torch
from torch import nn

from workflow_scripts.diffeo import channel_shuffle
from workflow_scripts.diffeo.batch_norm import use_batch_statistics
from workflow_scripts.diffeo.channel_shuffle import channel_order, recalibrated, shuffle_channels, shuffled_convolutions


def network(channels: int = 6, colours: int = 3, *, batch_norm: bool = True, groups: int = 1) -> nn.Sequential:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d if batch_norm else nn.Identity
    return nn.Sequential(
        nn.Conv2d(colours, channels, 3, padding=1),
        norm(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, groups=groups),
        norm(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 4),
    ).eval()


def images(count: int = 50, colours: int = 3) -> torch.Tensor:
    return torch.randn(count, colours, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 + 0.5


def test_orders_are_permutations_that_depend_on_seed_number_and_layer() -> None:
    order = channel_order(3, 0, "features.4", 40)
    assert order.sort().values.tolist() == list(range(40))
    assert torch.equal(order, channel_order(3, 0, "features.4", 40))
    others = (channel_order(4, 0, "features.4", 40), channel_order(3, 1, "features.4", 40), channel_order(3, 0, "features.8", 40))
    assert not any(torch.equal(order, other) for other in others)


def test_inputs_of_all_but_the_first_convolution_are_permuted_the_same_way_for_all_outputs() -> None:
    before = network()
    kept = copy.deepcopy(before.state_dict())
    after = shuffle_channels(before, 5, 2)
    for name, value in kept.items():
        assert torch.equal(before.state_dict()[name], value)
        expected = value[:, channel_order(5, 2, "3", 6)] if name == "3.weight" else value
        assert torch.equal(after.state_dict()[name], expected)
    assert not torch.equal(after[3].weight, before[3].weight)


def test_the_first_layer_is_shuffled_where_asked_for() -> None:
    before = network(colours=8)
    after = shuffle_channels(before, 5, 2, first_layer=True)
    assert torch.equal(after[0].weight, before[0].weight[:, channel_order(5, 2, "0", 8)])
    assert list(shuffled_convolutions(before)) == ["3"]
    assert list(shuffled_convolutions(before, first_layer=True)) == ["0", "3"]


@pytest.mark.parametrize("colours", [1, 3])
def test_shuffling_a_network_of_one_channel_changes_nothing(colours: int) -> None:
    before = network(channels=1, colours=colours)
    assert shuffled_convolutions(before) == {}
    assert torch.equal(shuffle_channels(before, 0, 0)(images(colours=colours)), before(images(colours=colours)))


def test_grey_images_and_depthwise_convolutions_have_nothing_to_shuffle() -> None:
    assert shuffled_convolutions(network(colours=1, groups=6), first_layer=True) == {}


def test_groups_keep_their_channels() -> None:
    before = network(groups=2)
    after = shuffle_channels(before, 1, 0)
    order = channel_order(1, 0, "3", 3)
    whole = torch.cat([order, order + 3])  # of all input channels
    features, expected = images()[:, :1].repeat(1, 6, 1, 1) * torch.arange(1.0, 7)[:, None, None], before[3]
    inverse = torch.argsort(whole)
    torch.testing.assert_close(after[3](features), expected(features[:, inverse]))


def test_permuting_the_outputs_of_a_layer_and_the_inputs_of_the_next_consistently_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = network()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    monkeypatch.setattr(channel_shuffle, "channel_order", lambda *_: order)
    after = shuffle_channels(before, 0, 0)
    with torch.no_grad():
        norm = after[1]
        for values in (after[0].weight, after[0].bias, norm.weight, norm.bias, norm.running_mean, norm.running_var):
            values.copy_(values[order])
    torch.testing.assert_close(after(images()), before(images()))
    assert not torch.allclose(shuffle_channels(before, 0, 0)(images()), before(images()), atol=1e-3)


def test_recalibrated_statistics_are_those_of_a_clean_pass() -> None:
    shuffled = shuffle_channels(network().double(), 0, 0)
    after = recalibrated(shuffled, images().double())
    assert after is not None
    with torch.no_grad():
        hidden = shuffled[0](images().double())
        for convolution, norm in ((None, after[1]), (shuffled[3], after[4])):
            hidden = hidden if convolution is None else convolution(hidden)
            mean, variance = hidden.mean(dim=(0, 2, 3)), hidden.var(dim=(0, 2, 3))
            torch.testing.assert_close(norm.running_mean, mean, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(norm.running_var, variance, rtol=1e-12, atol=1e-12)
            biased = hidden.var(dim=(0, 2, 3), correction=0)  # what normalises a batch in a calibration
            hidden = ((hidden - mean[:, None, None]) / (biased[:, None, None] + norm.eps).sqrt()).relu()
    assert torch.equal(shuffled[4].running_mean, torch.zeros(6, dtype=torch.float64))  # a copy was recalibrated
    assert torch.equal(after[3].weight, shuffled[3].weight)


def test_statistics_of_many_images_are_the_mean_of_those_of_clean_passes_of_about_128() -> None:
    shuffled, many = shuffle_channels(network(), 0, 0), images(300)
    after = recalibrated(shuffled, many)
    assert after is not None
    hidden = [shuffled[0](part).detach() for part in (many[:150], many[150:])]
    mean = sum(part.mean(dim=(0, 2, 3)) for part in hidden) / 2
    variance = sum(part.var(dim=(0, 2, 3)) for part in hidden) / 2
    torch.testing.assert_close(after[1].running_mean, mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(after[1].running_var, variance, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(mean, shuffled[0](many).mean(dim=(0, 2, 3)), rtol=1e-6, atol=1e-6)


def test_nothing_to_recalibrate_without_batch_norm_or_with_that_of_each_batch() -> None:
    assert recalibrated(network(batch_norm=False), images()) is None
    of_batch = network()
    use_batch_statistics(of_batch)
    assert recalibrated(of_batch, images()) is None
