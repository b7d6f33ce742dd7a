"""Power spectra of maps against the whole Fourier plane, plane waves and closed forms."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.activation_spectra import (
    activation_spectra,
    images_per_batch,
    map_spectra,
    modes_per_bin,
    white_centroid,
)
from workflow_scripts.diffeo.operations import ObservedNetwork

AVERAGED, PER_CHANNEL = 0, 1
KEPT, REMOVED = 0, 1
SIZES = [(4, 4), (7, 7), (8, 8), (28, 28), (6, 9)]


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plane(height: int, width: int) -> np.ndarray:
    """|k| of each mode of the whole Fourier plane, mode by mode."""
    size = max(height, width)
    values = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            k_row = row if row <= height / 2 else row - height
            k_column = column if column <= width / 2 else column - width
            values[row, column] = math.hypot(k_row * size / height, k_column * size / width)
    return values


def wave(size: int, row: int, column: int, phase: float = 0.3) -> Tensor:
    places = torch.arange(size, dtype=torch.float64)
    return torch.cos(2 * math.pi * (row * places[:, None] + column * places) / size + phase)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_bins_against_the_whole_fourier_plane(height: int, width: int) -> None:
    maps = noise(3, 2, height, width)
    found = map_spectra(maps)
    power = np.abs(np.fft.fft2(maps.numpy(), norm="ortho")) ** 2
    wave_number = plane(height, width)
    bins = np.floor(wave_number + 0.5).astype(int)
    expected = np.stack([power[..., bins == b].sum(-1) for b in range(bins.max() + 1)], -1)  # (image, channel, bin)
    summed = expected.sum(1)
    np.testing.assert_allclose(found.power[AVERAGED, KEPT], summed / summed.sum(-1, keepdims=True), rtol=1e-12, atol=1e-15)
    each = expected / expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(found.power[PER_CHANNEL, KEPT], each.mean(1), rtol=1e-12, atol=1e-15)
    expected[..., 0] = 0
    summed = expected.sum(1)
    np.testing.assert_allclose(found.power[AVERAGED, REMOVED], summed / summed.sum(-1, keepdims=True), rtol=1e-12, atol=1e-15)
    relative = wave_number / (max(height, width) / 2)
    centroid = (power * relative).sum((2, 3)) / power.sum((2, 3))
    np.testing.assert_allclose(found.centroid[PER_CHANNEL, KEPT], centroid.mean(1), rtol=1e-12)
    moving = power.sum((2, 3)) - power[..., 0, 0]
    np.testing.assert_allclose(found.centroid[AVERAGED, REMOVED], (power * relative).sum((1, 2, 3)) / moving.sum(1), rtol=1e-12)
    low = (power * (relative < 0.25)).sum((1, 2, 3)) / power.sum((1, 2, 3))
    np.testing.assert_allclose(found.low_fraction[AVERAGED, KEPT], low, rtol=1e-12)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_number_of_modes_in_each_bin(height: int, width: int) -> None:
    counts = np.bincount(np.floor(plane(height, width) + 0.5).astype(int).ravel())
    assert modes_per_bin(height, width).tolist() == counts.tolist()
    assert modes_per_bin(height, width).sum() == height * width
    assert modes_per_bin(height, width)[0] == 1


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_parseval(height: int, width: int) -> None:
    maps = noise(4, 3, height, width) + 0.7
    found = map_spectra(maps)
    mean_square = maps.square().mean((1, 2, 3))
    assert found.mean_square.numpy() == pytest.approx(mean_square.numpy(), rel=1e-10)
    uniform = maps.mean((2, 3)).square().mean(1)
    assert (found.power[AVERAGED, KEPT, :, 0] * found.mean_square).numpy() == pytest.approx(uniform.numpy(), rel=1e-10)
    assert found.power.sum(-1).numpy() == pytest.approx(np.ones((2, 2, 4)), rel=1e-10)
    assert (found.power[:, REMOVED, :, 0] == 0).all()


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(("row", "column"), [(0, 1), (1, 0), (2, 0), (1, 2), (3, 3), (2, 3)])
def test_a_plane_wave_lands_in_its_bin_for_all_signs(size: int, row: int, column: int) -> None:
    waves = torch.stack([wave(size, a, b) for a in (row, -row) for b in (column, -column)])[:, None]
    found = map_spectra(waves)
    length = math.hypot(row, column)
    assert found.power[..., round(length)].numpy() == pytest.approx(np.ones((2, 2, 4)), abs=1e-12)
    assert found.centroid.numpy() == pytest.approx(np.full((2, 2, 4), length / (size / 2)), abs=1e-12)


@pytest.mark.parametrize("size", [2, 3, 7, 16])
def test_an_impulse_has_the_spectrum_of_white_noise(size: int) -> None:
    """All modes of a single pixel have the power 1/n²: shares are numbers of modes, and power per mode is flat."""
    maps = torch.zeros(1, 2, size, size, dtype=torch.float64)
    maps[0, 0, size // 2, 0] = 3
    maps[0, 1, 0, 1] = -1
    found, modes = map_spectra(maps), modes_per_bin(size, size).double()
    wave_number = plane(size, size)
    for normalisation in (AVERAGED, PER_CHANNEL):
        kept, removed = found.power[normalisation, :, 0]
        assert (kept / modes).numpy() == pytest.approx(np.full(len(modes), size**-2), rel=1e-12)
        assert (removed / modes)[1:].numpy() == pytest.approx(np.full(len(modes) - 1, 1 / (size**2 - 1)), rel=1e-12)
        centroids = found.centroid[normalisation, :, 0].numpy()
        assert centroids * (size / 2) == pytest.approx(wave_number.sum() / np.array([size**2, size**2 - 1]), rel=1e-12)
        assert centroids == pytest.approx(white_centroid(size, size).numpy(), rel=1e-12)
    assert found.mean_square.item() == pytest.approx((3**2 + 1) / 2 / size**2, rel=1e-12)


def test_centroid_of_white_noise_has_known_limits() -> None:
    assert white_centroid(2, 2).tolist() == pytest.approx([(2 + math.sqrt(2)) / 4, (2 + math.sqrt(2)) / 3], rel=1e-12)
    limit = (math.sqrt(2) + math.asinh(1)) / 3  # mean distance from the centre of the square [−1, 1]²
    assert white_centroid(1024, 1024).tolist() == pytest.approx([limit, limit], rel=1e-5)


def test_white_noise_is_flat_on_average() -> None:
    """Each mode of the Fourier plane has the same expected share; deviations are those of exponential powers."""
    size, images, channels = 12, 100, 8
    found, modes = map_spectra(noise(images, channels, size, size)), modes_per_bin(size, size).numpy()
    share = modes / size**2
    for normalisation in (AVERAGED, PER_CHANNEL):
        mean = found.power[normalisation, KEPT].mean(0).numpy()
        error = share * np.sqrt(2 / (modes * images * channels))  # modes k and −k are not independent
        assert (np.abs(mean - share) < 5 * error).all()


def test_wave_at_the_nyquist_frequency_is_at_one() -> None:
    found = map_spectra(wave(8, 4, 0, phase=0)[None, None])
    assert found.centroid[AVERAGED, REMOVED].item() == pytest.approx(1, abs=1e-12)
    assert found.power[AVERAGED, REMOVED, 0, 4].item() == pytest.approx(1, abs=1e-12)


def test_the_two_normalisations_weigh_channels_differently() -> None:
    """A strong slow channel and a weak fast one: 9 to 1 in power, or half and half."""
    maps = torch.stack([3 * wave(16, 1, 0), wave(16, 6, 0)])[None]
    found = map_spectra(maps)
    assert found.centroid[AVERAGED, REMOVED].item() == pytest.approx((0.9 * 1 + 0.1 * 6) / 8, abs=1e-12)
    assert found.centroid[PER_CHANNEL, REMOVED].item() == pytest.approx((0.5 * 1 + 0.5 * 6) / 8, abs=1e-12)
    assert found.low_fraction[:, REMOVED, 0].tolist() == pytest.approx([0.9, 0.5], abs=1e-12)


def test_an_affine_map_of_each_channel_leaves_the_spectrum_without_the_mean() -> None:
    maps = noise(2, 5, 9, 9)
    moved = maps * noise(5, 1, 1, seed=1) + noise(5, 1, 1, seed=2)
    before, after = map_spectra(maps), map_spectra(moved)
    torch.testing.assert_close(after.power[PER_CHANNEL, REMOVED], before.power[PER_CHANNEL, REMOVED], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dead_and_constant_channels_are_left_out_and_counted(dtype: torch.dtype) -> None:
    maps = torch.stack([wave(7, 1, 0), torch.zeros(7, 7), torch.full((7, 7), 1 / 3), wave(7, 2, 0)])[None].to(dtype)
    found = map_spectra(maps)
    assert found.dead_fraction.flatten().tolist() == [0.25, 0.5]
    assert found.power[PER_CHANNEL, REMOVED, 0, :4].tolist() == pytest.approx([0, 0.5, 0.5, 0], abs=1e-6)
    assert found.power[PER_CHANNEL, KEPT, 0, :4].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0], abs=1e-6)


def test_an_image_without_power_has_no_spectrum() -> None:
    maps = torch.stack([torch.zeros(2, 6, 6), wave(6, 1, 0).expand(2, 6, 6)])
    found = map_spectra(maps)
    assert found.power[..., 0, :].isnan().all()
    assert found.centroid[..., 0].isnan().all()
    assert found.dead_fraction[:, 0].tolist() == [1, 1]
    assert found.power[..., 1, :].isfinite().all()
    assert found.mean_square.tolist() == pytest.approx([0, 0.5])


def test_a_small_fluctuation_on_a_large_mean_is_resolved_in_float32() -> None:
    found = map_spectra((1000 + 0.05 * wave(16, 3, 0))[None, None].float())
    assert found.centroid[AVERAGED, REMOVED].item() == pytest.approx(3 / 8, rel=1e-3)
    assert found.dead_fraction.flatten().tolist() == [0, 0]


@pytest.mark.parametrize(("size", "resolved"), [(8, False), (9, True)])
def test_small_maps_have_no_mode_below_a_quarter_of_the_nyquist_frequency(size: int, resolved: bool) -> None:
    low = map_spectra(noise(1, 1, size, size)).low_fraction
    assert low[:, REMOVED].isfinite().all().item() is resolved
    assert low[:, KEPT].isfinite().all()


# The pass over a network


class TwoConvolutions(nn.Module):
    """Convolution, ReLU, average pooling to one position, read-out; the convolution is a shift by one pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular", bias=False)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(1, 2)
        with torch.no_grad():
            self.convolution.weight.zero_()[0, 0, 0, 1] = 1

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.flatten(self.pool(self.relu(self.convolution(images)))))  # type: ignore[no-any-return]


