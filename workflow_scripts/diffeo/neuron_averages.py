"""Averages of the neurons' stability to local transforms, for each layer and over the layers of a network. Knows no torch.

α of a layer is the mean over its neurons, normalised the ratio of two such means (neurons that never change count for nothing in
both). Random patches are shared by all neurons and layers: they are the independent samples of its error. The strongest patches
are each neuron's own: there neurons are the samples. Firing rates and active fractions have the scatter between neurons as error.
"""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import Estimate, mean
from workflow_scripts.diffeo.variables import described, variable

LINEAR = ("compression", "rotation", "shear")
OBJECT = 8  # pixels along an edge of the object whose displacement is compared with that of the field
COORDINATES = {
    "layer_name": "name of the operation inside the network; empty where a network has fewer",
    "operation": "kind of the operation; empty where a network has fewer",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
}
MEANING = {
    "alpha": "α, squared change of the activation under a transform inside the receptive field, mean over neurons",
    "alpha_normalised": "α over the mean squared difference of the activation between two random patches",
    "firing_invariance": "local over global firing rate, mean over neurons that fire",
    "active_fraction": "fraction of patches on which the activation is positive, mean over neurons",
    "firing_neurons": "fraction of neurons with a positive activation on any of the patches",
    "translation_share": "part of the mean square displacement, weighted with the profile, that is a translation of the field",
    "object_translation_share": f"the same of an object of {OBJECT} x {OBJECT} pixels in the field, of linear transforms",
    "mean_displacement": "mean displacement of the pixels that a neuron sees",
    "linear_alpha": "log10 of alpha_normalised of compression, rotation and shear on random patches, mean over activations",
    "translation_alpha": "log10 of alpha_normalised of translation on random patches, mean over activations",
    "linear_change": "linear_alpha minus that at initialisation, on the same patches",
    "translation_change": "translation_alpha minus that at initialisation, on the same patches",
    "relative_change": "linear_change minus translation_change",
}
UNITS = {"alpha": "squared activation", "mean_displacement": "pixel"}
Pair = tuple[xr.Variable, xr.Variable]


