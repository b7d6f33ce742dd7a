"""The claims on channels: what shuffling them leaves of the stability, and whether rotated neurons are coupled. Knows no torch.

Shuffled networks are those with batch-norm recalibrated, and R is that of the logits.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.claims import MECHANISM, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import Average, average_over_runs, initial, output, trained
from workflow_scripts.diffeo.shuffle_averages import RECALIBRATED
from workflow_scripts.diffeo.stability_claims import networks

Select = Callable[[xr.Dataset], xr.Dataset]
SAME = 0.1  # a factor of 1.26: the least change that counts
COUPLED = math.log10(1.1)
NOTHING_SHUFFLED = "no convolution has input channels to shuffle"
UNSTABLE = "R_f is not below 1: there is no stability to account for"
NO_PAIR = "no two convolutions follow each other whose filters can be compared and that share 8 channels"


def shuffled(name: str, select: Select, *, stable: bool = False) -> EvidenceMaker:
    """A logarithm of `results/channel_shuffle.nc` at the logits, of all but the simple networks, at initialisation or trained.

    With `stable`, of networks whose R is known to be below 1: others have no stability to account for.
    """

    def evidence(table: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        checkpoints = select(table).sel(variant=RECALIBRATED)
        values, errors = (output(checkpoints, part) for part in (name, f"{name}_standard_error"))
        anything = average_over_runs(values, errors)
        known = output(checkpoints, "spatial_share").notnull()
        found = average_over_runs(values.where(known), errors) if stable else anything
        missing = f"no {select.__name__} network was measured"
        return [
            row(group, found.get(group), missing, UNSTABLE if is_finite(anything.get(group)) else NOTHING_SHUFFLED)
            for group in networks(usual_networks(table), simple=False)
        ]

    return evidence


def is_finite(average: Average | None) -> bool:
    """Whether there is an average and it is a number."""
    return average is not None and math.isfinite(average.value)


def coupled(transformation: str, select: Select) -> EvidenceMaker:
    """Effect of one kind of transformation in `results/channel_coupling.nc`, of all but the simple networks."""

    def evidence(table: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        checkpoints = select(table).sel(transformation=transformation)
        found = average_over_runs(checkpoints.effect, checkpoints.effect_standard_error)
        missing = f"no {select.__name__} network was measured"
        return [row(group, found.get(group), missing, NO_PAIR) for group in networks(usual_networks(table), simple=False)]

    return evidence


SPATIAL_OR_CHANNEL = "Diffeo stability can be achieved by: (1) spatial pooling (2) channel pooling"
HYPOTHESIS_2 = "Hypothesis 2"
CHANGE = (
    "log10 (R_f with the input channels of every convolution shuffled and batch-norm recalibrated / R_f), mean over permutations,"
)
EFFECT = (
    "log10((1 + ρ)/(1 − ρ)) of the partial correlation ρ, over pairs of channels of a convolution, between the likeness of their "
    "filters up to a {} and their coupling by the next convolution, minus the same of the null in which the next convolution "
    "reads the channels in a random order; mean over the pairs of convolutions"
)
DEEP = "(all but fully connected networks and simple CNNs)"

CHANNEL_CLAIMS = (
    Claim(
        "shuffle",
        "If stability was all about spatial pooling, nothing would change when the channels of a trained net are shuffled: "
        "nothing changes (R_f stays the same within 25 %).",
        MECHANISM,
        SPATIAL_OR_CHANNEL,
        f"{CHANGE} trained networks with R_f below 1 {DEEP}",
        (-SAME, SAME),
        "channel_shuffle",
        shuffled("change", trained, stable=True),
    ),
    Claim(
        "shuffle_initial",
        "At initialisation, where channels have no order to lose, nothing changes when they are shuffled (control of that).",
        MECHANISM,
        SPATIAL_OR_CHANNEL,
        f"{CHANGE} networks at initialisation {DEEP}",
        (-SAME, SAME),
        "channel_shuffle",
        shuffled("change", initial),
    ),
    Claim(
        "spatial_pooling",
        "Spatial pooling accounts for at least half of the stability (of log R_f); the rest is channel pooling.",
        MECHANISM,
        SPATIAL_OR_CHANNEL,
        "log10 (R_f with shuffled channels and batch-norm recalibrated / √R_f), mean over permutations, trained networks with "
        f"R_f below 1 {DEEP}; it is at most 0 where the shuffled network has at least half of log R_f",
        (-math.inf, 0.0),
        "channel_shuffle",
        shuffled("balance", trained, stable=True),
    ),
    Claim(
        "rotated_neurons",
        "Neurons in L2 couple neurons in L1 that do the same thing, up to a rotation (by an effect of 10 %).",
        MECHANISM,
        HYPOTHESIS_2,
        f"{EFFECT.format('rotation or reflection')} of trained networks {DEEP}",
        (COUPLED, math.inf),
        "channel_coupling",
        coupled("rotation", trained),
        NO_PAIR,
    ),
    Claim(
        "rotated_neurons_initial",
        "At initialisation they do not couple rotated neurons (control: no effect of 10 %).",
        MECHANISM,
        HYPOTHESIS_2,
        f"{EFFECT.format('rotation or reflection')} of networks at initialisation {DEEP}",
        (-COUPLED, COUPLED),
        "channel_coupling",
        coupled("rotation", initial),
        NO_PAIR,
    ),
    Claim(
        "shifted_neurons",
        "Neurons in L2 couple neurons in L1 that do the same thing, up to a translation (by an effect of 10 %).",
        MECHANISM,
        HYPOTHESIS_2,
        f"{EFFECT.format('translation by a pixel along each axis at most')} of trained networks {DEEP}",
        (COUPLED, math.inf),
        "channel_coupling",
        coupled("translation", trained),
        NO_PAIR,
    ),
)
