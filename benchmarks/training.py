"""An epoch of training over a bare loop on batches that lie ready, and over forward and backward passes alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.timing import DEVICE, Growth, Judged, Table, growth, ratio, table
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.training import ImageSet, Recipe, Trainer

SHAPE, CLASSES, SEED = (1, 28, 28), 10, 0
TARGET = 1.05
RECIPE = Recipe(
    optimizer="adamw",
    learning_rate=0.002,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",
    epochs=10_000,  # more than are run
    batch_size=128,
    loss="cross_entropy",
    crop_padding=0,
    horizontal_flip=False,
)
NETWORKS: dict[str, tuple[Mapping[str, Any], int]] = {  # what the default configuration trains, with a number of images
    "fully connected": ({"architecture": "fully_connected", "depth": 2}, 12_800),
    "LeNet": ({"architecture": "lenet"}, 12_800),
    "VGG11-bn × 0.25": ({"architecture": "vgg11_bn", "width": 0.25}, 2560),
    "ResNet18 × 0.25": ({"architecture": "resnet18", "width": 0.25}, 1280),
}


class Loops(NamedTuple):
    """Three ways to pass once over the images of a training."""

    trainer: Callable[[], object]
    bare: Callable[[], object]
    passes: Callable[[], object]


def some_images(number: int) -> ImageSet:
    """Random images in bytes with random labels."""
    generator = torch.Generator().manual_seed(SEED)
    images = torch.randint(256, (number, *SHAPE), dtype=torch.uint8, generator=generator)
    labels = torch.randint(CLASSES, (number,), generator=generator)
    return ImageSet(*(each.to(DEVICE) for each in (images, labels, torch.tensor([0.28]), torch.tensor([0.35]))))


def trainer_of(network: Mapping[str, Any], images: ImageSet, batch_size: int = RECIPE.batch_size) -> Trainer:
    """A training as the default configuration has it."""
    built = build_network(network, input_shape=SHAPE, classes=CLASSES, seed=SEED).to(DEVICE)
    recipe = Recipe(**vars(RECIPE) | {"batch_size": batch_size})
    return Trainer(built, recipe, images, seed=SEED, run="benchmark")


def epochs_of(trainer: Trainer) -> Callable[[], object]:
    """The next epoch at every call."""
    epochs: Iterator[int] = count(1)
    return lambda: trainer.train_epoch(next(epochs))


def loops(network: Mapping[str, Any], number: int) -> Loops:
    """The three for `number` images, each with a network of its own."""
    images = some_images(number)
    bare, passes = trainer_of(network, images), trainer_of(network, images)
    parts = zip(*(torch.split(part, RECIPE.batch_size) for part in (images.images, images.labels)), strict=True)
    batches = [(images.network_input(pixels), labels) for pixels, labels in parts]
    return Loops(
        epochs_of(trainer_of(network, images)),
        partial(bare_epoch, bare, batches, bare.optimizer.step),
        partial(bare_epoch, passes, batches, lambda: None),
    )


def bare_epoch(trainer: Trainer, batches: Sequence[tuple[Tensor, Tensor]], update: Callable[[], object]) -> None:
    """Forward and backward passes on batches that lie ready, each followed by `update`."""
    trainer.network.train()
    for inputs, labels in batches:
        loss = trainer.loss(trainer.network(inputs), labels)
        trainer.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        update()


def growths(images: Sequence[int], batch_sizes: Sequence[int], repeats: int) -> list[Growth]:
    """Time of an epoch of LeNet with the number of images, and of a step with the images in it."""
    network, _ = NETWORKS["LeNet"]

    def epoch(number: int) -> Callable[[], object]:
        return epochs_of(trainer_of(network, some_images(number)))

    def four_steps(batch_size: int) -> Callable[[], object]:
        return epochs_of(trainer_of(network, some_images(4 * batch_size), batch_size))

    return [
        growth("an epoch of LeNet", "number of images", images, epoch, repeats),
        growth("a training step of LeNet", "batch size", batch_sizes, four_steps, repeats),
    ]


def measure(
    repeats: int = 5,
    share: float = 1.0,
    images: Sequence[int] = (1024, 2048, 4096, 8192),
    batch_sizes: Sequence[int] = (32, 64, 128, 256, 512),
) -> Table:
    """A row for each network, on that share of its images."""
    judged, rows = [], []
    for name, (network, number) in NETWORKS.items():
        found = loops(network, max(RECIPE.batch_size, int(share * number)))
        over_bare, over_passes = (ratio(found.trainer, other, repeats) for other in (found.bare, found.passes))
        judged.append(Judged(f"training over a bare loop, {name}", over_bare.value, TARGET))
        cells = f"{over_bare.value:.3f}", judged[-1].cells, f"{over_passes.value:.2f}"
        rows.append([name, *cells, f"{over_bare.slow / number / share * 1e6:.0f} µs"])
    head = ["network", "training / bare loop", "target", "", "training / forward and backward", "time of an image"]
    return Table(table(head, rows), judged, growths(images, batch_sizes, repeats))
