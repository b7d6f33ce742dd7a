"""Stability of neurons to transforms of what is inside their receptive field.

For neuron n (a channel at a position of a map) and a patch x of an image, α_n = ⟨[a_n(x) − a_n(τx)]²⟩ over patches and draws
of τ.

All channels of a position see the same box of pixels, so that one forward pass serves them all, and operations in sequence that
see the same box (a convolution, its batch-norm, its ReLU) as well. The pass needs no more than a crop of the image that holds
the box and starts at a multiple of the jump: strides and poolings then fall on the same pixels as in the whole image, and what
the crop's edge spoils is not seen by the neuron. Where a box reaches the edge of the image so does the crop, and the padding is
the true one. All crops of an operation have one size, so that patches, transforms and draws make one batch.

Source: slides "Linear transformations stability" and "What quantity should we look at?"; Goodfellow, Le, Saxe, Lee and Ng,
"Measuring invariances in deep networks", NIPS 2009 (firing rates).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.diffeo.affine import (
    TRANSFORMS,
    Region,
    affine_maps,
    amounts,
    random_angles,
    transformed_windows,
    windows,
)
from workflow_scripts.diffeo.batches import Progress, in_batches, number_that_fits
from workflow_scripts.diffeo.operations import ObservedNetwork, largest_output
from workflow_scripts.diffeo.patches import Patches
from workflow_scripts.diffeo.receptive_fields import Box, Pair, receptive_boxes

LARGEST_BATCH = 2**16  # crops: enough for any device
Strength = tuple[str, float]
"""A norm of `affine.NORMS` and its value."""


@dataclass(frozen=True)
class Site:
    """Operations with maps of one size whose positions see the same pixels.

    Attributes:
        box: what they see.
        map_size: rows and columns of their maps.
        image_size: rows and columns of the images.
        operations: their numbers, in order.
    """

    box: Box
    map_size: Pair
    image_size: Pair
    operations: tuple[int, ...]

    @property
    def crop_size(self) -> Pair:
        """Rows and columns of the crops from which every position can be computed."""
        rows, columns = map(crop_edge, self.box.size, self.box.jump, self.box.offset, self.image_size)
        return rows, columns

    def first_pixel(self, position: Tensor) -> Tensor:
        """First row and column that positions (B, 2) see, negative where the box sticks out of the image."""
        return position * position.new_tensor(self.box.jump) + position.new_tensor(self.box.offset)

    def crop_start(self, position: Tensor) -> Tensor:
        """First row and column of the crops for positions (B, 2)."""
        jump = position.new_tensor(self.box.jump).clamp(min=1)
        latest = position.new_tensor(self.image_size) - position.new_tensor(self.crop_size)
        return torch.minimum(self.first_pixel(position).clamp(min=0) // jump * jump, latest)

    def place_in_crop(self, position: Tensor) -> Tensor:
        """Where positions (B, 2) are in the maps of their crops."""
        return position - self.crop_start(position) // position.new_tensor(self.box.jump).clamp(min=1)

    def region(self, position: Tensor) -> Region:
        """The part of the image that positions (B, 2) see."""
        first = self.first_pixel(position)
        size, edge = (first.new_tensor(pair) for pair in (self.box.size, self.image_size))
        last = torch.minimum(first + size, edge) - 1
        return Region(first.clamp(min=0), last, first.double() + (size.double() - 1) / 2)


def crop_edge(size: int, jump: int, offset: int, edge: int) -> int:
    """Pixels along an axis of the crops for boxes of `size` at `offset + p · jump` in images of `edge` pixels."""
    if jump == 0:
        return edge
    needed = offset % jump + size  # from a multiple of the jump on
    return edge - jump * max(0, (edge - needed) // jump)  # the last crop must end with the image


def sites_of(observed: ObservedNetwork, image: Tensor) -> list[Site]:
    """The convolutions and activations with maps, those that see the same together, in the order of the first of each.

    Args:
        observed: a network in eval mode, all operations observed.
        image: one image (1, ch, n, n).
    """
    boxes = receptive_boxes(observed, (image.shape[1], image.shape[2], image.shape[3]))
    found: dict[tuple[Box, Pair], list[int]] = {}

    def observe(index: int, activation: Tensor) -> None:
        if observed.operations[index].kind in ("convolution", "activation") and activation.ndim == 4:
            found.setdefault((boxes[index], (activation.shape[2], activation.shape[3])), []).append(index)

    with torch.no_grad():
        observed(image, observe)
    edges = (image.shape[2], image.shape[3])
    return [Site(box, map_size, edges, tuple(members)) for (box, map_size), members in found.items()]


class NeuronResponses:
    """Activations of all channels of a site's operations at patches of images, from crops.

    Args:
        observed: the network in eval mode, on the device and in the type of the images.
        site: whose operations to run.
        images: (P, ch, n, n), normalised.
        memory_mb: what a batch may take, in MiB.
    """

    def __init__(self, observed: ObservedNetwork, site: Site, images: Tensor, memory_mb: int) -> None:
        self.site, self.images = site, images
        self._network = observed.up_to(site.operations)
        crop = images[:1, :, : site.crop_size[0], : site.crop_size[1]]
        numbers = 4 * largest_output(self._network, crop) + 2 * images[0].numel() + 16 * crop[0, 0].numel()
        self.batch_size = number_that_fits(memory_mb, images.element_size() * numbers, LARGEST_BATCH)

    @torch.no_grad()
    def unmoved(self, image: Tensor, position: Tensor) -> list[Tensor]:
        """a_n(x) of each operation, (U, channel), for U patches: images `image` (U,) at `position` (U, 2)."""
        start = self.site.crop_start(position)

        def of_batch(batch: Tensor) -> list[Tensor]:
            return self._at(windows(self.images[image[batch]], start[batch], self.site.crop_size), position[batch])

        parts = in_batches(of_batch, torch.arange(len(image), device=image.device), self.batch_size)
        return [torch.cat(part) for part in zip(*parts, strict=True)]

    @torch.no_grad()
    def moved(self, image: Tensor, position: Tensor, gradient: Tensor, translation: Tensor) -> list[Tensor]:
        """a_n(τx) of each operation, (U, T, channel), for maps U (U, T, 2, 2) and t (U, T, 2) of each patch."""
        images, start, region = self.images[image], self.site.crop_start(position), self.site.region(position)

        def of_maps(batch: Tensor) -> list[Tensor]:
            crops = transformed_windows(images, region, gradient[:, batch], translation[:, batch], start, self.site.crop_size)
            responses = self._at(crops.flatten(0, 1), position.repeat_interleave(crops.shape[1], dim=0))
            return [response.view(*crops.shape[:2], -1) for response in responses]

        ways = max(1, self.batch_size // len(image))
        smallest = 1 if len(image) == 1 else ways  # where memory does not suffice, first fewer patches
        parts = in_batches(of_maps, torch.arange(gradient.shape[1], device=image.device), ways, smallest=smallest)
        return [torch.cat(part, dim=1) for part in zip(*parts, strict=True)]

    def _at(self, crops: Tensor, position: Tensor) -> list[Tensor]:
        """Run crops (B, ch, *crop_size); return each operation (B, channel) at the positions."""
        activations = self._network(crops.contiguous(memory_format=torch.channels_last))
        row, column = self.site.place_in_crop(position).T
        every = torch.arange(len(crops), device=crops.device)
        return [activation[every, :, row, column] for activation in activations]


class PatchSet(NamedTuple):
    """Patches of a site, and which of them count for which neuron.

    Attributes:
        image: index of the image, (U,).
        position: row and column in the map, (U, 2).
        chosen: for each operation of the site whether a patch counts, (choice, U, channel), boolean; at least one does.
    """

    image: Tensor
    position: Tensor
    chosen: list[Tensor]


def shared_patches(image: Tensor, position: Tensor, channels: Sequence[int]) -> PatchSet:
    """Patches (U,), (U, 2) that count for all neurons; one choice. `channels`: number of channels of each operation."""
    everything = [torch.ones(1, len(image), count, dtype=torch.bool, device=image.device) for count in channels]
    return PatchSet(image, position, everything)


def union_of(patches: Sequence[Patches], map_size: Pair) -> PatchSet:
    """All patches of several operations' neurons, each once; two choices: the strongest of each neuron, and all of its."""
    places = map_size[0] * map_size[1]
    number = [(part.image * map_size[0] + part.position[..., 0]) * map_size[1] + part.position[..., 1] for part in patches]
    every, which = torch.unique(torch.cat(number), return_inverse=True)
    chosen = []
    for part in which.split([len(part) for part in number]):
        mask = torch.zeros(2, len(every), len(part), dtype=torch.bool, device=every.device)
        mask[0].scatter_(0, part[:, :1].T, True)
        mask[1].scatter_(0, part.T, True)
        chosen.append(mask)
    place = every % places
    return PatchSet(every // places, torch.stack((place // map_size[1], place % map_size[1]), dim=1), chosen)


class Firing(NamedTuple):
    """From which activation on a neuron fires: `threshold` (channel,), and how often it does then, `rate` (channel,)."""

    threshold: Tensor
    rate: Tensor


def firing_at(activation: Tensor, rate: float) -> Firing:
    """Thresholds above which neurons fire on a fraction `rate` of the patches, from activations (U, channel) there.

    Ties at the threshold do not fire: a neuron that is zero on nearly all patches fires more rarely, or never.
    """
    count = round(rate * len(activation))
    threshold = activation.sort(dim=0, descending=True).values[count]
    return Firing(threshold, (activation > threshold).double().mean(dim=0))


class NeuronStability(NamedTuple):
    """What transforms do to the neurons of one operation; V is transforms × strengths, draws are averaged first.

    Attributes:
        change: α_n, (choice, V, channel), float64.
        change_error: its standard error over patches; NaN for a single patch.
        local_firing_rate: fraction of transformed patches on which a neuron fires, over patches on which it fires untransformed,
            (choice, V, channel); NaN where there is none.
        patch_change: [a_n(x) − a_n(τx)]² averaged over all channels, (U, V).
    """

    change: Tensor
    change_error: Tensor
    local_firing_rate: Tensor
    patch_change: Tensor


def neuron_stability(
    responses: NeuronResponses,
    patches: PatchSet,
    unmoved: Sequence[Tensor],
    firing: Sequence[Firing],
    strengths: Sequence[Strength],
    *,
    draws: int,
    seed: int,
    progress: Progress = iter,
) -> list[NeuronStability]:
    """α and local firing rates of every neuron of a site's operations.

    Args:
        responses: runs the operations.
        patches: where, and for whom.
        unmoved: `responses.unmoved` of the patches.
        firing: of each operation.
        strengths: norm and value of every strength, for each of `affine.TRANSFORMS`; V counts transforms, then strengths.
        draws: directions of each transform and patch.
        seed: of the directions, which are a function of (seed, transform, image, position, draw).
        progress: wraps the iterable of batches, for a progress bar.

    Raises:
        ValueError: a rotation or a displacement that is not possible (`affine`).
    """
    sums = [_Sums(chosen, still, fires) for chosen, still, fires in zip(patches.chosen, unmoved, firing, strict=True)]
    maps_per_patch = len(TRANSFORMS) * len(strengths) * draws

    def of_batch(batch: Tensor) -> tuple[Tensor, list[Tensor]]:
        image, position = patches.image[batch], patches.position[batch]
        gradient, translation = random_maps(responses.site, image, position, strengths, draws, seed)
        return batch, responses.moved(image, position, gradient, translation)

    index = torch.arange(len(patches.image), device=patches.image.device)
    for batch, responded in in_batches(of_batch, index, max(1, responses.batch_size // maps_per_patch), progress=progress):
        for total, moved in zip(sums, responded, strict=True):
            total.add(batch, moved.view(len(batch), -1, draws, moved.shape[-1]))
    return [total.result() for total in sums]


def random_maps(
    site: Site, image: Tensor, position: Tensor, strengths: Sequence[Strength], draws: int, seed: int
) -> tuple[Tensor, Tensor]:
    """U (B, V · draws, 2, 2) and t (B, V · draws, 2) of every transform, strength and draw for patches (B,), (B, 2)."""
    region = site.region(position)
    index = (image * site.map_size[0] + position[:, 0]) * site.map_size[1] + position[:, 1]
    maps = []
    for transform in TRANSFORMS:
        angle = random_angles(transform, seed, index, draws)
        amount = torch.stack([amounts(transform, norm, value, region) for norm, value in strengths], dim=1)
        maps.append(affine_maps(transform, amount[:, :, None], angle[:, None]))
    gradients, translations = zip(*maps, strict=True)
    return torch.stack(gradients, dim=1).flatten(1, 3), torch.stack(translations, dim=1).flatten(1, 3)


class _Sums:
    """Sums over patches for the neurons of one operation."""

    def __init__(self, chosen: Tensor, unmoved: Tensor, firing: Firing) -> None:
        self.unmoved, self.firing = unmoved, firing
        self.weight = chosen.double()
        self.firing_weight = self.weight * (unmoved > firing.threshold)
        self.first = self.second = self.fired = self.weight.new_zeros(())
        self.patch_change: list[Tensor] = []

    def add(self, batch: Tensor, moved: Tensor) -> None:
        """Count the activations (B, V, draw, channel) of a batch of transformed patches."""
        still = self.unmoved[batch, None, None]
        change = (moved - still).double().square().mean(dim=2)
        fires = (moved > self.firing.threshold).double().mean(dim=2)
        weight = self.weight[:, batch]
        self.first = self.first + torch.einsum("wuc,uvc->wvc", weight, change)
        self.second = self.second + torch.einsum("wuc,uvc->wvc", weight, change.square())
        self.fired = self.fired + torch.einsum("wuc,uvc->wvc", self.firing_weight[:, batch], fires)
        self.patch_change.append(change.mean(dim=2))

    def result(self) -> NeuronStability:
        """Averages over the patches of each neuron."""
        count = self.weight.sum(dim=1)[:, None]
        mean = self.first / count
        variance = (self.second / count - mean.square()).clamp(min=0) / (count - 1)
        rate = self.fired / self.firing_weight.sum(dim=1)[:, None]
        return NeuronStability(mean, variance.sqrt(), rate, torch.cat(self.patch_change))


class Activity(NamedTuple):
    """How neurons respond to patches, (choice, channel): mean activation and fraction of patches where it is positive."""

    mean: Tensor
    active_fraction: Tensor


def activity(chosen: Tensor, unmoved: Tensor) -> Activity:
    """Response of the neurons of one operation, (U, channel), on the patches that count for each, (choice, U, channel)."""
    count = chosen.sum(dim=1)
    mean, active = (
        torch.einsum("wuc,uc->wc", chosen.double(), values.double()) / count for values in (unmoved, (unmoved > 0).double())
    )
    return Activity(mean, active)
