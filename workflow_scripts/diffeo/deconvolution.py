"""What of an image makes a neuron active: the deconvnet of Zeiler and Fergus, and numbers about its pictures.

A deconvnet takes a layer's map, all of it zero but one neuron's activation, back to pixels: convolutions by their transposed
filters, max-pooling by putting every value where the maximum was on the way up, ReLUs by a ReLU on the way down. That is
backpropagation with one change: a ReLU passes on the positive part of what comes down, wherever it was active on the way up. So
torch's own backward passes do the work: strides, residual sums, average and anti-aliased pooling by their transposes, batch-norm
in eval mode by its scale.

Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014; slide "Goal: understand which part
in the images make neurons activate in different layers".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from workflow_scripts.diffeo.activation_spectra import MAP_MEANS, NORMALISATIONS, map_spectra
from workflow_scripts.diffeo.batches import in_batches, number_that_fits
from workflow_scripts.diffeo.operations import ObservedNetwork, kind_of
from workflow_scripts.diffeo.patches import Patches
from workflow_scripts.diffeo.randomness import uniform
from workflow_scripts.diffeo.receptive_fields import Box

RECTIFIERS = (F.relu, torch.relu, Tensor.relu, F.hardtanh)  # hardtanh is what ReLU6 calls
LARGEST_BATCH = 64  # larger ones leave the caches of a CPU
COPIES = 3  # of every operation's output that are in memory at once: on the way up, where its maxima were, on the way down
CHANNEL_AVERAGED, KEPT = NORMALISATIONS.index("channel_averaged"), MAP_MEANS.index("kept")


class _Rectify(torch.autograd.Function):
    """A ReLU whose backward pass is a ReLU too, of what comes down."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rectify: Callable[[Tensor], Tensor]) -> Tensor:
        return rectify(maps)

    @staticmethod
    def backward(ctx: Any, *descending: Tensor) -> tuple[Tensor, None]:
        return descending[0].clamp(min=0), None


class _Deconvnet(TorchFunctionMode):
    """Inside this context the backward pass of networks is their deconvnet."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in RECTIFIERS:
            return _Rectify.apply(args[0], lambda maps: function(maps, *args[1:], **kwargs or {}))  # type: ignore[no-untyped-call]
        return function(*args, **kwargs or {})


def not_rectifiers(network: ObservedNetwork) -> list[str]:
    """Names of the layers that are activation functions other than ReLU and ReLU6, for which no deconvnet is defined."""
    return [
        name
        for name, module in network.module.named_modules()
        if kind_of(module) == "activation" and not isinstance(module, nn.ReLU | nn.ReLU6)
    ]


@torch.no_grad()
def rectified_maps(network: ObservedNetwork, image: Tensor) -> list[int]:
    """Numbers of the operations that are ReLUs of maps, which follow convolutions and residual sums.

    None if the network has other activation functions than ReLU and ReLU6: a deconvnet is not defined for it.

    Args:
        network: the observed network.
        image: (1, ch, n, n).
    """
    found: list[int] = []
    if not_rectifiers(network):
        return found

    def observe(index: int, activation: Tensor) -> None:
        if network.operations[index].kind == "activation" and activation.ndim == 4:
            found.append(index)

    network(image, observe)
    return found


def patches_per_batch(network: ObservedNetwork, image: Tensor, memory_mb: int) -> int:
    """How many patches, at most `LARGEST_BATCH`, fit in `memory_mb` MiB up and down the network; `image`: (1, ch, n, n)."""
    bytes_per_patch = COPIES * sum(network.activation_sizes(image)) * image.element_size()
    return number_that_fits(memory_mb, bytes_per_patch, LARGEST_BATCH)


def drawn_channels(strongest: Tensor, count: int, seed: int, operation: int) -> Tensor:
    """At most `count` channels, drawn at random of those that some image activates, in the order in which they were drawn.

    Args:
        strongest: largest activation of each channel over all images, (channel,).
        count: how many.
        seed: with the number of the operation it decides the order of the channels, whatever their activation.
        operation: number of the operation.
    """
    channels = torch.arange(len(strongest), device=strongest.device)
    order = uniform(seed, "deconvolution channel", channels, operation, 1).flatten().argsort(stable=True)
    return order[strongest[order] > 0][:count]


def deconvolve(
    network: ObservedNetwork,
    images: Tensor,
    operation: int,
    channels: Tensor,
    patches: Patches,
    *,
    batch_size: int,
) -> Tensor:
    """Project patches of some channels of one operation back to pixels.

    Args:
        network: the observed network, on the device of `images`, in eval mode.
        images: (P, ch, n, n), normalised.
        operation: its number.
        channels: the channels of `patches`, (C,), int64.
        patches: images and positions, (C, k) and (C, k, 2).
        batch_size: patches at once; changes speed and memory, results only by rounding.

    Returns:
        reconstructions (C, k, ch, n, n), linear in the activation that they start from; 0 where it is 0.

    Raises:
        ValueError: the network has other activation functions than ReLU and ReLU6.
    """
    other = not_rectifiers(network)
    if other:
        raise ValueError(f"layer {other[0]} is neither ReLU nor ReLU6: a deconvnet is defined for these only")
    image, (row, column) = patches.image.flatten(), patches.position.flatten(0, 1).T
    channel = channels.repeat_interleave(patches.image.shape[1])

    def of_batch(batch: Tensor) -> Tensor:
        pixels = images[image[batch]].requires_grad_()
        activation = _activation(network, pixels, operation)
        neuron = (torch.arange(len(batch), device=batch.device), channel[batch], row[batch], column[batch])
        maps = activation if activation.ndim == 4 else activation[..., None, None]
        alone = torch.zeros_like(maps).index_put(neuron, maps[neuron].detach())
        (reconstructions,) = torch.autograd.grad(maps, pixels, alone)
        return reconstructions

    parts = in_batches(of_batch, torch.arange(len(image), device=image.device), batch_size)
    return torch.cat(list(parts)).view(*patches.image.shape, *images.shape[1:])


def _activation(network: ObservedNetwork, pixels: Tensor, operation: int) -> Tensor:
    """One operation's output, from which the deconvnet goes down to `pixels`."""
    reached: dict[int, Tensor] = {}

    def observe(index: int, activation: Tensor) -> None:
        if index == operation:
            reached[index] = activation

    with _Deconvnet(), torch.enable_grad():
        network(pixels, observe)
    return reached[operation]


