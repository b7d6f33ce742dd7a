"""The bootstrap over samples: the same resamples for every quantity, so that errors of ratios hold. Knows no torch.

In every array of resamples the first row belongs to the sample itself.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
CHUNK_BYTES = 100_000_000


def resample_indices(samples: int, resamples: int, seed: int) -> Integers:
    """Indices (1 + resamples, samples): first each sample once, then draws with replacement, a function of the seed."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, *b"bootstrap"]))
    return np.concatenate([np.arange(samples)[None], generator.integers(samples, size=(resamples, samples))])


def resampled_mean(values: Floats, indices: Integers) -> Floats:
    """Means (1 + resamples, ...) of `values` (..., sample)."""
    counts = np.zeros((len(indices), values.shape[-1]))
    np.add.at(counts, (np.arange(len(indices))[:, None], indices), 1)
    return np.moveaxis(values @ counts.T / values.shape[-1], -1, 0)


def resampled_median(values: Floats, indices: Integers) -> Floats:
    """Medians (1 + resamples, ...) of `values` (..., sample); as many resamples at once as memory allows."""
    chunk = max(1, CHUNK_BYTES // (values.itemsize * values[..., 0].size * indices.shape[1]))
    middle = [(indices.shape[1] - 1) // 2, indices.shape[1] // 2]
    medians = []
    for part in np.split(indices, range(chunk, len(indices), chunk)):
        drawn = np.take(values, part, axis=-1)
        drawn.sort(axis=-1)
        medians.append(drawn[..., middle].mean(axis=-1))
    return np.moveaxis(np.concatenate(medians, axis=-1), -1, 0)


def standard_error(values: Floats) -> Floats:
    """Standard deviation over the resamples of (1 + resamples, ...) that have a value; NaN where the sample itself has none."""
    drawn = values[1:]
    found = np.isfinite(drawn) & np.isfinite(values[0])
    with np.errstate(all="ignore"):
        number = found.sum(axis=0)
        average = np.where(found, drawn, 0).sum(axis=0) / number
        variance = np.where(found, (drawn - average) ** 2, 0).sum(axis=0) / (number - 1)
    return np.sqrt(np.where(number > 1, variance, np.nan))
