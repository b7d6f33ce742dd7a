"""The claims on neurons: what linear transforms of their receptive field do to them. Knows no torch.

Every quantity is a base-10 logarithm. `results/local_transforms.nc` has a row for each checkpoint; norms are at the value that
is closest to 1, as on the slides.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.claims import HALF, LOCAL, QUARTER, TENTH, Claim, Evidence, EvidenceMaker, row
from workflow_scripts.diffeo.neuron_averages import OBJECT, closest_to_one
from workflow_scripts.diffeo.run_averages import Average, average_over_runs, log10_with_error, trained
from workflow_scripts.diffeo.stability_claims import networks

SOURCE = "local_transforms"
UNTRAINED = "no trained run was measured"
Numbers = tuple[xr.DataArray, xr.DataArray]


def change_of_alpha(name: str) -> EvidenceMaker:
    """`linear_change` or `relative_change` of trained runs that were measured at initialisation as well."""

    def evidence(table: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = trained(closest_to_one(table, "displacement"))
        found = average_over_runs(chosen[name], chosen[f"{name}_standard_error"])
        undefined = "the initialisation was not measured, or no activation changes under the transforms"
        return [row(group, found.get(group), UNTRAINED, undefined) for group in networks(table)]

    return evidence


def active(table: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
    """Mean over activations of the log10 of the fraction of random patches on which neurons are active, trained."""
    chosen = trained(table).sel(patch_choice="random")
    values, errors = log10_with_error(chosen.active_fraction, chosen.active_fraction_standard_error)
    counted = (chosen.operation == "activation") & values.notnull()
    error = (errors.where(counted) ** 2).sum("layer") ** 0.5 / counted.sum("layer").clip(min=1)
    found = average_over_runs(values.where(counted).mean("layer"), error)
    return [row(group, found.get(group), UNTRAINED, "no neuron is ever active") for group in networks(table)]


def of_fields(numbers: Callable[[xr.Dataset], Numbers]) -> EvidenceMaker:
    """A number of the receptive fields of a rotation, which is the same for all checkpoints of a network: the first one's."""

    def evidence(table: xr.Dataset, settings: Mapping[str, Any]) -> list[Evidence]:
        chosen = closest_to_one(table, "frobenius").sel(transform="rotation", weighting="profile")
        found = []
        for group in networks(table):
            here = (chosen.dataset == group[0]) & (chosen.network == group[1])
            checkpoint = chosen.isel(checkpoint=int(np.flatnonzero(here)[0]))
            known = np.flatnonzero(checkpoint.receptive_field.notnull())
            value, error = numbers(checkpoint.isel(layer=known))
            found.append(row(group, Average(value, error, 1), UNTRAINED, "there is no such displacement"))
        return found

    return evidence


def share_of_object(layers: xr.Dataset) -> Numbers:
    """log10 of the share of an object's displacement that is a translation, in the last layer."""
    last = layers.isel(layer=-1)
    return log10_with_error(last.object_translation_share, last.object_translation_share_standard_error)


def growth(layers: xr.Dataset) -> Numbers:
    """log10 of the mean displacement in the last layer over that in the first."""
    values, errors = log10_with_error(layers.mean_displacement, layers.mean_displacement_standard_error)
    return values.isel(layer=-1) - values.isel(layer=0), (errors.isel(layer=-1) ** 2 + errors.isel(layer=0) ** 2) ** 0.5


RECAP = "to recap:"
LINEAR = "compression, rotation and shear at equal rms displacement over the receptive field"
OF_ACTIVATIONS = "random patches, mean over the activations of a network"
NEURON_CLAIMS = (
    Claim(
        "linear_invariance",
        "Diffeo relative stability is achieved also by getting locally invariant to the other linear transformations, rotation, "
        "compression and pure shear (a question on the slide; α falls by 10 % with training).",
        LOCAL,
        RECAP,
        f"Change with training of log10 of α normalised, mean over {LINEAR}; {OF_ACTIVATIONS}",
        (-math.inf, -TENTH),
        SOURCE,
        change_of_alpha("linear_change"),
    ),
    Claim(
        "linear_as_translation",
        "Neurons get as invariant to the other linear transformations as to translations (within a factor of 1.25).",
        LOCAL,
        RECAP,
        f"Change with training of log10 of α normalised, mean over {LINEAR}, minus that of translation; {OF_ACTIVATIONS}",
        (-QUARTER, QUARTER),
        SOURCE,
        change_of_alpha("relative_change"),
    ),
    Claim(
        "inactive",
        "In many layers, most activations are zero (at most half are positive, averaged over layers).",
        LOCAL,
        "Linear transformations stability",
        f"log10 of the fraction of patches on which a neuron of a trained network is active, mean over neurons; {OF_ACTIVATIONS}",
        (-math.inf, HALF),
        SOURCE,
        active,
    ),
    Claim(
        "rotation_as_translation",
        f"A small rotation in a large receptive field looks like a translation (at least half of what it does to an object of "
        f"{OBJECT} x {OBJECT} pixels is one).",
        LOCAL,
        "Issue (?): small rotation in large receptive fields looks like a translation",
        f"log10 of the part of the mean square displacement of an object of {OBJECT} x {OBJECT} pixels that is a translation, "
        "under a rotation about the centre of the field; objects placed with the contribution profile of the last activation or "
        "convolution",
        (HALF, math.inf),
        SOURCE,
        of_fields(share_of_object),
    ),
    Claim(
        "displacement_grows",
        "The average norm of the displacement increases with the patch size for linear transformations (by 10 % at least).",
        LOCAL,
        "Issue (?): Average norm of the displacement increases with patch size for linear tr.",
        "log10 of the mean displacement, weighted with the contribution profile, under a rotation of one norm ‖U‖: in the last "
        "activation or convolution over the first",
        (TENTH, math.inf),
        SOURCE,
        of_fields(growth),
    ),
)