def seen_pixels(box: Box, position: Tensor, image_size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Pixels start <= (row, column) < stop that positions (..., 2) see, (..., 2) each, cut off at the edges of the image."""
    offset, jump, size, end = (position.new_tensor(pair) for pair in (box.offset, box.jump, box.size, image_size))
    start = offset + position * jump
    return start.clamp(min=0), torch.minimum(start + size, end)


@dataclass(frozen=True)
class PictureNumbers:
    """What one can say of pictures (..., ch, h, w) in numbers, (...) each, float64; NaN for a picture that is 0 everywhere.

    The energy of a pixel is its square, summed over colours.

    Attributes:
        share_inside: share of the energy in a box.
        extent: edge in pixels of the uniform square with the same mean squared distance of the energy from its centre.
        centroid: mean |k| of the Fourier spectrum of the energy over the Nyquist frequency.
        low_fraction: share of it at |k| below a quarter of the Nyquist frequency.
    """

    share_inside: Tensor
    extent: Tensor
    centroid: Tensor
    low_fraction: Tensor


def picture_numbers(pictures: Tensor, start: Tensor, stop: Tensor) -> PictureNumbers:
    """Numbers about pictures (..., ch, h, w) and the boxes start <= (row, column) < stop, (..., 2) each."""
    energy = pictures.double().square().sum(dim=-3)
    total = energy.sum(dim=(-2, -1))
    places = [torch.arange(size, device=energy.device) for size in energy.shape[-2:]]
    rows, columns = ((at >= start[..., axis, None]) & (at < stop[..., axis, None]) for axis, at in enumerate(places))
    inside = (energy * rows[..., :, None] * columns[..., None, :]).sum(dim=(-2, -1))
    variance = [_variance(energy.sum(dim=other), at.double()) for other, at in zip((-1, -2), places, strict=True)]
    spectra = map_spectra(pictures.flatten(0, -4))
    shape = total.shape
    return PictureNumbers(
        share_inside=inside / total,
        extent=(6 * (variance[0] + variance[1]) + 1).sqrt(),
        centroid=spectra.centroid[CHANNEL_AVERAGED, KEPT].view(shape),
        low_fraction=spectra.low_fraction[CHANNEL_AVERAGED, KEPT].view(shape),
    )


def _variance(weight: Tensor, place: Tensor) -> Tensor:
    """Variance of places (n,) under weights (..., n)."""
    share = weight / weight.sum(dim=-1, keepdim=True)
    mean = share @ place
    return (share * (place - mean[..., None]).square()).sum(dim=-1)
