"""The claims on filters: training makes them low-pass. Knows no torch.

Every quantity is the mean over a network's convolutions (kernels of 2 × 2 pixels or more) of a base-10 logarithm. Layers have
filters of their own, so that their errors are independent.
"""

import math
from collections.abc import Mapping
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.claims import MECHANISM, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, trained
from workflow_scripts.diffeo.stability_claims import networks

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
)
