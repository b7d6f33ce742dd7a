"""Simple local models: one hidden layer that looks at patches, pooling, a linear read-out."""

import math
from collections import OrderedDict
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

POOLINGS: dict[str, type[nn.Module]] = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}
TRAINED = ("all", "readout")


class LocallyConnected2d(nn.Module):
    """A convolution of stride 1 with filters of its own at every position; maps (B, in, h, w) become (B, out, h, w).

    Zeros are padded as `padding="same"` of `torch.nn.Conv2d` does. Weights and biases start uniform within ±1/sqrt(fan-in), as
    those of `torch.nn.Conv2d` do.

    Attributes:
        weight: (h w, out, in filter_size²), positions row by row, the last dimension ordered like that of a convolution.
        bias: (out, h w).
    """

    def __init__(self, in_channels: int, out_channels: int, filter_size: int, size: tuple[int, int]) -> None:
        """For maps of `size` (h, w)."""
        super().__init__()
        before, after = (filter_size - 1) // 2, filter_size // 2
        self.shape, self.padding = (out_channels, *size), (before, after, before, after)
        self.patches = nn.Unfold(filter_size)  # a module, so that its output counts when memory is estimated
        positions, fan_in = math.prod(size), in_channels * filter_size**2
        bound = 1 / math.sqrt(fan_in)
        self.weight = nn.Parameter(torch.empty(positions, out_channels, fan_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_channels, positions).uniform_(-bound, bound))

    def forward(self, maps: Tensor) -> Tensor:
        """Weigh the patch around every position."""
        patches = self.patches(F.pad(maps, self.padding))
        weighed = torch.einsum("bip,poi->bop", patches, self.weight) + self.bias
        return weighed.reshape(-1, *self.shape)


def local_model(
    input_shape: tuple[int, int, int],
    classes: int,
    scale: Callable[[int], int],
    channels: int = 64,
    filter_size: int = 5,
    pool_size: int = 4,
    pooling: str = "max",
    locally_connected: bool = False,
    trained: str = "all",
) -> nn.Module:
    """Convolution (or locally connected layer) that keeps the size, ReLU, pooling, linear read-out.

    Args:
        input_shape: channels, height and width of an image.
        classes: number of logits.
        scale: number of hidden channels as a function of `channels`.
        channels: number h of hidden channels before scaling.
        filter_size: edge f_s of the filters in pixels.
        pool_size: edge p_s of the squares that are pooled; they do not overlap, and those at the end may be cut off.
        pooling: `average` or `max`.
        locally_connected: filters are not shared between positions.
        trained: `all`, or `readout` for a hidden layer that stays as it is initialised (its parameters take no gradient).

    Raises:
        ValueError: unknown `pooling` or `trained`; filters or pooled squares larger than the image.
    """
    for key, value, allowed in (("pooling", pooling, tuple(POOLINGS)), ("trained", trained, TRAINED)):
        if value not in allowed:
            raise ValueError(f"{key} {value!r} is not known; choose one of {', '.join(allowed)}")
    inputs, height, width = input_shape
    for key, edge in (("filter_size", filter_size), ("pool_size", pool_size)):
        if edge > min(height, width):
            raise ValueError(
                f"{key} {edge} is not allowed for images of {height} x {width} pixels; it must not exceed their edge"
            )
    hidden = scale(channels)
    layer: nn.Module
    if locally_connected:
        layer = LocallyConnected2d(inputs, hidden, filter_size, (height, width))
    else:
        layer = nn.Conv2d(inputs, hidden, filter_size, padding="same")
    layer.requires_grad_(trained == "all")
    positions = math.ceil(height / pool_size) * math.ceil(width / pool_size)
    return nn.Sequential(
        OrderedDict(
            conv=layer,
            relu=nn.ReLU(),
            pool=POOLINGS[pooling](pool_size, ceil_mode=True),
            flatten=nn.Flatten(),
            linear=nn.Linear(hidden * positions, classes),
        )
    )
