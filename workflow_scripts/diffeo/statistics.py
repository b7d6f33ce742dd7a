"""D, G and R with mean, median and standard errors, from the per-sample numbers of a stability file. Knows no torch.

Draws are averaged first; samples are then independent and every standard error is over samples. Each statistic comes with the
influence of each sample on it (its linear response to that sample's weight), from which errors of ratios follow, correlations
between numerator and denominator included.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.variables import described

MEANING = {
    "D": "stability to diffeomorphisms",
    "G": "stability to isotropic noise",
    "R": "relative stability to diffeomorphisms, D/G",
}


class Estimate(NamedTuple):
    """A statistic of samples and the influence of each sample on it (the same dims and `sample`)."""

    value: xr.DataArray
    influence: xr.DataArray

    def over(self, other: "Estimate") -> "Estimate":
        """Ratio of two statistics of the same samples."""
        ratio = self.value / other.value
        return Estimate(ratio, (self.influence - ratio * other.influence) / other.value)

    def standard_error(self) -> xr.DataArray:
        """Standard error of the statistic over independent samples."""
        samples = self.influence.sizes["sample"]
        return ((self.influence**2).sum("sample") / (samples * (samples - 1))) ** 0.5


def mean(values: xr.DataArray) -> Estimate:
    """Mean over `sample`."""
    average = values.mean("sample")
    return Estimate(average, values - average)


def median(values: xr.DataArray) -> Estimate:
    """Median over `sample`; its error is half the distance of the quantiles one standard deviation of its rank away."""
    samples = values.sizes["sample"]
    center = values.median("sample")
    half_width = np.sqrt(samples) / 2 / (samples - 1)  # the standard deviation of the median's rank, as a quantile
    lower, upper = np.clip([0.5 - half_width, 0.5 + half_width], 0, 1)
    values_at = values.quantile([lower, upper], "sample")
    error = (values_at.isel(quantile=1, drop=True) - values_at.isel(quantile=0, drop=True)) / 2
    return Estimate(center, np.sign(values - center) * error * np.sqrt(samples))


def relative_stability(stability: xr.Dataset) -> xr.Dataset:
    """Reduce a stability file to D_k, G_k and R_k at every interpolation, strength and layer.

    Args:
        stability: `squared_distance` (..., perturbation, strength, layer, sample, draw), with the coordinates `kind`,
            `interpolation` and `reference_images` of `perturbation`; `squared_deviation` (..., reference, layer, sample);
            `logits` (..., perturbation, strength, sample, draw, class) and `reference_logits` (..., reference, sample, class).

    Returns:
        `Delta` = ⟨|f_k(x) − f_k(z)|²⟩ over distinct pairs (..., interpolation, layer), and, with dims
        (..., interpolation, strength, layer), `D = ⟨|f_k(τx) − f_k(x)|²⟩ / Delta`, `G` likewise for noise, `R = D/G`: means,
        `*_median` (of the numerators over samples) and the `*_standard_error` of both. `*_coordinate_median`
        (..., interpolation, strength, output) are those of the authors' published curves, for logits and softmax: the median over
        samples is taken for each output coordinate and then summed.

    Source: slides "Relative stability to diffeomorphisms"; Petrini et al., NeurIPS 2021.
    """
    distance = stability.squared_distance.astype(float).mean("draw")
    diffeo, noise = by_interpolation(distance, "diffeo"), by_interpolation(distance, "noise")
    deviation = stability.squared_deviation.sel(reference=diffeo.reference_images)
    samples = deviation.sizes["sample"]
    pairs = mean(deviation * (2 * samples / (samples - 1)))
    variables = {
        "Delta": described(pairs.value, "mean squared distance between the activations of two images", "squared activation")
    }
    for suffix, statistic in (("", mean), ("_median", median)):
        estimates = ratios(statistic, diffeo, noise, pairs)
        for name, estimate in estimates.items():
            variables[f"{name}{suffix}"] = described(estimate.value, f"{MEANING[name]} ({statistic.__name__} over samples)")
            error = described(estimate.standard_error(), f"standard error of {name}{suffix}")
            variables[f"{name}{suffix}_standard_error"] = error
    reduced = xr.Dataset(variables).drop_vars(["reference", "reference_images"], errors="ignore")
    return reduced.merge(coordinate_medians(stability, pairs))


def ratios(
    statistic: Callable[[xr.DataArray], Estimate], diffeo: xr.DataArray, noise: xr.DataArray, pairs: Estimate
) -> dict[str, Estimate]:
    """D, G and R with one statistic for the numerators; the denominator of D and G is always the mean over pairs."""
    numerators = statistic(diffeo), statistic(noise)
    return {"D": numerators[0].over(pairs), "G": numerators[1].over(pairs), "R": numerators[0].over(numerators[1])}


def coordinate_medians(stability: xr.Dataset, pairs: Estimate) -> xr.Dataset:
    """D, G and R of logits and softmax with the median over samples taken for each output coordinate, then summed."""
    reference = stability.reference_logits.astype(float).sel(reference=stability.reference_images).drop_vars("reference")
    numerators, denominators = [], []
    for output, function in (("logits", lambda x: x), ("softmax", softmax)):
        squares = (function(stability.logits.astype(float)) - function(reference)) ** 2
        numerators.append(squares.mean("draw").median("sample").sum("class").assign_coords(output=output))
        layer = np.flatnonzero(stability.operation.values.ravel() == output)
        denominators.append(pairs.value.isel(layer=int(layer[0])).drop_vars("layer").assign_coords(output=output))
    parts = (numerators, denominators)
    numerator, denominator = (xr.concat(part, "output", coords="minimal", compat="override") for part in parts)
    diffeo, noise = by_interpolation(numerator, "diffeo"), by_interpolation(numerator, "noise")
    values = {"D": diffeo / denominator, "G": noise / denominator, "R": diffeo / noise}
    note = "median over samples of each output coordinate, summed"
    described_values = {f"{name}_coordinate_median": described(values[name], f"{MEANING[name]} ({note})") for name in values}
    dataset = xr.Dataset(described_values)
    return dataset.drop_vars([name for name in dataset.coords if name not in dataset.dims])


def softmax(logits: xr.DataArray) -> xr.DataArray:
    """Probabilities over `class`."""
    exponentials = xr.apply_ufunc(np.exp, logits - logits.max("class"))
    probabilities: xr.DataArray = exponentials / exponentials.sum("class")
    return probabilities


def by_interpolation(values: xr.DataArray, kind: str) -> xr.DataArray:
    """Keep the perturbations of one kind, labelled by their interpolation."""
    chosen = values.isel(perturbation=np.flatnonzero(values.kind.values == kind))
    return chosen.swap_dims(perturbation="interpolation").drop_vars(["perturbation", "kind"])
