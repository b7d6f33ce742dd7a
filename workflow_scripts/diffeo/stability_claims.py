"""The claims that the stability sweep decides: how R = D/G behaves with training and with depth. Knows no torch.

Every quantity is the base-10 logarithm of an R or of a ratio of two.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.claims import BACKGROUND, HALF, MECHANISM, Claim, Evidence, EvidenceMaker, difference, row
from workflow_scripts.diffeo.depth_profiles import SIMPLE
from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import at_strength, average_over_runs, initial, stability_of, trained

UNDEFINED = "R is not a positive number"


def networks(summary: xr.Dataset, *, simple: bool | None = None) -> list[tuple[str, str]]:
    """Pairs (data set, network) of the summary, sorted; only the simple ones, or only the others, where asked for."""
    names = zip(*(summary[name].values.tolist() for name in ("dataset", "network", "architecture")), strict=True)
    return sorted({(dataset, network) for dataset, network, kind in names if simple is None or (kind in SIMPLE) == simple})


def initial_stability(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """log10 R_f at initialisation, all networks but the simple local models."""
    chosen = usual_networks(at_strength(summary, **settings))
    found = stability_of(initial(chosen))
    return [row(group, found.get(group), "no initialisation was measured", UNDEFINED) for group in networks(chosen)]


def change_with_training(simple: bool) -> EvidenceMaker:
    """log10 (R_f trained / R_f at initialisation), of the simple networks or of the others."""

    def evidence(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = usual_networks(at_strength(summary, **settings))
        before, after = stability_of(initial(chosen)), stability_of(trained(chosen))
        groups = networks(chosen, simple=simple)
        missing = "no trained run, or no initialisation, was measured"
        return [row(group, difference(after.get(group), before.get(group)), missing, UNDEFINED) for group in groups]

    return evidence


def slope_with_depth(select: Callable[[xr.Dataset], xr.Dataset]) -> EvidenceMaker:
    """Slope of log10 R against relative depth of all but the simple networks, at initialisation or trained."""

    def evidence(summary: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = usual_networks(at_strength(summary, **settings))
        selected = select(chosen)
        found = average_over_runs(selected.depth_slope, selected.depth_slope_standard_error)
        missing = f"no {select.__name__} network was measured"
        return [row(group, found.get(group), missing, UNDEFINED) for group in networks(chosen, simple=False)]

    return evidence


PROBING, ACHIEVED = "Probing neural nets with diffeo", "What's the mechanism by which relative stability is achieved?"
CHANGE = "log10 (R_f trained / R_f at initialisation), each a geometric mean over seeds"
SLOPE = "Slope of log10 R_k against relative depth (0 at the input, 1 at the logits) over all operations k,"

STABILITY_CLAIMS = (
    Claim(
        "initial",
        "At initialisation R_f ≈ 1: networks are no more stable to diffeomorphisms than to noise.",
        BACKGROUND,
        PROBING,
        "log10 R_f at initialisation, all networks but the simple local models, geometric mean over seeds",
        (HALF, -HALF),
        "summary",
        initial_stability,
    ),
    Claim(
        "training",
        "Training makes deep networks stable: R_f falls (by a factor of 2 at least).",
        BACKGROUND,
        PROBING,
        f"{CHANGE}; all but fully connected networks and simple CNNs",
        (-math.inf, HALF),
        "summary",
        change_with_training(simple=False),
    ),
    Claim(
        "magnitude",
        "Training reduces R_f by one order of magnitude or two.",
        BACKGROUND,
        PROBING,
        f"{CHANGE}; all but fully connected networks and simple CNNs; −1 and −2 to the nearest integer",
        (-2.5, -0.5),
        "summary",
        change_with_training(simple=False),
    ),
    Claim(
        "exception",
        "By contrast, fully connected networks and simple CNNs do not become stable (R_f does not fall by a factor of 2).",
        BACKGROUND,
        PROBING,
        f"{CHANGE}; fully connected networks and simple CNNs",
        (HALF, math.inf),
        "summary",
        change_with_training(simple=True),
    ),
    Claim(
        "depth",
        "In trained deep networks R decreases with depth (by a factor of 2 at least, from the input to the logits).",
        MECHANISM,
        ACHIEVED,
        f"{SLOPE} trained, all but fully connected networks and simple CNNs",
        (-math.inf, HALF),
        "summary",
        slope_with_depth(trained),
    ),
    Claim(
        "depth_initial",
        "R decreases with depth at initialisation already (for comparison with the row above).",
        MECHANISM,
        ACHIEVED,
        f"{SLOPE} at initialisation, all but fully connected networks and simple CNNs",
        (-math.inf, HALF),
        "summary",
        slope_with_depth(initial),
    ),
)
