import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from workflow_scripts.diffeo.blur_pool import BlurredMaxPool
from workflow_scripts.diffeo.networks import ARCHITECTURES, build_network, check_logits

CIFAR = (3, 32, 32)
PLAIN_VGG_CHANNELS = {"vgg11": 2752, "vgg13": 2944, "vgg16": 4224, "vgg19": 5504}
KNOWN_PARAMETERS = {  # published for CIFAR-10; VGGs with batch-norm and one linear read-out
    "resnet18": 11_173_962,
    "resnet34": 21_282_122,
    "resnet50": 23_520_842,
    "vgg11_bn": 9_231_114,
    "vgg13_bn": 9_416_010,
    "vgg16_bn": 14_728_266,
    "vgg19_bn": 20_040_522,
    "lenet": 62_006,
    "alexnet": 23_272_266,
    "efficientnet_b0": 5_288_548 - 990 * 1281,  # published with 1000 classes
    "fully_connected": 3072 * 1024 + 1024 + 10 * 1024 + 10,
    "simple_cnn": 3 * 64 * 9 + 64 + 3 * (64 * 64 * 9 + 64) + 650,
    "local_model": 3 * 64 * 25 + 64 + 64 * 64 * 10 + 10,
    "efficientnet_lite0": 4_652_008 - 990 * 1281,  # published with 1000 classes
}
OF_FIXED_WIDTH = {"efficientnet_lite0": {}, "torchvision": {"model": "resnet18"}}


def build(architecture: str, shape: tuple[int, int, int] = (1, 28, 28), seed: int = 0, **options: float) -> nn.Module:
    return build_network({"architecture": architecture, **options}, input_shape=shape, classes=10, seed=seed)


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("architecture", KNOWN_PARAMETERS)
def test_full_width_has_the_published_number_of_parameters(architecture: str) -> None:
    assert parameters(build(architecture, CIFAR)) == KNOWN_PARAMETERS[architecture]


@pytest.mark.parametrize("architecture", PLAIN_VGG_CHANNELS)
def test_vgg_without_batch_norm_lacks_two_parameters_a_channel(architecture: str) -> None:
    expected = KNOWN_PARAMETERS[f"{architecture}_bn"] - 2 * PLAIN_VGG_CHANNELS[architecture]
    assert parameters(build(architecture, CIFAR)) == expected


@pytest.mark.parametrize("architecture", sorted(set(ARCHITECTURES) - {"own"}))
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16)])
def test_logits_trace_and_no_operation_in_place(architecture: str, shape: tuple[int, int, int]) -> None:
    if architecture == "torchvision":
        shape = (3, *shape[1:])
    network = build(architecture, shape, **OF_FIXED_WIDTH.get(architecture, {"width": 0.1})).eval()
    images = torch.randn(2, *shape)
    logits = network(images)
    assert logits.shape == (2, 10)
    assert torch.equal(torch.fx.symbolic_trace(network)(images), logits)
    assert not any(getattr(module, "inplace", False) for module in network.modules())


BLURRED = [name for name in ARCHITECTURES if name.startswith(("vgg", "resnet"))]


def map_sizes(network: nn.Module, shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """Sizes of the outputs of all poolings and residual blocks."""
    sizes: list[tuple[int, int]] = []
    for module in network.modules():
        if isinstance(module, nn.MaxPool2d | BlurredMaxPool | BasicBlock | Bottleneck):
            module.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape[2:])))
    network(torch.zeros(1, *shape))
    return sizes


@pytest.mark.parametrize("architecture", BLURRED)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16), (1, 30, 21)])
def test_antialiased_networks_have_the_weights_and_map_sizes_of_the_others(
    architecture: str, shape: tuple[int, int, int]
) -> None:
    plain, blurred = (build(architecture, shape, width=0.1, antialiased=choice) for choice in (False, True))
    plain, blurred = plain.eval(), blurred.eval()
    weights = list(plain.parameters()), list(blurred.parameters())
    assert all(torch.equal(*pair) for pair in zip(*weights, strict=True))
    images = torch.randn(2, *shape)
    logits = blurred(images)
    assert torch.equal(torch.fx.symbolic_trace(blurred)(images), logits)
    assert not torch.equal(plain(images), logits)
    assert not any(module.stride == (2, 2) for module in blurred.modules() if isinstance(module, nn.Conv2d))
    assert not any(isinstance(module, nn.MaxPool2d) for module in blurred.modules())
    sizes = map_sizes(plain, shape)
    assert len(sizes) >= 5 and sizes == map_sizes(blurred, shape)