def neuron_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Reduce the file of one run.

    Args:
        measured: a file of `measure_local_transforms` without the dims of its run.

    Returns:
        The variables of `MEANING`, each with `*_standard_error`, by epoch, layer, patch_choice, transform, strength and weighting
        as far as they apply; `receptive_field` (layer), the geometric mean of its edges; `norm` and `amount` of each strength,
        and what the layers are.
    """
    of_random = {name: over_patches(measured, name) for name in ("alpha", "alpha_normalised")}
    found = {name: with_strongest(measured, name, estimate) for name, estimate in of_random.items()}
    rate = measured.global_firing_rate
    found["firing_invariance"] = over("channel", (measured.local_firing_rate / rate.where(rate > 0)).variable)
    active = measured.active_fraction.variable
    found["active_fraction"] = over("channel", active)
    found["firing_neurons"] = over("channel", (active > 0).where(active.notnull()))
    found |= {name: over("patch", measured[name].variable) for name in ("translation_share", "mean_displacement")}
    square = measured.mean_square_distance.sel(weighting="profile").variable
    found["object_translation_share"] = over("patch", square / (square + (OBJECT**2 - 1) / 6))
    found |= {name: with_error(estimate) for name, estimate in of_network(of_random["alpha_normalised"], measured).items()}
    return labelled(found, measured)


def over_patches(measured: xr.Dataset, name: str) -> Estimate:
    """`alpha` or `alpha_normalised` of random patches, which are the samples."""
    renamed = measured[["alpha_of_patch", "squared_deviation_of_patch"]].astype(float).rename(patch="sample")
    alpha = mean(renamed.alpha_of_patch.variable)
    samples = renamed.sizes["sample"]
    pairs = mean(2 * samples / (samples - 1) * renamed.squared_deviation_of_patch.variable)
    return alpha if name == "alpha" else alpha.over(where_positive(pairs))


def with_strongest(measured: xr.Dataset, name: str, of_random: Estimate) -> Pair:
    """The number for random patches, and for the other choices from the neurons, which are the samples; by patch_choice."""
    others = measured[["alpha", "pair_distance"]].astype(float).isel(patch_choice=slice(1, None)).rename(channel="sample")
    parts = []
    for layer in range(measured.sizes["layer"]):
        here = others.isel(layer=layer)
        here = here.isel(sample=np.flatnonzero(here.pair_distance.isel(epoch=0).notnull()))
        estimate = mean(here.alpha.variable)
        if name == "alpha_normalised":
            estimate = estimate.over(where_positive(mean(here.pair_distance.variable)))
        parts.append(with_error(estimate))
    found = []
    for random, strongest in zip(with_error(of_random), zip(*parts, strict=True), strict=True):
        by_choice = along("layer", strongest).transpose("patch_choice", *random.dims)
        found.append(xr.Variable(by_choice.dims, np.concatenate([random.values[None], by_choice.values])))
    return found[0], found[1]


def along(dim: str, parts: Sequence[xr.Variable]) -> xr.Variable:
    """Variables of the same dims along a new first one."""
    return xr.Variable((dim, *parts[0].dims), np.stack([part.values for part in parts]))


def of_network(normalised: Estimate, measured: xr.Dataset) -> dict[str, Estimate]:
    """Means over activations, with alpha_normalised of random patches by epoch, layer, transform and strength."""
    layers = np.flatnonzero((measured.operation.values == "activation").ravel())
    logarithm = Estimate(*(part.isel(layer=layers) for part in log10(normalised)))
    known = logarithm.value.notnull().all(["epoch", "transform", "strength"]).values
    rows = np.flatnonzero(known)
    average = Estimate(*(part.isel(layer=rows).sum("layer") / (len(rows) or math.nan) for part in logarithm))
    transforms = measured.transform.values
    linear = Estimate(*(part.isel(transform=np.isin(transforms, LINEAR)).mean("transform") for part in average))
    translation = Estimate(*(part.isel(transform=int(np.flatnonzero(transforms == "translation")[0])) for part in average))
    changes = [change_from_initialisation(estimate, measured.epoch.values) for estimate in (linear, translation)]
    relative = Estimate(*(one - other for one, other in zip(*changes, strict=True)))
    names = ("linear_alpha", "translation_alpha", "linear_change", "translation_change", "relative_change")
    return dict(zip(names, (linear, translation, *changes, relative), strict=True))


def change_from_initialisation(estimate: Estimate, epochs: np.ndarray) -> Estimate:
    """The number minus that at epoch 0, on the same samples; NaN in a run without epoch 0."""
    initial = np.flatnonzero(epochs == 0)
    if not len(initial):
        return Estimate(*(part * math.nan for part in estimate))
    return Estimate(*(part - part.isel(epoch=int(initial[0])) for part in estimate))


def where_positive(estimate: Estimate) -> Estimate:
    """The same, NaN where the number is not positive."""
    return Estimate(estimate.value.where(estimate.value > 0), estimate.influence)  # type: ignore[no-untyped-call]


def log10(estimate: Estimate) -> Estimate:
    """Base-10 logarithm; NaN where the number is not positive."""
    positive = where_positive(estimate).value
    return Estimate(positive.copy(data=np.log10(positive.values)), estimate.influence / positive / math.log(10))


def with_error(estimate: Estimate) -> Pair:
    """A statistic and its standard error."""
    return estimate.value, estimate.standard_error()


def over(dim: str, values: xr.Variable) -> Pair:
    """Mean over `dim` of what is not missing, and its standard error."""
    values = values.astype(float)
    return values.mean(dim), values.std(dim, ddof=1) / values.count(dim) ** 0.5


def labelled(found: dict[str, Pair], measured: xr.Dataset) -> xr.Dataset:
    """The result, and what its layers and strengths are."""
    result = xr.Dataset()
    for name, (value, error) in found.items():
        units = UNITS.get(name, "1")
        result[name] = described(value, MEANING[name], units)
        result[f"{name}_standard_error"] = described(error, f"standard error of {name}", units)
    edge = measured.receptive_field.astype(float).prod("axis") ** 0.5
    result["receptive_field"] = variable(("layer",), edge.values, "edge of the receptive field, geometric mean", "pixel")
    for name, meaning in COORDINATES.items():
        result[name] = variable(("layer",), measured[name].values, meaning)
    kept = ("epoch", "layer", "patch_choice", "transform", "strength", "weighting")
    return result.assign_coords({name: measured[name].values for name in kept}).assign_coords(
        {name: ("strength", measured[name].values) for name in ("norm", "amount")}
    )


def closest_to_one(summary: xr.Dataset, norm: str) -> xr.Dataset:
    """The summary at the value of a norm (`frobenius`, `displacement`) that is closest to 1, as on the slides; no dim `strength`.

    Raises:
        ValueError: nothing was measured at this norm.
    """
    rows = np.flatnonzero(summary.norm.values == norm)
    if not len(rows):
        raise ValueError(f"norm is {norm!r}; the table has {', '.join(sorted(set(summary.norm.values.tolist())))}")
    row = min(rows.tolist(), key=lambda row: abs(math.log(float(summary.amount.values[row]))))
    return summary.isel(strength=row)
