"""Operations of a network: their names, kinds and order, and activations that nothing overwrites."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork


def record(observed: ObservedNetwork, images: Tensor) -> list[Tensor]:
    """Activations as the observer was given them, looked at only after the network has run to its end."""
    kept: list[Tensor] = []
    indices: list[int] = []
    with torch.no_grad():
        observed(images, lambda index, activation: (kept.append(activation), indices.append(index)))
    assert indices == list(range(len(observed.operations)))
    return kept


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected)
    for index, (one, other) in enumerate(zip(found, expected, strict=True)):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9, msg=lambda text, index=index: f"operation {index}: {text}")


def with_random_statistics(network: nn.Module) -> nn.Module:
    """Float64, eval mode, batch-norm that is neither the identity nor the default."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) / 5)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
    return network.double().eval()


def resnet18_by_hand(network: nn.Module, x: Tensor) -> list[Tensor]:
    """Every operation of torchvision's resnet18, written out of place."""
    steps = [x]

    def step(value: Tensor) -> Tensor:
        steps.append(value.clone())
        return value

    def convolution_and_norm(x: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
        x = step(F.conv2d(x, convolution.weight, None, convolution.stride, convolution.padding))
        return step(F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps))

    x = step(convolution_and_norm(x, network.conv1, network.bn1).clamp(min=0))
    x = step(F.max_pool2d(x, 3, 2, 1))
    for block in [*network.layer1, *network.layer2, *network.layer3, *network.layer4]:
        y = step(convolution_and_norm(x, block.conv1, block.bn1).clamp(min=0))
        y = convolution_and_norm(y, block.conv2, block.bn2)
        shortcut = x if block.downsample is None else convolution_and_norm(x, *block.downsample)
        x = step(step(y + shortcut).clamp(min=0))
    x = step(x.mean(dim=(2, 3), keepdim=True))
    logits = step(x.flatten(1) @ network.fc.weight.T + network.fc.bias)
    step(logits.softmax(dim=1))
    return steps


def test_resnet18_with_its_inplace_relus_and_sums_gives_the_activations_of_out_of_place_code() -> None:
    torch.manual_seed(0)
    network = with_random_statistics(torchvision.models.resnet18(num_classes=10))
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = resnet18_by_hand(network, images)
        logits = network(images)
    assert network.layer1[0].relu.inplace, "torchvision's ReLUs work in place: that is what is tested"
    found = record(ObservedNetwork(network), images)
    assert_same(found, expected)
    torch.testing.assert_close(found[-2], logits, rtol=1e-12, atol=1e-12)


def test_vgg11_bn_with_its_inplace_relus_gives_the_activations_of_each_module_alone() -> None:
    torch.manual_seed(0)
    with torch.device("meta"):
        network = torchvision.models.vgg11_bn()
    network.avgpool = nn.AdaptiveAvgPool2d(2)
    network.classifier = nn.Sequential(nn.Linear(2048, 20), nn.ReLU(True), nn.Dropout(), nn.Linear(20, 7))
    network.to_empty(device="cpu")
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    network = with_random_statistics(network)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    expected, x = [images], images
    with torch.no_grad():
        for module in [*network.features, network.avgpool, nn.Flatten(), *network.classifier]:
            x = module(x.clone())  # an in-place module spoils the clone only
            if not isinstance(module, nn.Flatten | nn.Dropout):
                expected.append(x.clone())
    assert_same(record(ObservedNetwork(network), images), [*expected, x.softmax(dim=1)])


