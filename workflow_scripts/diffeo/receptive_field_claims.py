"""The claims on receptive fields: neurons see patches; training changes what they look at. Knows no torch.

The deepest convolution decides whether every neuron sees a patch only. Its box has no error; that of an effective field is over
images.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import HALF, MECHANISM, Claim, Evidence, row
from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, trained
from workflow_scripts.diffeo.stability_claims import networks

GROWTH = math.log10(1.1)  # the least change that counts
SLIDE = "Neurons' receptive field"
MISSING = "no trained run was measured"
UNDEFINED = "the gradients of the neurons are zero"


def of_deepest(checkpoints: xr.Dataset, values: xr.DataArray) -> xr.DataArray:
    """Values (checkpoint, layer) at the last convolution of each network."""
    last = checkpoints.relative_depth.fillna(-1).argmax("layer")
    return values.isel(layer=last)


def rows_of(fields: xr.Dataset, found: Groups) -> list[Evidence]:
    """A row for each network on each data set."""
    return [row(group, found.get(group), MISSING, UNDEFINED) for group in networks(fields)]


def box_share(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of the share of the image inside the box of the deepest convolution's central neuron."""
    share = of_deepest(fields, fields.box_share)
    return rows_of(fields, average_over_runs(xr.apply_ufunc(np.log10, share), 0 * share))


def effective_share(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of the share of the image that the effective field of the deepest convolution covers, trained."""
    chosen = trained(fields)
    values, errors = (of_deepest(chosen, chosen[name]) for name in ("field_share", "field_share_standard_error"))
    return rows_of(fields, average_over_runs(values, errors))


def growth(fields: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 of the effective size over that at initialisation, mean over a trained network's convolutions."""
    chosen = trained(fields)
    return rows_of(fields, average_over_runs(chosen.field_growth, chosen.field_growth_standard_error))


RECEPTIVE_FIELD_CLAIMS = (
    Claim(
        "patch_box",
        "Each neuron is not looking at the whole image but only at a small patch, its receptive field "
        "(in the deepest layer all that can change a neuron is at most half of the image).",
        MECHANISM,
        SLIDE,
        "log10 of the share of the image inside the receptive field's box of the central neuron of the last convolution",
        (-math.inf, HALF),
        "receptive_fields",
        box_share,
    ),
    Claim(
        "patch_effective",
        "Each neuron is in effect looking at a small patch only "
        "(in the deepest layer the effective receptive field covers at most half of the image).",
        MECHANISM,
        SLIDE,
        "log10 of the share of the image that a square of the effective size covers, of the mean squared gradient of the central "
        "neurons of the last convolution of trained networks",
        (-math.inf, HALF),
        "receptive_fields",
        effective_share,
    ),
    Claim(
        "field_growth",
        "Training enlarges the effective receptive field (by 10 %; not of the slides: Luo et al., NeurIPS 2016).",
        MECHANISM,
        SLIDE,
        "log10 of the effective size of trained networks over that at their initialisation, mean over the convolutions",
        (GROWTH, math.inf),
        "receptive_fields",
        growth,
    ),
)