@pytest.mark.parametrize("architecture", BLURRED)
def test_without_the_key_nothing_is_blurred(architecture: str) -> None:
    bare, plain = build(architecture, width=0.1), build(architecture, width=0.1, antialiased=False)
    assert str(bare) == str(plain) and "Blur" not in str(bare)
    first, second = bare.state_dict(), plain.state_dict()
    assert list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_residual_blocks_compute_what_torchvision_computes(architecture: str) -> None:
    from torchvision import models

    ours = build(architecture, (3, 32, 32)).eval()
    theirs = getattr(models, architecture)(num_classes=10).eval()
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, 16, 16)
    assert torch.equal(ours(images), theirs(images))


def test_vgg_pooling_at_32_pixels_is_torchvisions() -> None:
    from torchvision.models.vgg import cfgs, make_layers

    ours, theirs = build("vgg11_bn", CIFAR).features.eval(), make_layers(cfgs["A"], batch_norm=True).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, *CIFAR)
    assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize(("size", "padded"), [(224, (0, 1, 0, 1)), (45, (1, 1, 1, 1))])
def test_efficientnet_lite0_is_padded_for_the_size_of_the_images(size: int, padded: tuple[int, ...]) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    ours = build("efficientnet_lite0", (3, size, size)).eval()
    theirs = EfficientNet.from_name("efficientnet-lite0", num_classes=10, image_size=size).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, size, size)
    assert ours._conv_stem.static_padding.padding == padded  # stride 2: one more at the end if the size is even
    assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize("model", ["mobilenet_v3_small", "squeezenet1_1"])
def test_a_classifier_of_torchvision_computes_what_it_does_there(model: str) -> None:
    from torchvision import models

    ours = build("torchvision", (3, 64, 64), model=model).eval()
    theirs = models.get_model(model, num_classes=10).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(ours(images), theirs(images))
    assert any(getattr(module, "inplace", False) for module in theirs.modules())
    assert not any(getattr(module, "inplace", False) for module in ours.modules())


@pytest.mark.parametrize(
    ("model", "shape", "sentence"),
    [
        (
            "resnet18",
            (1, 32, 32),
            r"does not take images of shape 1 x 32 x 32: .*to have 3 channels",
        ),
        ("alexnet", (3, 28, 28), r"does not take images of shape 3 x 28 x 28: .*Output size is too small"),
        ("vit_b_32", (3, 32, 32), r"does not take images of shape 3 x 32 x 32: Wrong image height! Expected 224 but got 32!"),
    ],
)
def test_images_that_a_classifier_cannot_take_are_named(model: str, shape: tuple[int, int, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_logits(build("torchvision", shape, model=model), shape, 10)


def test_a_network_is_checked_to_give_one_logit_a_class_and_left_in_training_mode() -> None:
    network = build("resnet18", CIFAR, width=0.1)
    check_logits(network, CIFAR, 10)
    assert all(module.training for module in network.modules())
    assert network.bn1.num_batches_tracked == 0
    with pytest.raises(ValueError, match=r"3 x 32 x 32 to an array of shape \(1, 10\), not to 7 logits"):
        check_logits(network, CIFAR, 7)
    with pytest.raises(ValueError, match=r"to an array of shape \(1, 3, 32, 32\)"):
        check_logits(nn.Identity(), CIFAR, 10)


def test_map_sizes() -> None:
    network, sizes = build("simple_cnn", (1, 28, 28), depth=5, filter_size=9), []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape[2:])))
    network(torch.zeros(1, 1, 28, 28))
    assert sizes == [(28, 28), (14, 14), (7, 7), (4, 4), (2, 2)]
    assert network.conv1.weight.shape == (64, 1, 9, 9)


