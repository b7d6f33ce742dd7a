"""Anti-aliased pooling: maps are blurred before every other pixel is dropped (Zhang 2019).

The blur is the normalised binomial filter [1, 2, 1]/4 along each axis, with reflection at the border. A wave of frequency
(k, l), in radians a pixel, is multiplied by cos²(k/2) cos²(l/2): the fastest ones, which would be aliased, are gone.
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def reflect_border(maps: Tensor) -> Tensor:
    """Maps (..., h, w) with one more pixel on each side, (..., h + 2, w + 2); a map of one pixel is repeated."""
    maps = torch.cat((maps[..., :2][..., -1:], maps, maps[..., -2:][..., :1]), dim=-1)
    return torch.cat((maps[..., :2, :][..., -1:, :], maps, maps[..., -2:, :][..., :1, :]), dim=-2)


class BlurPool(nn.Module):
    """Blur, then keep pixels 0, 2, 4, ...: maps (B, ch, h, w) become (B, ch, ceil(h/2), ceil(w/2)).

    Two averages over 2 x 2 pixels, the second of stride 2, are the binomial filter and the subsampling.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Blur and subsample."""
        return F.avg_pool2d(F.avg_pool2d(reflect_border(maps), 2, stride=1), 2)


class BlurredMaxPool(nn.Module):
    """The largest of 2 x 2 pixels at stride 1, then `BlurPool`: (B, ch, h, w) become (B, ch, ceil(h/2), ceil(w/2)).

    Without the blur it would be max-pooling that rounds sizes up. As there, at the end of an odd edge the maximum is over what
    is there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blur_pool = BlurPool()

    def forward(self, maps: Tensor) -> Tensor:
        """Maximum, blur and subsample."""
        height, width = (maps.shape[-2] + 1) // 2 * 2, (maps.shape[-1] + 1) // 2 * 2  # rounded up to even
        maxima = F.max_pool2d(maps, 2, stride=1, padding=1)[..., 1:height, 1:width]
        blurred: Tensor = self.blur_pool(maxima)
        return blurred


def blur_before(convolution: nn.Conv2d) -> nn.Module:
    """Subsample by `BlurPool` in front of a convolution, whose own stride becomes 1."""
    convolution.stride = (1, 1)
    return nn.Sequential(OrderedDict(blur=BlurPool(), conv=convolution))


def antialias_block(block: nn.Module) -> None:
    """Make a residual block of torchvision with stride 2 subsample by `BlurPool`, as Zhang does, weights unchanged.

    The strided 3 x 3 convolution gets stride 1, and the next convolution, and that of the shortcut, a `BlurPool` before it.
    """
    strided, following = ("conv2", "conv3") if hasattr(block, "conv3") else ("conv1", "conv2")
    block.get_submodule(strided).stride = (1, 1)  # type: ignore[assignment]
    for parent, name in ((block, following), (block.get_submodule("downsample"), "0")):
        convolution = parent.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)
        setattr(parent, name, blur_before(convolution))
