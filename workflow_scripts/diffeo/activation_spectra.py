"""Power spectra of what every operation of a network makes of an image: |FFT|² of each channel's map, radial in |k|.

The Fourier transform of an n × n map is orthonormal, so that Σ_k |â(k)|² = Σ_s a(s)². Components of k are signed, in cycles per
map, from −n/2 to n/2. Bin b holds the modes with b − 1/2 <= |k| < b + 1/2: bin 0 is k = 0 alone, the map's mean; n/2 is the
Nyquist frequency; the corners of the Fourier plane reach n/√2. (For h × w maps: n = max(h, w) and k = n (k_r/h, k_c/w).)
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from workflow_scripts.diffeo.batches import Progress, in_batches, number_that_fits
from workflow_scripts.diffeo.operations import ObservedNetwork

NORMALISATIONS = ("channel_averaged", "per_channel")
MAP_MEANS = ("kept", "removed")
LOW = 0.25  # of the Nyquist frequency: power below counts as low-frequency
ROUNDING = 16  # fluctuations of a map within so many times the rounding of its values are none
LARGEST_BATCH = 64  # larger ones leave the caches of a CPU
COPIES = 10  # of the largest activation that are in memory at once: inputs, outputs, Fourier transforms


@dataclass(frozen=True)
class MapSpectra:
    """Spectra of one operation on P images.

    Their first two dims are those of `NORMALISATIONS` (the power averaged over channels, then normalised to 1; or that of each
    channel normalised to 1, then averaged over the channels that have any) and of `MAP_MEANS` (k = 0 is in bin 0; or left out).

    Attributes:
        shape: channels, height and width of the maps.
        power: share of the power in each bin of |k|, (2, 2, P, bins), sum 1; NaN for an image without power.
        centroid: mean |k| over the Nyquist frequency, (2, 2, P).
        low_fraction: share of the power at |k| below a quarter of the Nyquist frequency, (2, 2, P); NaN where no mode is there.
        dead_fraction: share of the channels without power, (2, P); the first dim is `MAP_MEANS`.
        mean_square: mean of a² over channels and positions, (P,).
    """

    shape: tuple[int, int, int]
    power: Tensor
    centroid: Tensor
    low_fraction: Tensor
    dead_fraction: Tensor
    mean_square: Tensor


@cache
def radial_bins(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Sort the modes of `torch.fft.rfft2` by |k|.

    Returns:
        wave_number: |k| of each mode in cycles per map, (height, width // 2 + 1), float64.
        multiplicity: how many modes of the whole Fourier plane each stands for (k and −k have the same power), the same shape.
    """
    size = max(height, width)
    rows = ((torch.arange(height) + height // 2) % height - height // 2).double() * size / height
    columns = torch.arange(width // 2 + 1).double() * size / width
    multiplicity = torch.full((height, len(columns)), 2.0, dtype=torch.float64)
    multiplicity[:, 0] = 1
    if width % 2 == 0:
        multiplicity[:, -1] = 1
    return torch.hypot(rows[:, None], columns), multiplicity


def bin_of(wave_number: Tensor) -> Tensor:
    """The bin of each |k|, int64: the nearest integer."""
    return (wave_number + 0.5).floor().long()


def modes_per_bin(height: int, width: int) -> Tensor:
    """Number of modes of the Fourier plane of a map in each bin of |k|, (bins,), int64; their sum is height × width."""
    wave_number, multiplicity = radial_bins(height, width)
    return torch.bincount(bin_of(wave_number).flatten(), multiplicity.flatten()).long()


def white_centroid(height: int, width: int) -> Tensor:
    """Centroid of a map whose modes all have the same power, as those of white noise on average: (2,) as `MAP_MEANS`, float64.

    It depends on the size of the map: 0.765 for a large square one, 1.14 for 2 × 2 pixels (mean left out).
    """
    wave_number, multiplicity = radial_bins(height, width)
    total = (wave_number * multiplicity).sum() / (max(height, width) / 2)
    return total / torch.tensor([height * width, height * width - 1])


@cache
def radial_sums(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Matrix (modes, bins + 2) that sums powers of the modes of `rfft2` except k = 0.

    The columns: each bin of |k|; |k| over the Nyquist frequency; 1 where |k| is below `LOW` of it.
    """
    wave_number, multiplicity = (values.flatten() for values in radial_bins(height, width))
    relative = wave_number / (max(height, width) / 2)
    sums = torch.cat(
        [
            torch.nn.functional.one_hot(bin_of(wave_number)).double(),
            relative[:, None],
            (relative < LOW)[:, None],
        ],
        dim=1,
    )
    sums *= multiplicity[:, None]
    sums[0] = 0
    return sums.to(dtype).to(device)


def map_spectra(maps: Tensor) -> MapSpectra:
    """Spectra of maps (P, ch, h, w) of one operation, in float64 from the Fourier transforms in the precision of the maps.

    Source: slides "What's the mechanism by which relative stability is achieved?", the power spectra of activations.
    """
    _, channels, height, width = maps.shape
    mean = maps.mean(dim=(2, 3), keepdim=True)
    power = torch.fft.rfft2(maps - mean, norm="ortho").abs().square()  # without the mean, whose rounding would show in it
    uniform = mean.double().square()[..., 0] * height * width  # the power at k = 0
    moving = (power.flatten(2) @ radial_sums(height, width, power.dtype, power.device)).double()
    sums = torch.stack([moving, moving])
    sums[0, ..., :1] += uniform
    sums[0, ..., -1:] += uniform
    total = sums[..., :-2].sum(dim=-1, keepdim=True)
    rounding = (ROUNDING * torch.finfo(maps.dtype).eps) ** 2
    alive = torch.stack([total[0] > 0, total[1] > rounding * total[0]])
    sums, total = sums * alive, total * alive
    shares = torch.stack([sums.sum(dim=2) / total.sum(dim=2), (sums / total.where(alive, 1.0)).sum(dim=2) / alive.sum(dim=2)])
    low_fraction = shares[..., -1].clone()
    if max(height, width) * LOW / 2 <= 1:
        low_fraction[:, 1] = torch.nan
    return MapSpectra(
        shape=(channels, height, width),
        power=shares[..., :-2],
        centroid=shares[..., -2],
        low_fraction=low_fraction,
        dead_fraction=1 - alive[..., 0].double().mean(dim=-1),
        mean_square=total[0, ..., 0].mean(dim=-1) / (height * width),
    )


@torch.no_grad()
def activation_spectra(
    network: ObservedNetwork,
    images: Tensor,
    *,
    batch_size: int,
    progress: Progress = iter,
) -> dict[int, MapSpectra]:
    """Spectra of every operation with maps of more than one position, by the operation's number, in one pass over the images.

    Args:
        network: the observed network, on the device of `images`, in the mode in which it is to be measured.
        images: (P, ch, n, n), normalised.
        batch_size: images per forward pass; changes speed and memory, results only by rounding.
        progress: wraps the iterable of batches, for a progress bar.
    """

    def of_batch(batch: Tensor) -> dict[int, MapSpectra]:
        here: dict[int, MapSpectra] = {}

        def observe(index: int, activation: Tensor) -> None:
            if activation.ndim == 4 and activation[0, 0].numel() > 1:
                here[index] = map_spectra(activation)

        network(batch, observe)
        return here

    parts = list(in_batches(of_batch, images, batch_size, progress=progress))
    return {index: joined([part[index] for part in parts]) for index in parts[0]}


def joined(parts: list[MapSpectra]) -> MapSpectra:
    """Spectra of one operation on consecutive images as one, float32 on the CPU."""

    def concatenated(name: str, dim: int) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts], dim).float().cpu()

    return MapSpectra(
        shape=parts[0].shape,
        power=concatenated("power", 2),
        **{name: concatenated(name, -1) for name in ("centroid", "low_fraction", "dead_fraction", "mean_square")},
    )


def images_per_batch(network: ObservedNetwork, image: Tensor, memory_mb: int) -> int:
    """How many images, at most `LARGEST_BATCH`, fit in `memory_mb` MiB with the Fourier transforms of their largest maps."""
    bytes_per_image = COPIES * network.largest_activation(image) * image.element_size()
    return number_that_fits(memory_mb, bytes_per_image, LARGEST_BATCH)
