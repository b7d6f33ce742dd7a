"""Which patches of which images to look at: those that drive a neuron most, or random ones.

A patch is an image and a position of an operation's map; what the neuron there sees of the image is its receptive field.
"""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.diffeo.batches import Progress, in_batches
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.randomness import uniform


@dataclass(frozen=True)
class Patches:
    """The strongest patches of every channel of one operation, in decreasing order of the activation.

    Attributes:
        image: index of the image, (channel, k), int64; no image twice for one channel.
        position: row and column in the operation's map, (channel, k, 2), int64.
        activation: of the channel there, (channel, k).
    """

    image: Tensor
    position: Tensor
    activation: Tensor


@torch.no_grad()
def strongest_patches(
    network: ObservedNetwork,
    images: Tensor,
    operations: Collection[int],
    count: int,
    *,
    batch_size: int,
    progress: Progress = iter,
) -> dict[int, Patches]:
    """The `count` patches with the largest activation, for every channel of the given operations, by the operation's number.

    An image gives a channel one patch, the position of its largest activation there. Of equal activations the lowest position
    (row by row) and the lowest image come first. Outputs without positions, (B, features), are maps of one position.

    Args:
        network: the observed network, on the device of `images`, in the mode in which it is to be looked at.
        images: (P, ch, n, n), normalised.
        operations: numbers of operations of `network`.
        count: k, patches per channel, at most P.
        batch_size: images per forward pass; changes speed and memory, results only by rounding.
        progress: wraps the iterable of batches, for a progress bar.

    Raises:
        ValueError: `count` is not from 1 to P.
    """
    _check_count(count, len(images))

    def of_batch(batch: Tensor) -> dict[int, Patches]:
        here: dict[int, Patches] = {}

        def observe(operation: int, activation: Tensor) -> None:
            if operation in operations:
                here[operation] = _one_patch_per_image(activation, batch)

        network(images[batch], observe)
        return here

    found: dict[int, Patches] = {}
    for here in in_batches(of_batch, torch.arange(len(images), device=images.device), batch_size, progress=progress):
        for operation, patches in here.items():
            earlier = [found[operation]] if operation in found else []
            found[operation] = _strongest([*earlier, patches], count)
    return found


def _one_patch_per_image(activation: Tensor, index: Tensor) -> Patches:
    """The strongest position of every channel in each image of a batch (B, ch, h, w) or (B, ch), in the order of the images."""
    channels, width = activation.shape[1], activation.shape[-1] if activation.ndim == 4 else 1
    largest, place = activation.reshape(len(activation), channels, -1).max(dim=2)  # of equal ones the first
    position = torch.stack((place // width, place % width), dim=-1)
    return Patches(index.expand(channels, -1), position.transpose(0, 1), largest.T)


def _strongest(parts: list[Patches], count: int) -> Patches:
    """The strongest patches of several, of equal ones those of earlier parts."""
    activation = torch.cat([part.activation for part in parts], dim=1)
    activation, order = activation.sort(dim=1, descending=True, stable=True)
    order = order[:, :count]
    image = torch.cat([part.image for part in parts], dim=1).gather(1, order)
    position = torch.cat([part.position for part in parts], dim=1).gather(1, order[..., None].expand(-1, -1, 2))
    return Patches(image, position, activation[:, :count])


def random_patches(seed: int, images: int, count: int, map_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """`count` of `images` images in random order, no image twice, and in each a position uniform in a map of height and width.

    They are shared by all channels of an operation. Maps of other sizes get the same images and the same relative places.

    Returns:
        image: (count,), int64; the first ones stay as they are when `count` grows.
        position: row and column, (count, 2), int64.

    Raises:
        ValueError: `count` is not from 1 to `images`.
    """
    _check_count(count, images)
    order = uniform(seed, "patch image", torch.arange(images), 0, 1).flatten().argsort(stable=True)[:count]
    place = uniform(seed, "patch position", order, 0, 2)
    return order, (place * torch.tensor(map_size)).long()


def _check_count(count: int, images: int) -> None:
    if not 1 <= count <= images:
        raise ValueError(f"number of patches: {count} is not allowed; of {images} images it must be from 1 to {images}")
