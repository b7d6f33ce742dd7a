"""The claims on filters: training makes them low-pass, and large ones Gabor functions. Knows no torch.

Every quantity is a base-10 logarithm; those on low-pass filters are its mean over a network's convolutions (kernels of 2 × 2
pixels or more). Layers have filters of their own, so that their errors are independent.
"""

import math
from collections.abc import Mapping
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.claims import HALF, MECHANISM, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, trained
from workflow_scripts.diffeo.stability_claims import networks

LARGE = 9  # edge in pixels of filters as in the slide on Gabor filters
GROWTH = math.log10(1.1)  # the least change that counts


def layer_means(checkpoints: xr.Dataset, name: str) -> Groups:
    """Mean over layers of `name` (checkpoint, layer) for each (data set, network); layers that others have are NaN, left out."""
    values, errors = checkpoints[name], checkpoints[f"{name}_standard_error"]
    known = values.notnull()
    error = (errors.where(known) ** 2).sum("layer", min_count=1) ** 0.5 / known.sum("layer").clip(min=1)
    return average_over_runs(values.mean("layer"), error)


def change_of_filters(name: str) -> EvidenceMaker:
    """Mean over layers of one of the logarithms in `results/filter_spectra.nc`, of all but the simple networks, trained."""

    def evidence(spectra: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        deep = usual_networks(spectra)
        found = layer_means(trained(deep), name)
        undefined = "the filters have no coefficient left that can be compared"
        return [row(group, found.get(group), "no trained run was measured", undefined) for group in networks(deep, simple=False)]

    return evidence


def gabor_functions(spectra: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """What Gabor functions leave unexplained relative to the null, in trained networks whose first filters are large."""
    large = (spectra.kernel_size.where(spectra.relative_depth == 0) >= LARGE).any("layer")
    chosen = spectra.isel(checkpoint=large.values)
    last = trained(chosen)
    found = average_over_runs(last.gabor_excess, last.gabor_excess_standard_error)
    undefined = "a filter is constant, or there is one filter only"
    return [row(group, found.get(group), "no trained run was measured", undefined) for group in networks(chosen)]


OF_LAYERS = "mean over the convolutions of trained deep networks (all but fully connected networks and simple CNNs)"
FILTER_CLAIMS = (
    Claim(
        "filters_low_pass",
        "Weights become low-pass with training (c_t/c_0 is larger at the lowest eigenvalue than at the highest, by 10 %).",
        MECHANISM,
        "Weights become low-pass with training",
        f"log10 of c_t/c_0 at the lowest over that at the highest eigenvalue of the grid Laplacian, {OF_LAYERS}",
        (GROWTH, math.inf),
        "filter_spectra",
        change_of_filters("low_pass"),
    ),
    Claim(
        "filters_pool",
        "Filters actually learn to pool (their constant part grows relative to the mean of all modes, by 10 % at least).",
        MECHANISM,
        "Filters actually learn to pool!",
        f"log10 of c_t/c_0 at the lowest eigenvalue over that of the mean of all modes, {OF_LAYERS}",
        (GROWTH, math.inf),
        "filter_spectra",
        change_of_filters("pooling"),
    ),
    Claim(
        "filters_gabor",
        "A net trained with 9×9 filters gets to Gabor filters (Gabor functions leave at most half as much of its first layer's "
        "filters unexplained as of random filters of the same spectrum).",
        MECHANISM,
        "Simple models show a different phenomenology than SOTA nets",
        "log10 of the share of the variance of first-layer filters that the best Gabor function leaves unexplained over that "
        "for filters with the same squared coefficients on the grid Laplacian and random signs, trained networks with filters "
        "of 9 × 9 pixels or more",
        (-math.inf, HALF),
        "filter_spectra",
        gabor_functions,
        "no network with filters of 9 × 9 pixels or more was measured",
    ),
)
