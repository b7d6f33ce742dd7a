"""D, G and R of networks whose channels are shuffled, beside those of the networks as they are. Knows no torch.

Everything is a mean of logarithms over permutations. Errors add what the probe images leave open, the same images for all
variants and permutations, correlations included, and the scatter between permutations (unknown, and left out, with one only).
"""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import MEANING, Z95, Estimate, mean
from workflow_scripts.diffeo.variables import described, variable

STANDARD = "standard"
LAYERS = {
    "layer_name": "name of the operation inside the network",
    "operation": "kind of the operation",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
}
SHARE = (
    "share of log R that is left when channels are shuffled, log R_shuffled / log R_standard: what spatial pooling accounts for"
)
COMMENT = (
    "missing where R of the network as it is is not below 1 by 1.96 standard errors (there is no stability to account for), "
    "and where there was nothing to shuffle"
)


def shuffle_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Reduce the file of one run to numbers of each variant and layer.

    Args:
        measured: `squared_distance` (epoch, permutation, variant, perturbation, layer, sample, draw), `squared_deviation`
            (epoch, permutation, variant, layer, sample), both as `standard_*` without permutation and variant; `kind` of
            `perturbation`; `layer_name`, `operation`, `relative_depth` (layer).

    Returns:
        With dims (epoch, variant, layer), the variants those measured and `standard`: `D`, `G`, `R`,
        geometric means over permutations; `change`, log10 (R / R_standard); `spatial_share`,
        log R / log R_standard; each with `*_standard_error`. `layer_name`, `operation`,
        `relative_depth` (epoch, layer).

    Source: slides "Can we decouple the contribution of the two?".
    """
    logarithms = log10_stabilities(measured)
    found: dict[str, xr.Variable] = {}
    for name, estimate in logarithms.items():
        value, error = over_permutations(estimate)
        level = 10**value
        meaning = f"{MEANING[name]}, geometric mean over permutations"
        found |= with_error(name, level, level * error * math.log(10), meaning)
    ratio = logarithms["R"]
    standard = of_standard(ratio, measured)
    found |= with_error("change", *over_permutations(ratio.minus(standard)), "log10 of R over R of the network as it is")
    share, error = over_permutations(ratio.over(standard))
    known = (standard.value < -Z95 * standard.standard_error()).isel(permutation=0)
    found |= with_error("spatial_share", only(share, known), only(error, known), SHARE)
    found["spatial_share"].attrs["comment"] = COMMENT
    return labelled(found, measured)


def log10_stabilities(measured: xr.Dataset) -> Mapping[str, Estimate]:
    """log10 of D, G and R (epoch, permutation, variant, layer), the network as it is as the last variant."""
    distance, deviation = (with_standard(measured, name) for name in ("squared_distance", "squared_deviation"))
    distance = distance.mean("draw", skipna=False)
    samples = deviation.sizes["sample"]
    pairs = mean(2 * samples * deviation / (samples - 1))
    rows = {kind: int(np.flatnonzero(measured.kind.values == kind)[0]) for kind in ("diffeo", "noise")}
    diffeo, noise = (mean(distance.isel(perturbation=rows[kind])) for kind in ("diffeo", "noise"))
    stabilities = {"D": diffeo.over(pairs), "G": noise.over(pairs), "R": diffeo.over(noise)}
    return {name: estimate.log10() for name, estimate in stabilities.items()}


def with_standard(measured: xr.Dataset, name: str) -> xr.Variable:
    """Values of the shuffled variants and, the same for all permutations, of the network as it is, float64."""
    shuffled = measured[name].astype(float).drop_vars("variant").transpose("epoch", "permutation", "variant", ...)
    standard = measured[f"standard_{name}"].astype(float).expand_dims(variant=1, permutation=measured.permutation)
    return xr.concat([shuffled, standard.transpose(*shuffled.dims)], dim="variant", coords="minimal", compat="override").variable


def of_standard(estimate: Estimate, measured: xr.Dataset) -> Estimate:
    """The network as it is in place of every variant."""
    rows = xr.Variable("variant", np.full(measured.sizes["variant"] + 1, -1))
    return Estimate(*(part.isel(variant=rows).transpose(*part.dims) for part in estimate))


def only(values: xr.Variable, wanted: xr.Variable) -> xr.Variable:
    """NaN in place of what is not wanted; the dims are those of `values`, in their order."""
    return values.copy(data=np.where(wanted.transpose(*values.dims).values, values.values, np.nan))


def over_permutations(estimate: Estimate) -> tuple[xr.Variable, xr.Variable]:
    """Mean over permutations and its standard error."""
    permutations = estimate.value.sizes["permutation"]
    average = Estimate(*(part.mean("permutation", skipna=False) for part in estimate))
    scatter = estimate.value.var("permutation", ddof=1, skipna=False) if permutations > 1 else 0.0
    return average.value, (average.standard_error() ** 2 + scatter / permutations) ** 0.5


def with_error(name: str, value: xr.Variable, error: xr.Variable, meaning: str) -> dict[str, xr.Variable]:
    """A variable of the result and its standard error."""
    return {name: described(value, meaning), f"{name}_standard_error": described(error, f"standard error of {name}")}


def labelled(variables: Mapping[str, xr.Variable], measured: xr.Dataset) -> xr.Dataset:
    """The result, with names of dims that it shares with no other analysis, and what its layers are."""
    result = xr.Dataset(dict(variables))
    for name, meaning in LAYERS.items():
        result[name] = variable(("layer",), measured[name].values, meaning)
    variants = [*measured.variant.values.tolist(), STANDARD]
    return result.assign_coords({"epoch": measured.epoch.values, "variant": variants, "layer": measured.layer.values})
