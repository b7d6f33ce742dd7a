"""Batch-norm statistics: those of clean images, in batches of equal weight, or those of each batch."""

import copy

import pytest
import torch
from torch import nn

from workflow_scripts.diffeo.batch_norm import (
    CALIBRATION_BATCH,
    batch_norm_layers,
    calibrate_batch_norm,
    depends_on_batch,
    use_batch_statistics,
)


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(2, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Dropout(0.5),
    ]
    return nn.Sequential(*layers, nn.Linear(16, 3), nn.BatchNorm1d(3)).double()


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 3 + 1


def test_batch_norm_layers_lists_every_kind(network: nn.Sequential) -> None:
    assert batch_norm_layers(network) == [network[1], network[4], network[8]]


@pytest.mark.parametrize(("count", "batches"), [(40, 1), (191, 1), (193, 2), (300, 2), (500, 4)])
def test_calibration_is_the_mean_over_batches_of_the_statistics_of_each(network: nn.Sequential, count: int, batches: int) -> None:
    assert max(1, round(count / CALIBRATION_BATCH)) == batches
    calibrate_batch_norm(network, images(count))
    means, variances = [], []
    with torch.no_grad():
        for batch in images(count).chunk(batches):
            activation = network[0](batch)
            means.append(activation.mean(dim=(0, 2, 3)))
            variances.append(activation.var(dim=(0, 2, 3), correction=1))
    torch.testing.assert_close(network[1].running_mean, torch.stack(means).mean(dim=0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(network[1].running_var, torch.stack(variances).mean(dim=0), rtol=1e-12, atol=1e-12)


def test_calibrated_network_with_one_batch_standardises_its_own_images(network: nn.Sequential) -> None:
    calibrate_batch_norm(network, images(100))
    with torch.no_grad():
        outputs = network(images(100))
    assert not network.training
    # not exactly: batches are normalised with the biased variance, running statistics keep the unbiased one
    torch.testing.assert_close(outputs.mean(dim=0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-2)
    torch.testing.assert_close(outputs.var(dim=0), torch.ones(3, dtype=torch.float64), rtol=1e-2, atol=0)


def test_calibration_forgets_earlier_statistics_and_keeps_momentum_and_weights(network: nn.Sequential) -> None:
    network[4].momentum = 0.3
    other = copy.deepcopy(network)
    other(images(64) * 7)  # spoils the running statistics
    for one in (network, other):
        calibrate_batch_norm(one, images(64))
        assert not any(module.training for module in one.modules())
    for one, two in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    assert [layer.momentum for layer in batch_norm_layers(network)] == [0.1, 0.3, 0.1]


def test_a_network_without_batch_norm_is_left_alone_and_not_even_run() -> None:
    class Untouchable(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    network = nn.Sequential(Untouchable(2, 2)).train()
    calibrate_batch_norm(network, images(4))
    assert not network.training


def test_what_depends_on_its_batch(network: nn.Sequential) -> None:
    assert depends_on_batch(network)
    assert not depends_on_batch(network.eval())
    use_batch_statistics(network)
    assert depends_on_batch(network)
    assert depends_on_batch(nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)).eval())
    assert not depends_on_batch(nn.ReLU().train())


def test_use_batch_statistics_standardises_every_batch_and_switches_dropout_off(network: nn.Sequential) -> None:
    use_batch_statistics(network)
    with torch.no_grad():
        for batch in images(120).split(40):
            outputs = network(batch)
            torch.testing.assert_close(outputs.mean(dim=0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
            torch.testing.assert_close(outputs.var(dim=0, correction=0), torch.ones(3, dtype=torch.float64), rtol=1e-3, atol=0)
    assert [module.training for module in network] == [False, True, False, False, True, False, False, False, True]