def test_every_operation_with_maps_is_measured_in_one_pass() -> None:
    observed = ObservedNetwork(TwoConvolutions().eval())
    images = noise(10, 1, 8, 8).float()
    found = activation_spectra(observed, images, batch_size=4)
    assert [observed.operations[index].kind for index in found] == ["input", "convolution", "activation"]
    assert all(measured.shape == (1, 8, 8) for measured in found.values())
    torch.testing.assert_close(found[1].power, found[0].power)  # a shift changes phases only
    torch.testing.assert_close(found[2].power, map_spectra(images.clamp(min=0)).power.float(), rtol=1e-5, atol=1e-6)
    assert found[0].power.shape == (2, 2, 10, 7)
    assert found[0].centroid.shape == found[0].low_fraction.shape == (2, 2, 10)
    assert (found[0].dead_fraction.shape, found[0].mean_square.shape) == ((2, 10), (10,))


def test_batches_change_nothing() -> None:
    observed = ObservedNetwork(TwoConvolutions().eval())
    images = noise(7, 1, 8, 8).float()
    one, all_together = (activation_spectra(observed, images, batch_size=size) for size in (1, 7))
    for index, measured in one.items():
        for name in ("power", "centroid", "dead_fraction", "mean_square"):
            torch.testing.assert_close(getattr(measured, name), getattr(all_together[index], name), rtol=1e-5, atol=1e-6)


def test_the_memory_budget_sets_the_batch() -> None:
    observed = ObservedNetwork(TwoConvolutions().eval())
    image = torch.zeros(1, 1, 256, 256)
    assert images_per_batch(observed, image, 1) == 1
    assert images_per_batch(observed, image, 10) == 4  # 10 copies of 256 × 256 float32 are 2.5 MiB
    assert images_per_batch(observed, image, 10_000) == 64
