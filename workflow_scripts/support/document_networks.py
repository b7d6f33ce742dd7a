"""Make docs/networks.md from the architectures themselves (`make docs`)."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workflow_scripts.diffeo.networks import build_network

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
INTRODUCTION = """\
# Networks

Made from the code by `make docs`; do not edit by hand. The parameters are those at full width for 10 classes of 32 × 32
colour pixels (1000 classes of 224 × 224 for networks of ImageNet). A `width` multiplies the channels of every layer; what else
can be set is in [configuration.md](configuration.md).

| configuration | source | stem | parameters |
|---|---|---|---|
"""
EPILOGUE = """
Any other classifier of torchvision goes by its name there (`architecture: torchvision`, `model: ...`), without its weights or
with those of a file. Networks of one's own: [own_network.md](own_network.md).
"""
SMALL = "3 × 3, stride 1"
TORCHVISION = "torchvision's definition"


class Row(NamedTuple):
    """One line of the table: a block of the configuration, where its definition comes from, what meets the image first."""

    block: Mapping[str, Any]
    source: str
    stem: str
    shape: tuple[int, int, int] = CIFAR
    classes: int = 10


def rows() -> Iterator[Row]:
    """All architectures, and the classifiers of torchvision that tests run."""
    for depth in (2, 4, 6):
        yield Row({"architecture": "fully_connected", "depth": depth}, "the slides", "none")
    yield Row({"architecture": "simple_cnn"}, "the slides", SMALL)
    yield Row({"architecture": "simple_cnn", "filter_size": 9}, "the slides", "9 × 9, stride 1")
    yield Row({"architecture": "lenet"}, "LeCun et al. 1998, with ReLUs", "5 × 5, stride 1")
    yield Row({"architecture": "alexnet"}, "Krizhevsky 2014, torchvision's channels", "3 × 3, stride 2")
    yield Row({"architecture": "local_model"}, "the slides", "5 × 5, stride 1")
    yield Row({"architecture": "local_model", "locally_connected": True}, "the slides", "5 × 5, filters not shared")
    for depth in (11, 13, 16, 19):
        for suffix in ("", "_bn"):
            yield Row(
                {"architecture": f"vgg{depth}{suffix}"}, f"{TORCHVISION} (Simonyan and Zisserman 2015), one read-out", SMALL
            )
    for depth in (18, 34, 50):
        yield Row({"architecture": f"resnet{depth}"}, f"{TORCHVISION} (He et al. 2016)", SMALL)
    yield Row({"architecture": "vgg11_bn", "antialiased": True}, "poolings of Zhang 2019", SMALL)
    yield Row({"architecture": "resnet18", "antialiased": True}, "strides of Zhang 2019", SMALL)
    yield Row({"architecture": "efficientnet_b0"}, f"{TORCHVISION} (Tan and Le 2019)", SMALL)
    yield Row({"architecture": "efficientnet_lite0"}, "package efficientnet-lite-pytorch", "3 × 3, stride 2", IMAGENET, 1000)
    for model, stem in (("convnext_tiny", "4 × 4, stride 4"), ("vit_b_16", "16 × 16, stride 16")):
        yield Row({"architecture": "torchvision", "model": model}, "torchvision, as it is", stem, IMAGENET, 1000)


def networks_page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(f"{line(row)}\n" for row in rows()) + EPILOGUE


def line(row: Row) -> str:
    """One row of the table."""
    network = build_network(row.block, input_shape=row.shape, classes=row.classes, seed=0)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    block = ", ".join(f"{key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in row.block.items())
    return f"| `{{{block}}}` | {row.source} | {row.stem} | {parameters:,} |"


if __name__ == "__main__":
    print(networks_page(), end="")
