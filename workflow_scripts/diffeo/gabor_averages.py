"""How well Gabor functions fit the filters of a first layer, averaged over its filters. Knows no torch.

The output channels of a first layer are independent samples. `gabor_excess` compares what is left unexplained with the null of
filters of the same spectrum; what a filter and its null have in common, through their spectrum, is counted in its error.
"""

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import Estimate, mean
from workflow_scripts.diffeo.variables import described, variable

MEANINGS = {
    "gabor_explained_variance": "share of the variance of first-layer filters that Gabor functions explain, mean over filters",
    "gabor_null_explained_variance": "the same for filters of the same spectrum and random signs",
    "gabor_excess": "log10 of the share left unexplained over that of the null, below 0 for filters like Gabor functions",
}


def gabor_averages(measured: xr.Dataset) -> dict[str, xr.Variable]:
    """Reduce the fits of one run.

    Args:
        measured: `gabor_explained_variance` (epoch, filter) and `gabor_null_explained_variance` (epoch, filter, draw), or
            neither, and `epoch`.

    Returns:
        `MEANINGS`, each with its `*_standard_error` over filters, (epoch,); all NaN without fits.
    """
    if "gabor_explained_variance" not in measured:
        estimates = dict.fromkeys(MEANINGS, nothing(measured.sizes["epoch"]))
    else:
        explained = samples(measured.gabor_explained_variance)
        null = samples(measured.gabor_null_explained_variance.mean("draw", skipna=False))
        excess = mean(1 - explained).over(mean(1 - null)).log10()
        estimates = dict(zip(MEANINGS, (mean(explained), mean(null), excess), strict=True))
    result = {}
    for name, estimate in estimates.items():
        result[name] = described(estimate.value, MEANINGS[name])
        result[f"{name}_standard_error"] = described(estimate.standard_error(), f"standard error of {name}")
    return result


def samples(values: xr.DataArray) -> xr.Variable:
    """Numbers (epoch, filter) with the filters as samples."""
    return xr.Variable(("epoch", "sample"), values.transpose("epoch", "filter").values)


def nothing(epochs: int) -> Estimate:
    """A statistic that is not known."""
    value = variable(("epoch",), np.full(epochs, np.nan), "")
    return Estimate(value, variable(("epoch", "sample"), np.full((epochs, 2), np.nan), ""))
