"""D, G and R of networks whose channels are shuffled, beside those of the networks as they are. Knows no torch.

Everything is a mean of logarithms over permutations. Errors add what the probe images leave open, the same images for all
variants and permutations, correlations included, and the scatter between permutations (unknown, and left out, with one only).

The decomposition is exact by definition: log R = log R_shuffled + log(R/R_shuffled), the stability that is left without the
order of the channels (spatial pooling), and the rest (channel pooling). Shares of log R need a log R that is known to be
negative. They are not bounded: where shuffling makes a network less stable to deformations than to noise, R_shuffled is above 1
and the spatial share below 0.
"""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import MEANING, Z95, Estimate, mean
from workflow_scripts.diffeo.variables import described, variable

Numbers = tuple[xr.Variable, xr.Variable, str]  # a number, its standard error, what it is

STANDARD, RECALIBRATED = "standard", "shuffled_recalibrated"  # variants
LOGITS = "logits"
LAYERS = {
    "layer_name": "name of the operation inside the network",
    "operation": "kind of the operation",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
}
CONVOLUTIONS = {
    "convolution_name": "name of the convolution that is shuffled",
    "convolution_depth": "depth of the convolution that is shuffled, 0 at the input and 1 at the logits",
}
OF_CHANGE = "log10 of R over R of the network as it is"
OF_BALANCE = (
    "log10 of R over the root of R of the network as it is: negative where spatial pooling accounts for more than half of log R"
)
OF_SPATIAL = "log R_shuffled / log R_standard: the share of log R left when channels are shuffled, that of spatial pooling"
OF_CHANNEL = "1 − log R_shuffled / log R_standard: the share of log R lost when channels are shuffled, that of channel pooling"
OF_SINGLES = ", of the logits when one convolution alone is shuffled"
NUMBERS = ("squared_distance", "squared_deviation")
COMMENT = (
    "missing where R of the network as it is is not below 1 by 1.96 standard errors (there is no stability to account for); "
    "not bounded by 0 and 1"
)


