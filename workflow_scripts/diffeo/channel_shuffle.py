"""Channel shuffling: every convolution reads its input channels in a random order.

What a network does over space it still does; what it does by combining the right channels is gone.

Source: slides "Diffeo stability can be achieved by: (1) spatial pooling (2) channel pooling".
"""

import copy

import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.batch_norm import batch_norm_layers, calibrate_batch_norm
from workflow_scripts.diffeo.randomness import derive_seed


def shuffled_convolutions(network: nn.Module, *, first_layer: bool = False) -> dict[str, nn.Conv2d]:
    """The convolutions that shuffling changes, by name, in the order of their definition.

    Those with several input channels; the first of a network, which reads the colours, only with `first_layer`. With groups the
    channels of each group are shuffled, in the same order in all; in depthwise convolutions a group is one channel: they stay.
    """
    found = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    chosen = list(found.items())[0 if first_layer else 1 :]
    return {name: convolution for name, convolution in chosen if convolution.weight.shape[1] > 1}


def channel_order(seed: int, permutation: int, layer: str, channels: int) -> Tensor:
    """Random order of the channels that a layer reads, (channels,), a function of (seed, permutation, layer, channels)."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "channel shuffle", permutation, layer))
    return torch.randperm(channels, generator=generator)


@torch.no_grad()
def shuffle_channels(network: nn.Module, seed: int, permutation: int, *, first_layer: bool = False) -> nn.Module:
    """A copy of a network in which every convolution reads its input channels in a random order, one for all its outputs."""
    shuffled = copy.deepcopy(network)
    for name, convolution in shuffled_convolutions(shuffled, first_layer=first_layer).items():
        weight = convolution.weight
        weight.copy_(weight[:, channel_order(seed, permutation, name, weight.shape[1]).to(weight.device)])
    return shuffled


def recalibrated(network: nn.Module, images: Tensor) -> nn.Module | None:
    """A copy with batch-norm statistics from clean images (P, ch, n, n); `None` if the network has none of its own.

    That is: it has no batch-norm, or its batch-norm takes the statistics of each batch as it is.
    """
    if not any(not layer.training for layer in batch_norm_layers(network)):
        return None
    copied = copy.deepcopy(network)
    calibrate_batch_norm(copied, images)
    return copied
