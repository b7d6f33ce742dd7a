"""What the test of rotated neurons says of each layer and of a network as a whole. Knows no torch.

The effect of a layer is log10((1 + ρ)/(1 − ρ)) of the partial correlation ρ minus the same of the mean of its null: Fisher's
transformation, whose errors are symmetric. A network's is the mean over its pairs of layers, which are independent.
"""

import math

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.variables import described, variable

LAYERS = {
    "layer_name": "name of the convolution inside the network",
    "layer_before": "name of the convolution before it",
    "relative_depth": "depth of the convolution, 0 at the input and 1 at the logits",
}
EFFECT = "log10((1 + ρ)/(1 − ρ)) beyond the null, mean over pairs of layers"
Z_ERROR = "standard error of z over channels"


def coupling_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Reduce the file of one run.

    Args:
        measured: `correlation`, `correlation_standard_error`, `null_*`, `z`, `p_value` (epoch, transformation, layer);
            `layer_name`, `layer_before`, `relative_depth` (layer).

    Returns:
        With dims (epoch, transformation, layer) the same, and `z_standard_error`, `null_low_z`, `null_high_z`; with dims (epoch,
        transformation) `effect`, its standard error, `combined_z` = Σz/√pairs with its one-sided p-value `combined_p_value`, and
        `pairs`, the number of pairs of layers.
    """
    numbers = {str(name): array for name, array in measured.data_vars.items()}
    spread, middle = numbers["null_standard_deviation"], numbers["null_mean"]
    numbers["z_standard_error"] = described(numbers["correlation_standard_error"] / spread, Z_ERROR)
    for side in ("low", "high"):
        meaning = f"{numbers[f'null_{side}'].attrs['long_name']}, in units of z"
        numbers[f"null_{side}_z"] = described((numbers[f"null_{side}"] - middle) / spread, meaning)
    numbers |= of_network(numbers)
    result = xr.Dataset(numbers).drop_vars(["reason", *LAYERS])
    return result.assign({name: variable(("layer",), measured[name].values, meaning) for name, meaning in LAYERS.items()})


def of_network(numbers: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Numbers of all pairs of layers together."""
    slope, correlation = 2 / math.log(10), numbers["correlation"]
    inside = correlation.where(abs(correlation) < 1)
    effect = slope * (arctanh(inside) - arctanh(numbers["null_mean"]))
    error = slope * numbers["correlation_standard_error"] / (1 - inside**2)
    known = effect.notnull() & error.notnull()
    pairs = known.sum("layer")
    some = pairs.where(pairs > 0)
    z = numbers["z"].where(known).sum("layer") / some**0.5
    probability = z.copy(data=np.vectorize(math.erfc, otypes=[float])(z.values / math.sqrt(2)) / 2)
    return {
        "effect": described(effect.where(known).sum("layer") / some, EFFECT),
        "effect_standard_error": described((error.where(known) ** 2).sum("layer") ** 0.5 / some, "standard error of effect"),
        "combined_z": described(z, "sum of z over pairs of layers, over the root of their number"),
        "combined_p_value": described(probability, "probability of so large a combined z under the null"),
        "pairs": described(pairs, "number of pairs of layers tested"),
    }


def arctanh(values: xr.DataArray) -> xr.DataArray:
    """Inverse hyperbolic tangent."""
    found: xr.DataArray = xr.apply_ufunc(np.arctanh, values)
    return found