def test_width_scales_channels() -> None:
    assert build("vgg11_bn", width=0.25).classifier.in_features == 128
    assert build("resnet50", CIFAR, width=0.25).fc.in_features == 512
    assert build("fully_connected", width=0.5, depth=4).linear3.weight.shape == (512, 512)
    assert build("local_model", width=0.5, channels=10).conv.weight.shape == (5, 1, 5, 5)
    assert build("simple_cnn", width=0.3).linear.in_features == 19
    assert build("lenet", width=2).linear1.weight.shape == (240, 32 * 4 * 4)


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_depth_is_the_number_of_linear_layers(depth: int) -> None:
    network = build("fully_connected", depth=depth, width=0.01)
    assert sum(isinstance(module, nn.Linear) for module in network.modules()) == depth
    assert sum(isinstance(module, nn.ReLU) for module in network.modules()) == depth - 1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), global_seed=st.integers(0, 2**32))
def test_weights_are_a_function_of_the_seed_alone(seed: int, global_seed: int) -> None:
    torch.manual_seed(global_seed)
    state = torch.get_rng_state()
    first = build("lenet", seed=seed).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(global_seed + 1)
    second, other = build("lenet", seed=seed).state_dict(), build("lenet", seed=seed + 1).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_initialisation_conventions() -> None:
    vgg = build("vgg11_bn", CIFAR)
    weight = vgg.features[8].weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / (256 * 9)), rel=0.01)
    assert vgg.features[8].bias.abs().max() == 0
    assert vgg.classifier.weight.abs().max() <= 1 / math.sqrt(512)
    assert build("simple_cnn").conv2.weight.abs().max() <= 1 / math.sqrt(64 * 9)


@pytest.mark.parametrize(
    ("specification", "shape", "words"),
    [
        ({"architecture": "vgg12"}, CIFAR, ["'vgg12'", "vgg11", "resnet50"]),
        ({}, CIFAR, ["None", "fully_connected"]),
        ({"architecture": "lenet", "depth": 3}, CIFAR, ["depth", "lenet", "architecture, width"]),
        ({"architecture": "fully_connected", "filter_size": 3}, CIFAR, ["filter_size", "depth"]),
        ({"architecture": "simple_cnn", "width": 0.001}, CIFAR, ["width 0.001", "simple_cnn"]),
        ({"architecture": "fully_connected", "depth": 0}, CIFAR, ["depth 0", "at least 1"]),
        ({"architecture": "efficientnet_lite0", "width": 0.5}, CIFAR, ["width has no effect", "its keys are architecture"]),
        ({"architecture": "torchvision", "model": "resnet18", "width": 1}, CIFAR, ["width has no effect", "architecture, model"]),
        ({"architecture": "torchvision", "model": "resnet19"}, CIFAR, ["model 'resnet19'", "78", "resnet18", "resnet152"]),
        ({"architecture": "torchvision", "model": "googlenet"}, CIFAR, ["model 'googlenet'", "alexnet"]),
        ({"architecture": "lenet", "antialiased": True}, CIFAR, ["antialiased has no effect", "architecture, width"]),
        ({"architecture": "local_model", "depth": 2}, CIFAR, ["depth has no effect", "width, channels, filter_size, pool_size"]),
        ({"architecture": "local_model", "channels": 0}, CIFAR, ["channels 0", "at least 1"]),
        ({"architecture": "local_model", "pool_size": 0}, CIFAR, ["pool_size 0", "at least 1"]),
        ({"architecture": "local_model", "pool_size": 29}, (1, 28, 28), ["pool_size 29", "28 x 28 pixels"]),
        ({"architecture": "local_model", "filter_size": 17}, (1, 28, 16), ["filter_size 17", "28 x 16 pixels"]),
        ({"architecture": "local_model", "pooling": "mean"}, CIFAR, ["pooling 'mean'", "average, max"]),
        ({"architecture": "local_model", "trained": "none"}, CIFAR, ["trained 'none'", "all, readout"]),
        ({"architecture": "local_model", "width": 0.001}, CIFAR, ["width 0.001", "local_model"]),
        ({"architecture": "lenet"}, (1, 15, 15), ["15 x 15", "at least 16"]),
        ({"architecture": "simple_cnn", "depth": 6}, (1, 28, 28), ["28 x 28", "depth 6", "at least 32"]),
    ],
)
def test_errors_name_the_key_the_value_and_what_is_allowed(
    specification: dict[str, object], shape: tuple[int, int, int], words: list[str]
) -> None:
    with pytest.raises(ValueError) as caught:
        build_network(specification, input_shape=shape, classes=10, seed=0)
    assert all(word in str(caught.value) for word in words)
