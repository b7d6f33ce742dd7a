"""Networks with one convolution shuffled at a time, against copies of them that are shuffled and run as a whole."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from workflow_scripts.diffeo.batch_norm import calibrate_batch_norm, use_batch_statistics
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, for_all
from workflow_scripts.diffeo.single_shuffles import SingleShuffles, single_shuffle_sweep
from workflow_scripts.diffeo.stability import stability_sweep

PERMUTATIONS = 2


class Repeated(nn.Module):
    """A convolution that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.convolution(torch.relu(self.convolution(maps))))


def with_ends(*inner: nn.Module, channels: int = 4) -> nn.Module:
    torch.manual_seed(0)
    ends = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), *inner, *ends).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5)
    return network


NETWORKS = {
    "residual": lambda: with_ends(
        BasicBlock(4, 4), BasicBlock(4, 8, 2, nn.Sequential(nn.Conv2d(4, 8, 1, 2), nn.BatchNorm2d(8))), channels=8
    ),
    "groups": lambda: with_ends(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 1, groups=2)),
    "repeated": lambda: with_ends(Repeated(), nn.BatchNorm2d(4)),
}


def orders_of(network: nn.Module) -> dict[str, Tensor]:
    """Orders of the input channels of all convolutions."""
    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    return {
        name: torch.stack([torch.randperm(module.weight.shape[1]) for _ in range(PERMUTATIONS)])
        for name, module in convolutions.items()
    }


def shuffled(network: nn.Module, name: str, order: Tensor) -> nn.Module:
    made = copy.deepcopy(network)
    convolution = made.get_submodule(name)
    convolution.weight = nn.Parameter(convolution.weight[:, order].clone())
    return made


def images(count: int = 12) -> Tensor:
    return torch.randn(count, 2, 10, 10, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("mode", ["as_it_is", "calibrated", "batch"])
def test_logits_are_those_of_shuffled_copies(name: str, mode: str) -> None:
    network = NETWORKS[name]()
    if mode == "batch":
        use_batch_statistics(network)
    orders = orders_of(network)
    state = copy.deepcopy(network.state_dict())
    single = SingleShuffles(copy.deepcopy(network), orders)
    if mode == "calibrated":
        single.calibrate(images(300))
    found = single(images())
    assert found.shape == (len(orders), PERMUTATIONS, 12, 3)
    for row, (convolution, permutations) in enumerate(orders.items()):
        for number, order in enumerate(permutations):
            whole = shuffled(network, convolution, order)
            if mode == "calibrated":
                calibrate_batch_norm(whole, images(300))
            torch.testing.assert_close(found[row, number], whole(images()), rtol=2e-4, atol=2e-5)
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())


def perturbations(count: int) -> list[Perturbation]:
    amounts = torch.full((1,), 0.02, dtype=torch.float64)
    return [
        Diffeo(for_all(amounts, count, 2), "gaussian", 0, 3, "disc"),
        Noise(for_all(amounts * 20, count, 2), "gaussian", 0),
    ]


@pytest.mark.parametrize(("batch_size", "dtype"), [(12, torch.float64), (5, torch.float64), (5, torch.float32)])
def test_sweep_is_the_stability_sweep_of_shuffled_copies(batch_size: int, dtype: torch.dtype) -> None:
    network = NETWORKS["residual"]()
    orders = {name: order for name, order in orders_of(network).items() if name in ("0", "4.conv2")}
    moved, radii = perturbations(12), torch.full((2, 1), 1.0)
    options = {"draws": 2, "batch_size": batch_size}
    distances, deviations = single_shuffle_sweep(copy.deepcopy(network), orders, images(), moved, dtype=dtype, **options)
    assert distances.shape == (2, PERMUTATIONS, 2, 12, 2)
    tolerance = {"rtol": 1e-5, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-2, "atol": 1e-6}
    for row, (convolution, permutations) in enumerate(orders.items()):
        for number, order in enumerate(permutations):
            whole = shuffled(network, convolution, order)
            calibrate_batch_norm(whole, images())
            sweep = stability_sweep(ObservedNetwork(whole), images(), moved, radii, precision="float64", **options)
            torch.testing.assert_close(distances[row, number], sweep.squared_distance[:, 0, -2], **tolerance)
            torch.testing.assert_close(deviations[row, number], sweep.squared_deviation[0, -2], **tolerance)


def test_the_network_is_left_as_it_was() -> None:
    network = NETWORKS["residual"]()
    before = copy.deepcopy(network.state_dict())
    orders = orders_of(network)
    single_shuffle_sweep(network, orders, images(), perturbations(12), draws=1, batch_size=12, dtype=torch.float64)
    for name, value in network.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
