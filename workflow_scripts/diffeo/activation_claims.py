"""The claims on the spectra of activations: what training does to them, and what single operations do. Knows no torch.

Every quantity is a base-10 logarithm of a ratio of mean |k|, of the power averaged over channels. The claims look at maps without
their means: a ReLU adds a constant to every map, which would lower its mean |k| without any change of what varies (a row of its
own says so). Errors are those of paired images and of several seeds (`activation_averages.py`, `run_averages.py`).
A change with training counts from 10 % on, as that of filters does; a single operation is asked for its direction only, because a
network has many of them in a row.
"""

import math
from collections.abc import Mapping
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.activation_averages import RESOLVED
from workflow_scripts.diffeo.claims import MECHANISM, TENTH, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import average_over_runs, trained
from workflow_scripts.diffeo.stability_claims import ACHIEVED, networks


def of_trained(name: str, undefined: str, map_mean: str = "removed") -> EvidenceMaker:
    """Evidence from one of the means over layers in `results/activation_spectra.nc`, of all but the simple networks, trained.

    Args:
        name: of the mean.
        undefined: why a network has none.
        map_mean: whether k = 0 is `kept` or `removed`.
    """

    def evidence(spectra: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = trained(spectra.sel(normalisation="channel_averaged", map_mean=map_mean))
        found = average_over_runs(chosen[name], chosen[f"{name}_standard_error"])
        missing = "no trained network was measured"
        return [row(group, found.get(group), missing, undefined) for group in networks(usual_networks(spectra), simple=False)]

    return evidence


MAPS = f"with maps of {RESOLVED} pixels or more along an edge, of trained deep networks (not fully connected, not simple CNNs)"
STEP = "log10 (mean |k| after / before), mean over the {} " + MAPS
CHANGE = (
    f"log10 (mean |k| trained / at initialisation, of the same images) after a convolution, mean over the convolutions {MAPS}"
)
HYPOTHESIS = "Hypothesis: nets become relatively stable by making filters low-pass with training."
OTHERS = "Filters actually learn to pool but other operations (e.g. ReLU) still make the spectrum more high freq.?"
CHANGED = of_trained("convolution_change", "its initialisation was not measured, or it has no convolution with such maps")
NO_ACTIVATION = "it has no activation function after an operation with such maps"

ACTIVATION_CLAIMS = (
    Claim(
        "activations_low_frequency",
        "If hyp. is true, the activations power spectrum should become more low-frequency after training "
        "(the mean frequency falls by 10 %).",
        MECHANISM,
        HYPOTHESIS,
        CHANGE,
        (-math.inf, -TENTH),
        "activation_spectra",
        CHANGED,
    ),
    Claim(
        "activations_contradict",
        "Activations power spectrum seems to contradict hyp. (the mean frequency does not fall by 10 %).",
        MECHANISM,
        ACHIEVED,
        f"{CHANGE}; the row above from the other side",
        (-TENTH, math.inf),
        "activation_spectra",
        CHANGED,
    ),
    Claim(
        "convolutions_low_pass",
        "Training makes filters low-pass, as activations see it (a convolution lowers the mean frequency of what it reads, by "
        "10 % more than at initialisation).",
        MECHANISM,
        HYPOTHESIS,
        "log10 (mean |k| after / before a convolution), trained minus at initialisation, mean over the convolutions that keep "
        f"the size of maps, {MAPS}; those that begin the second branch of a residual block are left out",
        (-math.inf, -TENTH),
        "activation_spectra",
        of_trained(
            "convolution_step_change", "its initialisation was not measured, or no convolution of it keeps the size of maps"
        ),
    ),
    Claim(
        "activations_raise_frequency",
        "Other operations (e.g. ReLU) still make the spectrum more high freq. (activations raise the mean frequency).",
        MECHANISM,
        OTHERS,
        STEP.format("activation functions"),
        (0, math.inf),
        "activation_spectra",
        of_trained("activation_step", NO_ACTIVATION),
    ),
    Claim(
        "activations_raise_frequency_with_mean",
        "The same with the mean of each map, to which a ReLU adds (for comparison with the row above).",
        MECHANISM,
        OTHERS,
        f"{STEP.format('activation functions')}; the mean of a map counts as k = 0",
        (0, math.inf),
        "activation_spectra",
        of_trained("activation_step", NO_ACTIVATION, "kept"),
    ),
    Claim(
        "batch_norms_raise_frequency",
        "Other operations: a batch norm raises the mean frequency (it changes the weights of channels, not their spectra).",
        MECHANISM,
        OTHERS,
        STEP.format("batch norms"),
        (0, math.inf),
        "activation_spectra",
        of_trained("batch_norm_step", "it has no batch norm after a convolution with such maps"),
    ),
)
