"""The claims on simple local models: what the read-out alone learns, what the hidden layer, pooling and sharing add. No torch.

Models are compared that differ in one number of the configuration, on the same data set, with the same recipe and seed.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import HALF, MECHANISM, TENTH, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.configured_pairs import LABELS, labels, log10_ratios, of_logits
from workflow_scripts.diffeo.network_options import local_models
from workflow_scripts.diffeo.run_averages import Groups, at_strength, average_over_runs, trained
from workflow_scripts.diffeo.stability_claims import UNDEFINED, networks

LOCAL_SLIDE = "in progress: Can we understand how the invariance is learned in simple local models?"


def where(checkpoints: xr.Dataset, **labels: Any) -> xr.Dataset:
    """Checkpoints with these labels."""
    chosen = np.ones(checkpoints.sizes["checkpoint"], bool)
    for name, value in labels.items():
        chosen &= checkpoints[name].values == value
    return checkpoints.isel(checkpoint=np.flatnonzero(chosen))


def compared(first: dict[str, Any], second: dict[str, Any], but: Collection[str], missing: str) -> EvidenceMaker:
    """log10 R_f of the last checkpoints of local models with the labels `first` over that of their partners with `second`.

    Partners are the last checkpoints too unless `second` says which epoch; `missing` is what is said of a model without one.
    """

    def evidence(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        models = local_models(at_strength(summary, **settings))
        last = trained(models)
        these = where(last, **first)
        found = log10_ratios(these, where(models if "epoch" in second else last, **second), but, of_logits("R"))
        return [row(group, found.get(group), missing, UNDEFINED) for group in networks(these)]

    return evidence


def change_per_doubling(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """Change of log10 R_f when the edge of the pooled squares doubles, for trained models that are otherwise alike."""
    found = slopes(trained(local_models(at_strength(summary, **settings))), "pool_size")
    return [row(group, average, "", UNDEFINED) for group, average in found.items()]


def slopes(checkpoints: xr.Dataset, option: str) -> Groups:
    """Slope of log10 R_f against log2 of a number of the network, for each (data set, kind of model) with two values of it.

    Least squares over the models that agree in everything else, the seed included; their errors are taken as independent.
    """
    values, errors = of_logits("R")(checkpoints)
    keys = labels(checkpoints, [name for name in LABELS if name not in ("network", option)])
    found = []
    for key in dict.fromkeys(keys):
        members = np.array([row for row, other in enumerate(keys) if other == key])
        steps = np.log2(checkpoints[option].values[members])
        if np.ptp(steps) > 0:
            weights = (steps - steps.mean()) / ((steps - steps.mean()) ** 2).sum()
            slope, error = weights @ values.values[members], math.hypot(*(weights * errors.values[members]))
            found.append((key[0], described_kind(checkpoints, members[0], option), slope, error))
    names = {name: ("checkpoint", [part[place] for part in found]) for place, name in enumerate(("dataset", "network"))}
    numbers = np.array([part[2:] for part in found], float).reshape(-1, 2).T
    values, errors = (xr.DataArray(column, coords=names, dims="checkpoint") for column in numbers)
    return average_over_runs(values, errors)


def described_kind(checkpoints: xr.Dataset, row: int, option: str) -> str:
    """What a local model is, but for one of its numbers: `convolutional, whole net, h = 16, f_s = 5, max`."""
    model = checkpoints.isel(checkpoint=row)
    words = ["locally connected" if model.locally_connected else "convolutional", TRAINED_PART[str(model.trained.values)]]
    words += [f"{symbol} = {model[name]:g}" for name, symbol in SYMBOLS.items() if name != option]
    return ", ".join([*words, str(model.pooling.values)])


SYMBOLS = {"channels": "h", "filter_size": "f_s", "pool_size": "p_s"}
TRAINED_PART = {"all": "whole net", "readout": "read-out"}

LOCAL_MODEL_CLAIMS = (
    Claim(
        "readout",
        "If only the FC layer is trained, the net can still learn channel pooling: R_f falls (by a factor of 2 at least).",
        MECHANISM,
        LOCAL_SLIDE,
        "log10 (R_f trained / R_f of the same net at initialisation), local models of which the read-out alone is trained",
        (-math.inf, HALF),
        "summary",
        compared({"trained": "readout"}, {"trained": "readout", "epoch": 0}, ("epoch",), "its initialisation was not measured"),
        "no trained local model was measured",
    ),
    Claim(
        "whole_net",
        "If only the FC layer is trained, the net cannot learn spatial pooling: training the whole net lowers R_f further "
        "(by 10 % at least).",
        MECHANISM,
        LOCAL_SLIDE,
        "log10 (R_f of a local model trained as a whole / R_f of the same with the read-out alone trained), same h, f_s, p_s, "
        "data set, recipe and seed",
        (-math.inf, -TENTH),
        "summary",
        compared(
            {"trained": "all"}, {"trained": "readout"}, ("network", "trained"), "the same with the read-out alone is missing"
        ),
        "no trained local model was measured",
    ),
    Claim(
        "pool_size",
        "In simple local models, pooling gives relative stability (R_f falls by 10 % when the pooled squares' edge doubles).",
        MECHANISM,
        LOCAL_SLIDE,
        "Change of log10 R_f when p_s doubles: least-squares slope against log2 p_s of trained local models, otherwise alike",
        (-math.inf, -TENTH),
        "summary",
        change_per_doubling,
        "no local models were measured that differ in pool_size alone",
    ),
    Claim(
        "sharing",
        "Local models that share their filters between positions become more stable than those that do not (R_f lower by 10 %).",
        MECHANISM,
        LOCAL_SLIDE,
        "log10 (R_f of a convolutional model / R_f of the locally connected one), both trained as a whole, same h, f_s, p_s, "
        "data set, recipe and seed",
        (-math.inf, -TENTH),
        "summary",
        compared(
            {"trained": "all", "locally_connected": False},
            {"trained": "all", "locally_connected": True},
            ("network", "locally_connected"),
            "the same with filters of its own at every position is missing",
        ),
        "no trained local model was measured",
    ),
)
