"""Architectures, most with a width factor; torchvision's definitions where they exist.

Every network maps (B, ch, h, w) images to (B, classes) logits, can be traced by `torch.fx` (in eval mode), and has no module
that works in place.

Initialisation: torchvision's for VGGs and ResNets (convolutions normal with the fan-out variance of He et al. 2015,
biases 0, batch-norm 1 and 0), what the package does for EfficientNet-lite0 and torchvision's classifiers, torch's defaults for
everything else, all read-outs included.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from workflow_scripts.diffeo.blur_pool import BlurredMaxPool, antialias_block
from workflow_scripts.diffeo.local_models import local_model
from workflow_scripts.diffeo.own_networks import own_network
from workflow_scripts.diffeo.randomness import derive_seed

Shape = tuple[int, int, int]
Scale = Callable[[int], int]


class Architecture(NamedTuple):
    """A builder `(input_shape, classes, scale, **options)` and the names of the options it takes."""

    builder: Callable[..., nn.Module]
    options: tuple[str, ...] = ("width",)


def build_network(specification: Mapping[str, Any], *, input_shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    """Build a network, in training mode on the CPU, its weights a function of `seed` alone.

    Args:
        specification: `architecture` (a key of `ARCHITECTURES`), for most `width` (factor on the number of channels of every
            layer, default 1), for `fully_connected` `depth`, for `simple_cnn` `depth` and `filter_size`, for `torchvision`
            `model`, for `own` `factory` and `options` (`own_networks.own_network`), for VGGs and ResNets `antialiased` (poolings
            and strides that blur, default false), for `local_model` those of `local_models.local_model`.
        input_shape: channels, height and width of an image.
        classes: number of logits.
        seed: the run's seed; the weights use its stream "initialisation", the global random state is left alone.

    Raises:
        ValueError: unknown architecture, a key without effect, a value that makes no network.
    """
    options = dict(specification)
    name = options.pop("architecture", None)
    if name not in ARCHITECTURES:
        raise ValueError(f"architecture {name!r} is not known; choose one of {', '.join(ARCHITECTURES)}")
    architecture = ARCHITECTURES[name]
    unknown = sorted(set(options) - set(architecture.options))
    if unknown:
        allowed = ", ".join(("architecture", *architecture.options))
        raise ValueError(f"{unknown[0]} has no effect on architecture {name}; its keys are {allowed}")
    width = options.pop("width", 1.0)
    for key in ("depth", "filter_size", "channels", "pool_size"):
        if options.get(key, 1) < 1:
            raise ValueError(f"{key} {options[key]} is not allowed for architecture {name}; it must be at least 1")

    def scale(channels: int) -> int:
        scaled = round(channels * float(width))
        if scaled < 1:
            raise ValueError(f"width {width} leaves a layer of {name} without channels; it must exceed {0.5 / channels:g}")
        return scaled

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "initialisation"))
        return architecture.builder(input_shape, classes, scale, **options)


@torch.no_grad()
def check_logits(network: nn.Module, input_shape: Shape, classes: int) -> None:
    """Raise a ValueError unless `network`, just built, maps an image of `input_shape` to `classes` logits."""
    image = " x ".join(map(str, input_shape))
    network.eval()
    try:
        found = tuple(network(torch.zeros(1, *input_shape)).shape)
    except (RuntimeError, ValueError, AssertionError) as error:  # what torch and torchvision raise for a shape
        raise ValueError(f"the network does not take images of shape {image}: {str(error).splitlines()[0]}") from error
    finally:
        network.train()
    if found != (1, classes):
        raise ValueError(f"the network maps an image of shape {image} to an array of shape {found}, not to {classes} logits")


def _require_size(name: str, input_shape: Shape, minimum: int) -> None:
    """Raise a ValueError if the images are smaller than `minimum` pixels along an edge."""
    _, height, width = input_shape
    if min(height, width) < minimum:
        raise ValueError(f"images of {height} x {width} pixels are too small for {name}; it needs at least {minimum}")


def _fully_connected(input_shape: Shape, classes: int, scale: Scale, depth: int = 2) -> nn.Module:
    """`depth` linear layers with ReLUs between them, 1024 hidden units each."""
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    features = math.prod(input_shape)
    for index in range(1, depth):
        hidden = scale(1024)
        layers[f"linear{index}"] = nn.Linear(features, hidden)
        layers[f"relu{index}"] = nn.ReLU()
        features = hidden
    layers[f"linear{depth}"] = nn.Linear(features, classes)
    return nn.Sequential(layers)


def _simple_cnn(input_shape: Shape, classes: int, scale: Scale, depth: int = 4, filter_size: int = 3) -> nn.Module:
    """`depth` convolutions of 64 channels with ReLUs, all but the first of stride 2, global average, linear read-out."""
    _require_size(f"a simple_cnn of depth {depth}", input_shape, 2 ** (depth - 1))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = input_shape[0]
    for index in range(1, depth + 1):
        hidden, stride = scale(64), 1 if index == 1 else 2
        layers[f"conv{index}"] = nn.Conv2d(channels, hidden, filter_size, stride=stride, padding=filter_size // 2)
        layers[f"relu{index}"] = nn.ReLU()
        channels = hidden
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["linear"] = nn.Linear(channels, classes)
    return nn.Sequential(layers)


def _lenet(input_shape: Shape, classes: int, scale: Scale) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998) with ReLUs and max-pooling; convolutions without padding, no fixed image size."""
    _require_size("lenet", input_shape, 16)
    channels, height, width = input_shape
    positions = math.prod(((edge - 4) // 2 - 4) // 2 for edge in (height, width))
    first, second, third, fourth = (scale(units) for units in (6, 16, 120, 84))
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, first, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(first, second, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear1=nn.Linear(second * positions, third),
            relu3=nn.ReLU(),
            linear2=nn.Linear(third, fourth),
            relu4=nn.ReLU(),
            linear3=nn.Linear(fourth, classes),
        )
    )


def _alexnet(input_shape: Shape, classes: int, scale: Scale) -> nn.Module:
    """AlexNet with torchvision's channels and layers (Krizhevsky 2014) and a stem for small images.

    Filters of 3 x 3 pixels, the first with stride 2, and poolings of 2 x 2 that round sizes up take the place of the filters of
    11 and 5 pixels, the stride of 4 and the overlapping poolings, which leave nothing of 32 pixels.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = input_shape[0]
    for index, out in enumerate(map(scale, (64, 192, 384, 256, 256)), start=1):
        layers[f"conv{index}"] = nn.Conv2d(channels, out, 3, stride=2 if index == 1 else 1, padding=1)
        layers[f"relu{index}"] = nn.ReLU()
        if index in (1, 2, 5):
            layers[f"pool{index}"] = nn.MaxPool2d(2, ceil_mode=True)
        channels = out
    layers |= {"avgpool": nn.AdaptiveAvgPool2d(2), "flatten": nn.Flatten()}
    features = 4 * channels
    for index in (6, 7):
        hidden = scale(4096)
        layers |= {f"dropout{index}": nn.Dropout(0.5), f"linear{index}": nn.Linear(features, hidden), f"relu{index}": nn.ReLU()}
        features = hidden
    layers["linear8"] = nn.Linear(features, classes)
    return nn.Sequential(layers)


def _efficientnet_b0(input_shape: Shape, classes: int, scale: Scale) -> nn.Module:
    """EfficientNet-B0 of torchvision (Tan and Le 2019, table 1) behind a CIFAR stem: stride 1. Channels are multiples of 8."""
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    table = (  # expansion, filter size, stride, channels in and out, blocks
        (1, 3, 1, 32, 16, 1),
        (6, 3, 2, 16, 24, 2),
        (6, 5, 2, 24, 40, 2),
        (6, 3, 2, 40, 80, 3),
        (6, 5, 1, 80, 112, 3),
        (6, 5, 2, 112, 192, 4),
        (6, 3, 1, 192, 320, 1),
    )
    stages = [MBConvConfig(*shape, scale(before), scale(after), blocks) for *shape, before, after, blocks in table]
    network = EfficientNet(stages, dropout=0.2, num_classes=classes)
    stem = network.features[0]
    stem[0] = nn.Conv2d(input_shape[0], stem[0].out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem[0].weight, mode="fan_out")
    return not_in_place(network)


def _vgg(
    input_shape: Shape, classes: int, scale: Scale, *, layers: str, batch_norm: bool, antialiased: bool = False
) -> nn.Module:
    """Torchvision's VGG features (Simonyan and Zisserman 2015), global average, one linear read-out.

    Pooling rounds sizes up, so that 28 pixels survive five poolings (at 32 pixels that changes nothing).
    """
    from torchvision.models.vgg import cfgs, make_layers

    plan = [layer if layer == "M" else scale(layer) for layer in cfgs[layers]]
    features = make_layers(plan, batch_norm=batch_norm)
    features[0] = nn.Conv2d(input_shape[0], plan[0], 3, padding=1)
    for index, module in enumerate(features):
        if isinstance(module, nn.MaxPool2d):
            features[index] = BlurredMaxPool() if antialiased else nn.MaxPool2d(2, ceil_mode=True)
    parts = OrderedDict(
        features=features, avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), classifier=nn.Linear(plan[-2], classes)
    )
    return _in_torchvision_convention(nn.Sequential(parts))


def _resnet(
    input_shape: Shape, classes: int, scale: Scale, *, block: str, blocks: tuple[int, ...], antialiased: bool = False
) -> nn.Module:
    """Torchvision's residual blocks (He et al. 2016) behind a CIFAR stem: 3 x 3, stride 1, no max-pooling."""
    from torchvision.models import resnet

    kind = getattr(resnet, block)
    planes = scale(64)
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=resnet.conv3x3(input_shape[0], planes), bn1=nn.BatchNorm2d(planes), relu=nn.ReLU()
    )
    for index, count in enumerate(blocks):
        stage = []
        for stride in (1 if index == 0 else 2, *[1] * (count - 1)):
            out = scale(64 * 2**index)
            shortcut = None
            if stride != 1 or planes != out * kind.expansion:
                convolution = resnet.conv1x1(planes, out * kind.expansion, stride)
                shortcut = nn.Sequential(convolution, nn.BatchNorm2d(out * kind.expansion))
            stage.append(kind(planes, out, stride, shortcut))
            if antialiased and stride != 1:
                antialias_block(stage[-1])
            planes = out * kind.expansion
        parts[f"layer{index + 1}"] = nn.Sequential(*stage)
    parts |= {"avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "fc": nn.Linear(planes, classes)}
    return _in_torchvision_convention(nn.Sequential(parts))


def _efficientnet_lite0(input_shape: Shape, classes: int, _: Scale) -> nn.Module:
    """EfficientNet-lite0 of the package efficientnet_lite_pytorch, padded as for images of this size."""
    from efficientnet_lite_pytorch import EfficientNet

    channels, height, width = input_shape
    options = {"in_channels": channels, "num_classes": classes, "image_size": (height, width)}
    network: nn.Module = EfficientNet.from_name("efficientnet-lite0", **options)
    return network


def _torchvision(input_shape: Shape, classes: int, _: Scale, *, model: str) -> nn.Module:
    """A classifier of torchvision as it is, for colour images of the size that it was made for.

    Not googlenet and inception_v3: they normalise images once more when they carry their published weights, and have further
    outputs while training.
    """
    from torchvision import models

    known = sorted(set(models.list_models(module=models)) - {"googlenet", "inception_v3"})
    if model not in known:
        near = ", ".join(get_close_matches(model, known, cutoff=0))
        raise ValueError(f"model {model!r} is none of torchvision's {len(known)} classifiers for use here; near it are {near}")
    return not_in_place(models.get_model(model, weights=None, num_classes=classes))


def _own(input_shape: Shape, classes: int, _: Scale, *, factory: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """A network of people's own."""
    return not_in_place(own_network(factory, options or {}))


def _in_torchvision_convention(network: nn.Module) -> nn.Module:
    """Initialise convolutions as torchvision does (batch-norm starts at 1 and 0 anyway); no module in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return not_in_place(network)


def not_in_place(network: nn.Module) -> nn.Module:
    """Make modules such as ReLUs keep their input."""
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False  # type: ignore[assignment]
    return network


ARCHITECTURES: Mapping[str, Architecture] = {
    "fully_connected": Architecture(_fully_connected, ("width", "depth")),
    "simple_cnn": Architecture(_simple_cnn, ("width", "depth", "filter_size")),
    "lenet": Architecture(_lenet),
    "alexnet": Architecture(_alexnet),
    "local_model": Architecture(
        local_model, ("width", "channels", "filter_size", "pool_size", "pooling", "locally_connected", "trained")
    ),
    **{
        f"vgg{depth}{suffix}": Architecture(partial(_vgg, layers=layers, batch_norm=bool(suffix)), ("width", "antialiased"))
        for depth, layers in {11: "A", 13: "B", 16: "D", 19: "E"}.items()
        for suffix in ("", "_bn")
    },
    "resnet18": Architecture(partial(_resnet, block="BasicBlock", blocks=(2, 2, 2, 2)), ("width", "antialiased")),
    "resnet34": Architecture(partial(_resnet, block="BasicBlock", blocks=(3, 4, 6, 3)), ("width", "antialiased")),
    "resnet50": Architecture(partial(_resnet, block="Bottleneck", blocks=(3, 4, 6, 3)), ("width", "antialiased")),
    "efficientnet_b0": Architecture(_efficientnet_b0),
    "efficientnet_lite0": Architecture(_efficientnet_lite0, ()),
    "torchvision": Architecture(_torchvision, ("model",)),
    "own": Architecture(_own, ("factory", "options")),
}
