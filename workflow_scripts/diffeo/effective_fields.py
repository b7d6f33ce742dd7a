"""The effective receptive field: how much the pixels of real images matter to the central neurons of each convolution.

The field of an image is Σ_c (∂a_c/∂x(s))², the squared gradients of all channels c of the central position with respect to the
pixel s, summed over the colours. With random signs v_c it is the mean of (∂ Σ_c v_c a_c/∂x(s))² over signs, so that a few
gradients for each image and convolution do for all channels.

Source: slides "Neurons' receptive field"; Luo et al., NeurIPS 2016 (the effective receptive field).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.diffeo.batches import Progress, in_batches, number_that_fits
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.randomness import standard_normal

LARGEST_BATCH = 128


class EffectiveField(NamedTuple):
    """Squared gradients of the central neurons of one convolution, float64 on the CPU.

    Attributes:
        profile: (h, w), mean over the images.
        total: (P,), sum over the pixels for each image.
        peak: (P,), for each image, at the pixel where `profile` is largest.
    """

    profile: Tensor
    total: Tensor
    peak: Tensor


def central_position(maps: Tensor) -> tuple[int, int]:
    """Row and column of the neuron in the middle of maps (..., h, w); of an even number the later one."""
    return maps.shape[-2] // 2, maps.shape[-1] // 2


def effective_fields(
    network: ObservedNetwork,
    images: Tensor,
    *,
    seed: int,
    draws: int,
    batch_size: int,
    progress: Progress = iter,
) -> dict[int, EffectiveField]:
    """Effective receptive field of every convolution, by the operation's number.

    Args:
        network: the observed network, on the device of `images`, in the mode in which it is to be measured.
        images: (P, ch, h, w), normalised.
        seed: of the random signs, a function of it, the image's position, the draw and the operation.
        draws: sets of signs for each image.
        batch_size: images per forward pass; changes speed and memory, results only by rounding.
        progress: wraps the iterable of batches, for a progress bar.
    """

    def of_batch(batch: Tensor) -> dict[int, Tensor]:
        here: dict[int, Tensor] = {}
        pixels = images[batch].detach().requires_grad_()
        for index, neurons in central_neurons(network, pixels).items():
            signs = random_signs(seed, index, batch, draws, neurons)
            (gradients,) = torch.autograd.grad(neurons, pixels, signs, retain_graph=True, is_grads_batched=True)
            here[index] = gradients.double().square().sum(dim=2).mean(dim=0).float()
        return here

    parts = list(in_batches(of_batch, torch.arange(len(images), device=images.device), batch_size, progress=progress))
    return {index: joined([part[index] for part in parts]) for index in parts[0]}


def random_signs(seed: int, operation: int, image_index: Tensor, draws: int, neurons: Tensor) -> Tensor:
    """Signs (draws, B, channels) for activations (B, channels) of the images with these positions (B,)."""
    numbers = torch.arange(draws, device=image_index.device).repeat_interleave(len(neurons))
    drawn = standard_normal(seed, f"effective field/{operation}", image_index.repeat(draws), numbers, neurons.shape[1]).sign()
    return drawn.reshape(draws, *neurons.shape).to(neurons.dtype)


def central_neurons(network: ObservedNetwork, images: Tensor) -> dict[int, Tensor]:
    """Activations (B, channels) of the central position of every convolution, with their graph."""
    neurons: dict[int, Tensor] = {}

    def observe(index: int, activation: Tensor) -> None:
        if network.operations[index].kind == "convolution":
            row, column = central_position(activation)
            neurons[index] = activation[:, :, row, column]

    network(images, observe)
    return neurons


def joined(parts: list[Tensor]) -> EffectiveField:
    """Fields (B, h, w) of consecutive images as one."""
    fields = torch.cat(parts).cpu().flatten(1)
    profile = fields.mean(dim=0, dtype=torch.float64)
    peak = fields[:, int(profile.argmax())].double()
    return EffectiveField(profile.reshape(parts[0].shape[1:]), fields.sum(dim=1, dtype=torch.float64), peak)


def strongest_maps(network: ObservedNetwork, image: Tensor) -> dict[int, Tensor]:
    """Map (h, w) of each convolution on one image (1, ch, h, w): of the channel most active at the central position."""
    found: dict[int, Tensor] = {}

    def observe(index: int, activation: Tensor) -> None:
        if network.operations[index].kind == "convolution":
            row, column = central_position(activation)
            found[index] = activation[0, int(activation[0, :, row, column].argmax())].cpu()

    with torch.no_grad():
        network(image, observe)
    return found


def images_per_batch(network: ObservedNetwork, image: Tensor, draws: int, memory_mb: int) -> int:
    """How many images, at most `LARGEST_BATCH`, fit in `memory_mb` MiB: all activations, twice, and gradients of the largest."""
    sizes = network.activation_sizes(image)
    kept = 2 * sum(sizes) + 3 * draws * max(sizes)
    return number_that_fits(memory_mb, kept * image.element_size(), LARGEST_BATCH)
