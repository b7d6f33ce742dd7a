"""The claims on single operations: what a pooling does to R, and whether R falls at every step. Knows no torch.

The changes and their errors, which count that operations share the probe images, come with the summary (`depth_changes.py`).
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import MECHANISM, TENTH, Claim, Evidence, row
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import at_strength, average_over_runs, trained
from workflow_scripts.diffeo.stability_claims import ACHIEVED, UNDEFINED, networks


def pooling(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """Mean change of log10 R over a pooling, of trained VGGs as they are (without those that blur)."""
    chosen = at_strength(summary, **settings)
    of_vggs = chosen.isel(checkpoint=np.flatnonzero(chosen.architecture.str.startswith("vgg") & ~chosen.antialiased))
    last = trained(of_vggs)
    found = average_over_runs(last.pooling_step, last.pooling_step_standard_error)
    undefined = "R is not a positive number, or no operation inside the network was measured"
    return [row(group, found.get(group), "no trained network was measured", undefined) for group in networks(of_vggs)]


def monotone(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """Largest change of log10 R from one operation in sequence to any later one, of all trained networks but the simple ones.

    It is negative where R falls at every step. As the largest of many it lies above the true one by part of its error, which can
    only speak against the claim.
    """
    chosen = usual_networks(at_strength(summary, **settings))
    last = trained(chosen)
    found = average_over_runs(last.largest_rise, last.largest_rise_standard_error)
    missing = "no trained network was measured"
    return [row(group, found.get(group), missing, UNDEFINED) for group in networks(chosen, simple=False)]


OPERATION_CLAIMS = (
    Claim(
        "monotone",
        "R_f monotonically decreases with depth (after no operation is R 10 % above what it was after an earlier one).",
        MECHANISM,
        ACHIEVED,
        "Largest change of log10 R_k from one operation to any later one, input to logits, of trained networks (all but fully "
        "connected networks and simple CNNs; of residual networks the sum at the end of each block, poolings and logits); "
        "that R falls at all is another row",
        (-math.inf, TENTH),
        "summary",
        monotone,
    ),
    Claim(
        "pooling",
        "Pooling gives relative stability (R falls by 10 % over a pooling).",
        MECHANISM,
        ACHIEVED,
        "log10 (R after a pooling / R just before it), mean over the poolings of a trained VGG, "
        "without the global average at its end",
        (-math.inf, -TENTH),
        "summary",
        pooling,
    ),
)