def shuffle_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Reduce the file of one run to numbers of each variant and layer, and of each convolution that is shuffled alone.

    Args:
        measured: `squared_distance` (epoch, permutation, variant, perturbation, layer, sample, draw), `squared_deviation`
            (epoch, permutation, variant, layer, sample), both as `standard_*` without permutation and variant, and as `single_*`
            with `single_permutation`, `convolution` in place of permutation, variant and layer; `kind` of `perturbation`;
            `layer_name`, `operation`, `relative_depth` (layer); `convolution_name`, `convolution_depth` (convolution).

    Returns:
        With dims (epoch, variant, layer), the variants those measured and `standard`: `D`, `G`, `R`,
        geometric means over permutations; `change`, log10(R/R_standard); `balance`, log10(R/√R_standard); `spatial_share`,
        log R/log R_standard; `channel_share`, 1 minus that; each with `*_standard_error`. `layer_name`, `operation`,
        `relative_depth` (epoch, layer). With dims (epoch, convolution), of the logits, the same but balance and spatial share
        as `single_*`; `convolution_name`, `convolution_depth`.

    Source: slides "Can we decouple the contribution of the two?".
    """
    logarithms = log10_stabilities(measured, *(with_standard(measured, name) for name in NUMBERS))
    standard = logarithms["R"].at(variant=-1, permutation=0)
    single_logarithms = log10_stabilities(measured, *(of_singles(measured, name) for name in NUMBERS))
    (logits,) = np.flatnonzero(measured.operation.values == LOGITS).tolist()
    singles = compared(single_logarithms, standard.at(layer=logits))
    kept = ("D", "G", "R", "change", "channel_share")
    variables = with_errors(compared(logarithms, standard))
    variables |= with_errors({f"single_{name}": singles[name] for name in kept}, OF_SINGLES)
    return labelled(variables, measured)


def log10_stabilities(measured: xr.Dataset, distance: xr.Variable, deviation: xr.Variable) -> dict[str, Estimate]:
    """log10 of D, G and R from squared distances (perturbation, sample, draw, ...) and deviations (sample, ...)."""
    distance = distance.mean("draw", skipna=False)
    samples = deviation.sizes["sample"]
    pairs = mean(2 * samples * deviation / (samples - 1))
    rows = {kind: int(np.flatnonzero(measured.kind.values == kind)[0]) for kind in ("diffeo", "noise")}
    diffeo, noise = (mean(distance.isel(perturbation=rows[kind])) for kind in ("diffeo", "noise"))
    stabilities = {"D": diffeo.over(pairs), "G": noise.over(pairs), "R": diffeo.over(noise)}
    return {name: estimate.log10() for name, estimate in stabilities.items()}


def compared(logarithms: Mapping[str, Estimate], standard: Estimate) -> dict[str, Numbers]:
    """What shuffled networks show, and how it compares with log10 R of the network as it is: means over permutations."""
    found: dict[str, Numbers] = {}
    for name, estimate in logarithms.items():
        value, error = over_permutations(estimate)
        level = 10**value
        found[name] = (level, level * error * math.log(10), f"{MEANING[name]}, geometric mean over permutations")
    ratio = logarithms["R"]
    for name, weight, meaning in (("change", 1.0, OF_CHANGE), ("balance", 0.5, OF_BALANCE)):
        beyond = Estimate(*(part - weight * other for part, other in zip(ratio, standard, strict=True)))
        found[name] = (*over_permutations(beyond), meaning)
    known = standard.value < -Z95 * standard.standard_error()
    share, error = (only(part, known) for part in over_permutations(ratio.over(standard)))
    found["spatial_share"] = (share, error, OF_SPATIAL)
    found["channel_share"] = (1 - share, error, OF_CHANNEL)
    return found


def with_standard(measured: xr.Dataset, name: str) -> xr.Variable:
    """Values of the shuffled variants and, the same for all permutations, of the network as it is, float64."""
    shuffled = measured[name].astype(float).drop_vars("variant").transpose("epoch", "permutation", "variant", ...)
    standard = measured[f"standard_{name}"].astype(float).expand_dims(variant=1, permutation=measured.permutation)
    return xr.concat([shuffled, standard.transpose(*shuffled.dims)], dim="variant", coords="minimal", compat="override").variable


def of_singles(measured: xr.Dataset, name: str) -> xr.Variable:
    """Values of the networks of which one convolution is shuffled, float64."""
    return measured[f"single_{name}"].astype(float).rename(single_permutation="permutation").variable


def only(values: xr.Variable, wanted: xr.Variable) -> xr.Variable:
    """NaN in place of what is not wanted; the dims of `wanted` are among those of `values`."""
    return values * wanted.copy(data=np.where(wanted.values, 1.0, np.nan))


def over_permutations(estimate: Estimate) -> tuple[xr.Variable, xr.Variable]:
    """Mean over permutations and its standard error."""
    permutations = estimate.value.sizes["permutation"]
    average = Estimate(*(part.mean("permutation", skipna=False) for part in estimate))
    scatter = estimate.value.var("permutation", ddof=1, skipna=False) if permutations > 1 else 0.0
    return average.value, (average.standard_error() ** 2 + scatter / permutations) ** 0.5


def with_errors(numbers: Mapping[str, Numbers], how: str = "") -> dict[str, xr.Variable]:
    """Variables of the result and their standard errors, by name."""
    found: dict[str, xr.Variable] = {}
    for name, (value, error, meaning) in numbers.items():
        found[name] = described(value, meaning + how)
        found[f"{name}_standard_error"] = described(error, f"standard error of {name}")
        if name.endswith("_share"):
            found[name].attrs["comment"] = COMMENT
    return found


def labelled(variables: Mapping[str, xr.Variable], measured: xr.Dataset) -> xr.Dataset:
    """The result, with names of dims that it shares with no other analysis, and what its layers are."""
    result = xr.Dataset(dict(variables))
    for dim, meanings in (("layer", LAYERS), ("convolution", CONVOLUTIONS)):
        for name, meaning in meanings.items():
            result[name] = variable((dim,), measured[name].values, meaning)
    variants = [*measured.variant.values.tolist(), STANDARD]
    labels = {name: measured[name].values for name in ("epoch", "layer", "convolution")}
    return result.assign_coords({**labels, "variant": variants})
