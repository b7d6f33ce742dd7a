"""Effective sizes of receptive fields, averaged over images, and what training does to them. Knows no torch.

Errors are those of the mean over images. All epochs of a run see the same images and signs, so that the error of a change is that
of the paired images.
"""

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import Estimate, at_initialisation, mean, over_layers
from workflow_scripts.diffeo.variables import described, variable

COORDINATES = {
    "layer_name": "name of the convolution inside the network; empty where a network has fewer",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
}
MEANING = {
    "field_size": ("effective size √(Σ profile / max profile) of the mean squared gradient of the central neurons", "pixel"),
    "field_share": ("log10 of the share of the image that a square of this size covers", "1"),
    "field_change": ("log10 of the effective size over that at initialisation", "1"),
    "field_growth": ("field_change, mean over all convolutions", "1"),
}


def effective_size(total: xr.DataArray, peak: xr.DataArray) -> Estimate:
    """√(mean total / mean peak) over `sample`: what the profile's sum is where its maximum is 1, as the edge of a square.

    The peak is where the mean over these images is largest, which makes the size of a noisy profile too small by a part of the
    peak's error.
    """
    return root(mean(total.variable.astype(float)).over(mean(peak.variable.astype(float))))


def root(estimate: Estimate) -> Estimate:
    """Square root of a positive number."""
    value = estimate.value**0.5
    return Estimate(value, estimate.influence / (2 * value))


def field_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Reduce a file of effective receptive fields to averages over images, with errors.

    Args:
        measured: a file of `measure_effective_receptive_fields` without the dims of its run.

    Returns:
        With dims (epoch, layer): `field_size` (pixels), `field_share` (log10 of the share of the image that it covers) and
        `field_change` (log10 of the ratio to epoch 0; NaN in runs without it), with dim (epoch,) `field_growth`, its mean over
        the convolutions, all with `*_standard_error`. `layer_name` and `relative_depth` are (layer,).
    """
    size = effective_size(measured.total, measured.peak)
    logarithm = size.log10()
    pixels = measured.sizes["row"] * measured.sizes["column"]
    change = logarithm.minus(at_initialisation(logarithm, measured.epoch.values))
    found = {
        "field_size": size,
        "field_share": Estimate(2 * logarithm.value - np.log10(pixels), 2 * logarithm.influence),
        "field_change": change,
        "field_growth": over_layers(change, np.ones(measured.sizes["layer"], bool)),
    }
    variables = {}
    for name, estimate in found.items():
        variables[name] = described(estimate.value, *MEANING[name])
        variables[f"{name}_standard_error"] = described(estimate.standard_error(), f"standard error of {name}", MEANING[name][1])
    for name, meaning in COORDINATES.items():
        variables[name] = variable(("layer",), measured[name].values, meaning)
    return xr.Dataset(variables, coords={name: measured[name].variable for name in ("epoch", "layer")})
