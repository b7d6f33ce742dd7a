"""The claims on the positive control: blurring before subsampling lowers D. Knows no torch.

A network is compared with the same without the blur: same data set, recipe, number of images and seed, both trained.
"""

import math
from collections.abc import Mapping
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.claims import MECHANISM, TENTH, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.configured_pairs import BLUR, Measure, log10_ratios, of_logits
from workflow_scripts.diffeo.depth_profiles import in_sequence
from workflow_scripts.diffeo.network_options import by_blur
from workflow_scripts.diffeo.run_averages import at_strength, log10_with_error, trained
from workflow_scripts.diffeo.stability_claims import ACHIEVED, networks


def of_layers(checkpoints: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over layers of log10 D, with its error: over the operations in sequence between input and logits.

    Operations share the probe images in an unknown way: the error is the largest that they allow, the mean of their errors.
    """
    counted = in_sequence(checkpoints.operation) & ~checkpoints.operation.isin(["input", "logits"])
    values, errors = log10_with_error(checkpoints.D.where(counted), checkpoints.D_standard_error.where(counted))
    return values.mean("layer"), errors.mean("layer")


def lowered(measure: Measure) -> EvidenceMaker:
    """What `measure` gives of networks that blur, less the same of their partners."""

    def evidence(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        blurred, plain = by_blur(trained(at_strength(summary, **settings)))
        found = log10_ratios(blurred, plain, BLUR, measure)
        undefined = "D is not a positive number, or no operation inside the network was measured"
        return [
            row(group, found.get(group), "the same network without the blur is missing", undefined) for group in networks(blurred)
        ]

    return evidence


PAIR = "log10 (D of a trained network with anti-aliased pooling or strides / D of the same without),"
NOTHING = "no trained network with antialiased: true was measured"

ANTIALIASING_CLAIMS = (
    Claim(
        "antialiased_output",
        "Positive control: blurring before subsampling makes the output stable (D of the logits falls by 10 %).",
        MECHANISM,
        ACHIEVED,
        f"{PAIR} of the logits; same data set, recipe and seed",
        (-math.inf, -TENTH),
        "summary",
        lowered(of_logits("D")),
        NOTHING,
    ),
    Claim(
        "antialiased_layers",
        "Positive control: blurring before subsampling makes the layers stable (D falls by 10 %, mean over operations).",
        MECHANISM,
        ACHIEVED,
        f"{PAIR} mean over the operations between input and logits (of residual networks the end of each block, and poolings); "
        "same data set, recipe and seed",
        (-math.inf, -TENTH),
        "summary",
        lowered(of_layers),
        NOTHING,
    ),
)