class Functional(nn.Module):
    """Functional ReLU in place and `+=`, as people write them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.read_out = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.first(x)
        out = F.relu(out, inplace=True)
        out = self.second(out)
        out += identity
        out = F.relu(out, True)
        return self.read_out(F.adaptive_avg_pool2d(out, 1).flatten(1))


def test_functional_relu_in_place_and_augmented_sum_do_not_overwrite_what_was_observed() -> None:
    torch.manual_seed(0)
    network = Functional().double().eval()
    images = torch.randn(3, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        first = network.first(images)
        active = first.clamp(min=0)
        second = network.second(active)
        total = second + images
        last = total.clamp(min=0)
        pooled = last.mean(dim=(2, 3), keepdim=True)
        logits = network.read_out(pooled.flatten(1))
    observed = ObservedNetwork(network)
    assert_same(record(observed, images), [images, first, active, second, total, last, pooled, logits, logits.softmax(dim=1)])
    kinds = "input convolution activation convolution residual_sum activation pool logits softmax"
    assert " ".join(operation.kind for operation in observed.operations) == kinds


@pytest.mark.parametrize("overwrite", [lambda x: x.relu_(), lambda x: x.add_(1)], ids=["relu_", "add_"])
def test_an_operation_that_stays_in_place_is_refused(overwrite) -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.read_out = nn.Conv2d(1, 1, 3), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.read_out(overwrite(self.convolution(x)).flatten(1))

    with pytest.raises(ValueError, match=r"operation '\w+' of the network overwrites its input; write it out of place"):
        record(ObservedNetwork(Overwriting()), torch.randn(2, 1, 4, 4))


def test_names_and_kinds_of_vgg11_bn_are_in_the_order_in_which_they_run() -> None:
    with torch.device("meta"):
        observed = ObservedNetwork(torchvision.models.vgg11_bn(num_classes=10).eval())
    kinds = ["input"]
    for block in (1, 1, 2, 2, 2):
        kinds += ["convolution", "batch_norm", "activation"] * block + ["pool"]
    kinds += ["pool", "linear", "activation", "linear", "activation", "logits", "softmax"]
    assert [operation.kind for operation in observed.operations] == kinds
    names = ["input", *(f"features.{index}" for index in range(29)), "avgpool"]
    names += ["classifier.0", "classifier.1", "classifier.3", "classifier.4", "logits", "softmax"]
    assert [operation.name for operation in observed.operations] == names


def test_names_of_resnet18_mark_the_second_use_of_a_relu() -> None:
    observed = ObservedNetwork(torchvision.models.resnet18(num_classes=10).eval())
    first = [
        ("input", "input"),
        ("conv1", "convolution"),
        ("bn1", "batch_norm"),
        ("relu", "activation"),
        ("maxpool", "pool"),
        ("layer1.0.conv1", "convolution"),
        ("layer1.0.bn1", "batch_norm"),
        ("layer1.0.relu", "activation"),
        ("layer1.0.conv2", "convolution"),
        ("layer1.0.bn2", "batch_norm"),
        ("add", "residual_sum"),
        ("layer1.0.relu#1", "activation"),
    ]
    found = [(operation.name, operation.kind) for operation in observed.operations]
    assert found[:12] == first
    # 5 in the stem with the input, 8 blocks of 7, 3 shortcuts of 2, then average, logits, softmax
    assert len(found) == 5 + 8 * 7 + 3 * 2 + 3
    assert len({name for name, _ in found}) == len(found)
    assert sum(kind == "residual_sum" for _, kind in found) == 8
    downsampled = [name for name, _ in found].index("layer2.0.downsample.0")
    assert [name for name, _ in found[downsampled : downsampled + 4]] == [
        "layer2.0.downsample.0", "layer2.0.downsample.1", "add_2", "layer2.0.relu#1"]  # fmt: skip


def test_a_module_used_three_times_is_observed_three_times() -> None:
    relu = nn.ReLU(inplace=True)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), relu, nn.Linear(4, 4), relu, nn.Linear(4, 4), relu, nn.Linear(4, 2))
    observed = ObservedNetwork(network)
    assert [operation.name for operation in observed.operations] == [
        "input", "1", "2", "3", "2#1", "5", "2#2", "logits", "softmax"]  # fmt: skip
    activations = record(observed, torch.randn(5, 1, 2, 2))
    for before, after in ((1, 2), (3, 4), (5, 6)):
        assert (activations[before] < 0).any()
        assert torch.equal(activations[after], activations[before].clamp(min=0))


@pytest.mark.parametrize("architecture", ["vgg11_bn", "resnet18", "resnet50"])
def test_blurring_is_a_pooling_of_vggs_and_a_step_inside_residual_blocks(architecture: str) -> None:
    found = {}
    for antialiased in (False, True):
        specification = {"architecture": architecture, "width": 0.1, "antialiased": antialiased}
        network = build_network(specification, input_shape=(1, 28, 28), classes=10, seed=0).eval()
        observed = ObservedNetwork(network)
        images = torch.randn(2, 1, 28, 28)
        torch.testing.assert_close(record(observed, images)[-2], network(images).detach(), rtol=1e-4, atol=1e-4)
        found[antialiased] = [operation.kind for operation in observed.operations]
    pools, blurs = ([kinds.count(kind) for kinds in found.values()] for kind in ("pool", "blur"))
    if architecture == "vgg11_bn":
        assert found[True] == found[False] and pools == [6, 6]
    else:  # one blur on the path and one in the shortcut of three blocks
        assert (pools, blurs) == ([1, 1], [0, 6])
        assert [kind for kind in found[True] if kind != "blur"] == found[False]


@pytest.mark.parametrize("locally_connected", [False, True])
def test_a_locally_connected_layer_is_one_convolution(locally_connected: bool) -> None:
    specification = {"architecture": "local_model", "channels": 6, "filter_size": 9, "locally_connected": locally_connected}
    network = build_network(specification, input_shape=(3, 12, 12), classes=10, seed=0).eval()
    observed, images = ObservedNetwork(network), torch.randn(2, 3, 12, 12)
    assert [operation.kind for operation in observed.operations] == [
        "input", "convolution", "activation", "pool", "logits", "softmax"]  # fmt: skip
    found = record(observed, images)
    torch.testing.assert_close(found[1], network.conv(images).detach(), rtol=1e-5, atol=1e-5)
    assert observed.largest_activation(images[:1]) == 144 * (3 * 81 if locally_connected else 6)  # its patches count


def test_only_input_logits_and_softmax_where_not_every_operation_is_wanted() -> None:
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=10).eval()
    images = torch.randn(2, 3, 32, 32)
    every = record(ObservedNetwork(network), images)
    observed = ObservedNetwork(network, every_operation=False)
    assert [operation.kind for operation in observed.operations] == ["input", "logits", "softmax"]
    for one, other in zip(record(observed, images), [every[0], every[-2], every[-1]], strict=True):
        assert torch.equal(one, other)


class Undecided(nn.Module):
    """What it does depends on what it computes, so that it has no fixed operations."""

    def __init__(self) -> None:
        super().__init__()
        self.read_out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.read_out(x.flatten(1)) * (2 if x.sum() > 0 else 1)


def test_outputs_can_be_observed_of_a_network_that_cannot_be_traced() -> None:
    network, images = Undecided().eval(), torch.ones(2, 1, 2, 2)
    logits = 2 * network.read_out(images.flatten(1)).detach()
    observed = ObservedNetwork(network, every_operation=False)
    assert observed.module is network
    for one, other in zip(record(observed, images), [images, logits, logits.softmax(1)], strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ValueError, match="of Undecided only the output can be observed, not every operation"):
        ObservedNetwork(network)


@pytest.mark.parametrize("every", [True, False])
@pytest.mark.parametrize("channels", [1, 3])  # images of one channel are not copied into the order of channels last
def test_an_operation_in_place_on_the_images_is_refused(every: bool, channels: int) -> None:
    class Overwriting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu_().flatten(1)

    with pytest.raises(ValueError, match=r"overwrites (its input|the images); write it out of place"):
        record(ObservedNetwork(Overwriting(), every_operation=every), torch.randn(2, channels, 3, 3))


@pytest.mark.parametrize("every", [True, False])
def test_a_first_module_in_place_leaves_the_images_as_they_are(every: bool) -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4, 2))
    images = -torch.ones(3, 1, 2, 2)
    found = record(ObservedNetwork(network, every_operation=every), images)
    assert torch.equal(images, -torch.ones(3, 1, 2, 2)) and torch.equal(found[0], images)
    assert torch.equal(found[-2], network[2].bias.detach().expand(3, 2))


def test_convolutions_that_pad_themselves_are_one_operation_each() -> None:
    network = build_network({"architecture": "efficientnet_lite0"}, input_shape=(3, 32, 32), classes=5, seed=0)
    network = with_random_statistics(network)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    kept: dict[str, Tensor] = {}
    names = {module: name for name, module in network.named_modules()}
    for module in names:
        module.register_forward_hook(lambda module, _, output: kept.update({names[module]: output.detach().clone()}))
    with torch.no_grad():
        logits = network(images)
    for module in names:
        module._forward_hooks.clear()
    observed = ObservedNetwork(network)
    found = record(observed, images)
    kinds = [operation.kind for operation in observed.operations]
    counts = {"convolution": 49, "batch_norm": 49, "activation": 33, "residual_sum": 9, "pool": 1}
    assert {kind: kinds.count(kind) for kind in counts} == counts and len(kinds) == sum(counts.values()) + 3
    assert [operation.name for operation in observed.operations[:5]] == [
        "input", "_conv_stem", "_bn0", "_swish", "_blocks.0._depthwise_conv"]  # fmt: skip
    compared = 0
    for activation, operation in zip(found, observed.operations, strict=True):
        if operation.kind in ("convolution", "batch_norm", "pool"):
            torch.testing.assert_close(activation, kept[operation.name], rtol=1e-9, atol=1e-9)
            compared += 1
    assert compared == 99
    torch.testing.assert_close(found[-2], logits, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("every", [True, False])
def test_largest_activation_counts_what_is_not_observed_too(every: bool) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 2)
    ).eval()
    observed = ObservedNetwork(network, every_operation=every)
    assert observed.largest_activation(torch.zeros(1, 1, 8, 8)) == 5 * 64
    assert observed.largest_activation(torch.zeros(1, 1, 20, 20)) == 5 * 400
    assert not any(module._forward_hooks for module in observed.module.modules())


def test_call_returns_the_logits() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images = torch.randn(2, 1, 2, 2)
    logits = ObservedNetwork(network)(images, lambda index, activation: None)
    assert torch.equal(logits, network(images))


@pytest.mark.parametrize("name", ["resnet18", "lenet", "vgg11_bn"])
def test_a_part_of_the_network_gives_the_same_activations(name: str) -> None:
    network = build_network({"architecture": name, "width": 0.1}, input_shape=(2, 20, 20), classes=3, seed=0)
    observed, images = ObservedNetwork(with_random_statistics(network)), torch.randn(2, 2, 20, 20).double()
    whole = record(observed, images)
    for wanted in ([1], [4, 2], [3, len(whole) - 2]):
        part = observed.up_to(wanted)
        assert_same(list(part(images)), [whole[index] for index in wanted])
    assert len([node for node in observed.up_to([1]).graph.nodes if node.op == "call_module"]) == 1


def test_a_part_of_the_network_leaves_out_branches_that_it_does_not_need() -> None:
    network = build_network({"architecture": "resnet18", "width": 0.1}, input_shape=(2, 20, 20), classes=3, seed=0)
    observed = ObservedNetwork(network.eval())
    names = [operation.name for operation in observed.operations]
    part = observed.up_to([names.index("layer2.0.downsample.0")])
    modules = {node.target for node in part.graph.nodes if node.op == "call_module"}
    assert "layer2.0.downsample.0" in modules
    assert "layer2.0.conv1" not in modules


class ChecksItsImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.shape[2] == 8, "images have 8 rows")
        return self.conv(x).flatten(1)


def test_a_part_takes_crops_that_the_whole_network_refuses() -> None:
    network = ChecksItsImages()
    observed = ObservedNetwork(network)
    images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with pytest.raises(AssertionError, match="8 rows"):
        observed(images[:, :, :5, :5], lambda index, activation: None)
    (found,) = observed.up_to([1])(images[:, :, :5, :5])
    torch.testing.assert_close(found, network.conv(images)[:, :, :3, :3])
