"""Anti-aliased pooling: sizes, constants, frequency response, and a slow implementation from the definition."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, maximum_filter
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from workflow_scripts.diffeo.blur_pool import BlurPool, BlurredMaxPool, antialias_block, reflect_border

SIZES = [(1, 1), (1, 4), (2, 2), (3, 2), (4, 4), (7, 7), (28, 28), (9, 12)]
BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16


def maps_of(size: tuple[int, int], count: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def blur_by_hand(maps: Tensor) -> Tensor:
    """The binomial filter with reflection about the border pixels (`mirror` of scipy), then every other pixel."""
    blurred = [[convolve(channel.numpy(), BINOMIAL, mode="mirror") for channel in image] for image in maps]
    return torch.from_numpy(np.array(blurred)[..., ::2, ::2])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pool", [BlurPool(), BlurredMaxPool()])
def test_sizes_are_halved_and_rounded_up_like_those_of_max_pooling(size: tuple[int, int], pool: nn.Module) -> None:
    maps = maps_of(size)
    assert pool(maps).shape == nn.MaxPool2d(2, ceil_mode=True)(maps).shape


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pool", [BlurPool(), BlurredMaxPool()])
def test_constant_maps_pass_unchanged(size: tuple[int, int], pool: nn.Module) -> None:
    assert torch.equal(pool(torch.full((1, 2, *size), -0.7)), torch.full((1, 2, *((edge + 1) // 2 for edge in size)), -0.7))


@pytest.mark.parametrize("size", SIZES)
def test_blur_is_the_binomial_filter_with_reflection(size: tuple[int, int]) -> None:
    maps = maps_of(size)
    torch.testing.assert_close(BlurPool()(maps), blur_by_hand(maps), rtol=1e-13, atol=1e-13)


def test_reflection_does_not_repeat_the_border() -> None:
    row = torch.tensor([[1.0, 2.0, 3.0]])
    assert reflect_border(row).tolist() == [[2, 1, 2, 3, 2]] * 3
    assert torch.equal(reflect_border(maps_of((5, 4))), nn.functional.pad(maps_of((5, 4)), (1, 1, 1, 1), mode="reflect"))


@pytest.mark.parametrize("frequency", [(0.0, 0.0), (0.4, 0.0), (0.3, 1.1), (2.0, -0.7), (np.pi, 0.5), (np.pi, np.pi)])
def test_frequency_response_is_a_product_of_squared_cosines(frequency: tuple[float, float]) -> None:
    rows, columns = torch.meshgrid(torch.arange(21.0).double(), torch.arange(16.0).double(), indexing="ij")
    wave = torch.cos(frequency[0] * rows + frequency[1] * columns + 0.3)[None, None]
    response = np.cos(frequency[0] / 2) ** 2 * np.cos(frequency[1] / 2) ** 2
    inside = (..., slice(1, -1), slice(1, -1))
    expected = response * wave[..., ::2, ::2]
    torch.testing.assert_close(BlurPool()(wave)[inside], expected[inside], rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", SIZES)
def test_blurred_max_pooling_is_a_dense_maximum_and_a_blur(size: tuple[int, int]) -> None:
    maps = maps_of(size)
    dense = maximum_filter(maps.numpy(), size=(1, 1, 2, 2), origin=(0, 0, -1, -1), mode="constant", cval=-np.inf)
    height, width = (edge - 1 + edge % 2 for edge in size)  # of an even edge, the window over the end is left out
    expected = blur_by_hand(torch.from_numpy(dense[..., :height, :width]))
    torch.testing.assert_close(BlurredMaxPool()(maps), expected, rtol=1e-13, atol=1e-13)


def test_a_shift_by_one_pixel_changes_less_than_with_max_pooling() -> None:
    maps = maps_of((64, 64))
    shifted = maps.roll(1, dims=-1)

    def change(pool: nn.Module) -> float:
        found, expected = pool(maps)[..., 2:-2], pool(shifted)[..., 2:-2]
        return ((found - expected).square().mean() / found.var()).item()

    assert change(BlurredMaxPool()) < 0.5 * change(nn.MaxPool2d(2))


@pytest.mark.parametrize("kind", [BasicBlock, Bottleneck])
def test_an_antialiased_block_is_the_same_block_with_blurs_in_place_of_strides(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    out = 4 * kind.expansion
    shortcut = nn.Sequential(nn.Conv2d(6, out, 1, stride=2, bias=False), nn.BatchNorm2d(out))
    block = kind(6, 4, 2, shortcut).double().eval()
    maps = maps_of((7, 8), channels=6)

    def conv(inputs: Tensor, index: int) -> Tensor:
        weight = getattr(block, f"conv{index}").weight
        return nn.functional.conv2d(inputs, weight, padding=weight.shape[-1] // 2)

    with torch.no_grad():
        if kind is BasicBlock:
            path = block.bn2(conv(BlurPool()(block.bn1(conv(maps, 1)).relu()), 2))
        else:
            middle = block.bn2(conv(block.bn1(conv(maps, 1)).relu(), 2)).relu()
            path = block.bn3(conv(BlurPool()(middle), 3))
        around = shortcut[1](nn.functional.conv2d(BlurPool()(maps), shortcut[0].weight))
        antialias_block(block)
        found = block(maps)
    assert found.shape == (2, out, 4, 4)
    torch.testing.assert_close(found, (path + around).relu(), rtol=1e-10, atol=1e-10)
