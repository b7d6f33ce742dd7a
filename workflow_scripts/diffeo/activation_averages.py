"""Averages over images of the power spectra of a run's activations, and what training and operations do to them. Knows no torch.

Errors are those of the mean over images. Checkpoints and operations of a run see the same images, so that the error of a ratio is
that of the paired images, correlations included.
"""

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.statistics import Estimate, at_initialisation, over_layers
from workflow_scripts.diffeo.variables import described, variable

RESOLVED = 4  # pixels along an edge: smaller maps have no room for low and high frequencies
STEPS = ("convolution", "batch_norm", "activation")  # operations that can keep the size of the maps they read
MAPS = f"maps of {RESOLVED} pixels or more along an edge"
COORDINATES = {
    "layer_name": "name of the operation inside the network; empty where a network has fewer",
    "operation": "kind of the operation; empty where a network has fewer",
    "relative_depth": "depth of the operation, 0 at the input and 1 at the logits",
    "channels": "channels of the operation's maps",
    "map_size": "pixels along an edge of the operation's maps",
}
MEANING = {
    "centroid": "mean |k| of the activations over the Nyquist frequency",
    "low_fraction": "share of the activations' power at |k| below a quarter of the Nyquist frequency",
    "dead_fraction": "share of the channels without power",
    "mean_square": "mean square of the activation",
    "centroid_change": "log10 of the centroid over that at initialisation",
    "centroid_step": "log10 of the centroid after an operation that keeps the size of the maps over that before it",
    "convolution_change": f"centroid_change, mean over convolutions with {MAPS}",
    **{f"{kind}_step": f"centroid_step, mean over operations of kind {kind} with {MAPS}" for kind in STEPS},
    "convolution_step_change": f"centroid_step minus that at initialisation, mean over convolutions with {MAPS}",
}


def activation_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Reduce a file of activation spectra to averages over images, with errors.

    Args:
        measured: a file of `measure_activation_spectra` without the dims of its run.

    Returns:
        `layer` has the numbers of the operations in the stability files. With dims (epoch, normalisation, map_mean, layer), as
        far as they apply, and `*_standard_error`: `power` (also by wave_number), `centroid`, `low_fraction`, `dead_fraction`,
        `mean_square`, `centroid_change` (log10 of the ratio to epoch 0; NaN in runs without it), `centroid_step` (log10 of the
        ratio to what the operation reads; NaN where that is not known or has another size, see `before`). Means of the two over
        layers: `convolution_change`, `convolution_step`, `batch_norm_step`, `activation_step`, `convolution_step_change`. What
        the layers are: `layer_name`, `operation`, `relative_depth`, `channels`, `map_size`, `modes` (wave vectors in each bin),
        `white_centroid` (that of white noise).
    """
    numbers = measured.reset_coords(list(COORDINATES))
    found = {name: average(numbers[name]) for name in ("centroid", "low_fraction", "dead_fraction", "mean_square")}
    logarithm, epochs = found["centroid"].log10(), measured.epoch.values
    change = logarithm.minus(at_initialisation(logarithm, epochs))
    step = logarithm.minus(before(logarithm, numbers))
    resolved = {kind: (measured.operation.values == kind) & (measured.map_size.values >= RESOLVED) for kind in STEPS}
    found |= {"centroid_change": change, "centroid_step": step}
    found["convolution_change"] = over_layers(change, resolved["convolution"])
    found |= {f"{kind}_step": over_layers(step, resolved[kind]) for kind in STEPS}
    convolutions = found["convolution_step"]
    found["convolution_step_change"] = convolutions.minus(at_initialisation(convolutions, epochs))
    variables = {name: numbers[name].variable for name in ("power", "power_standard_error", "modes", "white_centroid")}
    for name, estimate in found.items():
        unit = "squared activation" if name == "mean_square" else "1"
        variables[name] = described(estimate.value, MEANING[name], unit)
        variables[f"{name}_standard_error"] = described(estimate.standard_error(), f"standard error of {name}", unit)
    variables |= {name: variable(("layer",), as_column(numbers[name]), meaning) for name, meaning in COORDINATES.items()}
    kept = numbers.drop_dims("sample").coords
    return xr.Dataset(variables, kept)


def as_column(values: xr.DataArray) -> np.ndarray:
    """Values that rows of a table can hold beside missing ones: text, or floating-point numbers."""
    column: np.ndarray = values.values
    return column if column.dtype.kind in "OU" else column.astype(float)


def average(values: xr.DataArray) -> Estimate:
    """Mean over the images that have the number; NaN where fewer than two have it, because then it has no error."""
    numbers = values.variable.astype(float)
    known = numbers.notnull()
    mean = numbers.mean("sample", skipna=True).where(known.sum("sample") > 1)  # type: ignore[no-untyped-call]
    weight = known / known.mean("sample")
    return Estimate(mean, (numbers - mean).fillna(0) * weight)


def before(estimate: Estimate, numbers: xr.Dataset) -> Estimate:
    """The number of what an operation reads, the one before it, if their maps have the same size; NaN elsewhere.

    Of convolutions, which may change the number of channels, those after a batch norm are left out: in residual networks they
    begin the branch beside the one that the batch norm ends.
    """
    kinds = numbers.operation.values
    step = {name: np.diff(numbers[name].values, prepend=np.nan) for name in ("layer", "channels", "map_size")}
    follows = np.isin(kinds, STEPS) & (step["layer"] == 1) & (step["map_size"] == 0)
    follows &= np.where(kinds == "convolution", np.roll(kinds, 1) != "batch_norm", step["channels"] == 0)
    chosen = xr.Variable("layer", follows)
    return Estimate(*(part.shift(layer=1).where(chosen) for part in estimate))  # type: ignore[no-untyped-call]
