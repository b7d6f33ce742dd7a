"""D, G and R with mean, median and standard errors, from the per-sample numbers of a stability file. Knows no torch.

Draws are averaged first; samples are then independent and every standard error is over samples. Each statistic comes with the
influence of each sample on it (its linear response to that sample's weight), from which errors of ratios follow, correlations
between numerator and denominator included.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.variables import described

Labels = NDArray[np.int64]
Z95 = 1.959963984540054  # a normal variable is within ± Z95 with probability 95 %
MEANING = {
    "D": "stability to diffeomorphisms",
    "G": "stability to isotropic noise",
    "R": "relative stability to diffeomorphisms, D/G",
}


class Estimate(NamedTuple):
    """A statistic of samples and the influence of each sample on it (the same dims and `sample`).

    Both are variables rather than arrays with coordinates, which would be compared at every operation.
    """

    value: xr.Variable
    influence: xr.Variable

    def over(self, other: "Estimate") -> "Estimate":
        """Ratio of two statistics of the same samples."""
        ratio = self.value / other.value
        return Estimate(ratio, (self.influence - ratio * other.influence) / other.value)

    def minus(self, other: "Estimate") -> "Estimate":
        """Difference of two statistics of the same samples."""
        return Estimate(self.value - other.value, self.influence - other.influence)

    def log10(self) -> "Estimate":
        """Base-10 logarithm; NaN where the statistic is not positive."""
        positive = self.value.where(self.value > 0)  # type: ignore[no-untyped-call]
        logarithm = xr.Variable(positive.dims, np.log10(positive.values))
        return Estimate(logarithm, self.influence / positive / math.log(10))

    def weighted_sum(self, weights: xr.Variable, dim: str) -> "Estimate":
        """Sum over `dim` with weights that are no statistics; NaN count as 0 where the weight is 0."""
        counted = weights != 0
        parts = ((weights * part.where(counted, 0.0)).sum(dim, skipna=False) for part in self)  # type: ignore[no-untyped-call]
        return Estimate(*parts)

    def at(self, **indexers: Any) -> "Estimate":
        """At positions along dims, as `xarray.Variable.isel`."""
        return Estimate(self.value.isel(indexers), self.influence.isel(indexers))

    def standard_error(self) -> xr.Variable:
        """Standard error of the statistic over independent samples."""
        samples = self.influence.sizes["sample"]
        return ((self.influence**2).sum("sample", skipna=False) / (samples * (samples - 1))) ** 0.5

    def two_way_standard_error(self, first: Labels, second: Labels) -> xr.Variable:
        """Standard error where samples that share a label, of the first or the second kind, are not independent.

        `first` and `second` are labels of the samples, 0 to the number of clusters less one; no two samples share both. At least
        the error of independent samples. A kind that puts all samples in one cluster says nothing and is left out. With few
        clusters of one kind, g, the variance that comes from clusters of the other kind is low by a factor 1 − 1/g.

        Source: Cameron, Gelbach and Miller, Journal of Business and Economic Statistics 29 (2011), equation 2.11.
        """
        independent = self.standard_error() ** 2
        rows, columns = (self._clustered_variance(labels, independent) for labels in (first, second))
        clustered = rows + columns - independent
        return xr.Variable(independent.dims, np.sqrt(np.maximum(independent.values, clustered.values)))

    def _clustered_variance(self, labels: Labels, alone: xr.Variable) -> xr.Variable:
        """Variance of the statistic over independent clusters of samples; `alone` if there is but one cluster."""
        clusters, samples = int(labels.max()) + 1, self.influence.sizes["sample"]
        if clusters == 1:
            return alone
        values = self.influence.transpose("sample", ...)
        order = np.argsort(labels, kind="stable")
        sums = np.add.reduceat(values.values[order], np.searchsorted(labels[order], np.arange(clusters)))
        return xr.Variable(values.dims[1:], (sums**2).sum(axis=0) * (clusters / ((clusters - 1) * samples**2)))


def mean(values: xr.Variable) -> Estimate:
    """Mean over `sample`."""
    average = values.mean("sample", skipna=False)
    return Estimate(average, values - average)


def median(values: xr.Variable) -> Estimate:
    """Median over `sample`; its error is half the distance of the quantiles one standard deviation of its rank away."""
    samples = values.sizes["sample"]
    half_width = np.sqrt(samples) / 2 / max(samples - 1, 1)  # the standard deviation of the median's rank, as a quantile
    levels = np.clip([0.5 - half_width, 0.5, 0.5 + half_width], 0, 1)
    quantiles = values.quantile(levels, "sample", skipna=False)
    lower, center, upper = (quantiles.isel(quantile=level) for level in range(3))
    return Estimate(center, np.sign(values - center) * ((upper - lower) * (np.sqrt(samples) / 2)))


def fraction_standard_error(fraction: xr.DataArray, number: xr.DataArray) -> xr.DataArray:
    """Standard error of a fraction of `number` independent samples, a count over it; not 0 where the fraction is 0 or 1.

    The standard deviation of the true fraction given the count, all true fractions alike beforehand (a beta distribution).
    """
    expected = (fraction * number + 1) / (number + 2)
    error: xr.DataArray = (expected * (1 - expected) / (number + 3)) ** 0.5
    return error


def at_initialisation(estimate: Estimate, epochs: np.ndarray) -> Estimate:
    """The number at epoch 0; NaN if that was not measured."""
    rows = np.flatnonzero(epochs == 0)
    if len(rows):
        return Estimate(*(part.isel(epoch=int(rows[0])) for part in estimate))
    return Estimate(*(part.isel(epoch=0) * np.nan for part in estimate))


def over_layers(estimate: Estimate, chosen: np.ndarray) -> Estimate:
    """Mean over the chosen layers that have the number at all epochs; NaN if there is none."""
    other = [dim for dim in estimate.value.dims if dim != "layer"]
    rows = np.flatnonzero(chosen & estimate.value.notnull().all(other).values)
    return Estimate(*(part.isel(layer=rows).sum("layer") / (len(rows) or math.nan) for part in estimate))


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
        (output, ..., interpolation, strength) are those of the authors' published curves, for logits and softmax: the median
        over samples is taken for each output coordinate and then summed.

    Source: slides "Relative stability to diffeomorphisms"; Petrini et al., NeurIPS 2021.
    """
    diffeo, noise = numerators(stability)
    pairs = mean(of_kind(stability, squared_distance_of_pairs(stability), "diffeo"))
    variables = {
        "Delta": described(pairs.value, "mean squared distance between the activations of two images", "squared activation")
    }
    for suffix, statistic in (("", mean), ("_median", median)):
        estimates = ratios(statistic, diffeo, noise, pairs)
        for name, estimate in estimates.items():
            variables[f"{name}{suffix}"] = described(estimate.value, f"{MEANING[name]} ({statistic.__name__} over samples)")
            error = described(estimate.standard_error(), f"standard error of {name}{suffix}")
            variables[f"{name}{suffix}_standard_error"] = error
    variables |= coordinate_medians(stability, pairs)
    kept = stability.drop_dims(["perturbation", "reference", "sample", "draw", "class"]).coords
    interpolations = of_kind(stability, stability.interpolation.variable, "diffeo")
    return xr.Dataset(variables, kept.assign(interpolation=interpolations, output=list(OUTPUTS)))


def numerators(stability: xr.Dataset) -> tuple[xr.Variable, xr.Variable]:
    """Squared distances under deformations and under noise (..., interpolation, strength, layer, sample), means over draws."""
    distance = stability.squared_distance.variable.astype(float).mean("draw", skipna=False)
    return of_kind(stability, distance, "diffeo"), of_kind(stability, distance, "noise")


def squared_distance_of_pairs(measured: xr.Dataset) -> xr.Variable:
    """What averages over `sample` to ⟨|f(x) − f(z)|²⟩ over distinct pairs of the reference images of each perturbation."""
    samples = measured.sizes["sample"]
    deviation = of_reference(measured, measured.squared_deviation.variable)
    return 2 * samples * deviation / (samples - 1)


def ratios(
    statistic: Callable[[xr.Variable], Estimate], diffeo: xr.Variable, noise: xr.Variable, pairs: Estimate
) -> dict[str, Estimate]:
    """D, G and R with one statistic for the numerators; the denominator of D and G is always the mean over pairs."""
    above, below = statistic(diffeo), statistic(noise)
    return {"D": above.over(pairs), "G": below.over(pairs), "R": above.over(below)}


def coordinate_medians(stability: xr.Dataset, pairs: Estimate) -> dict[str, xr.Variable]:
    """D, G and R of logits and softmax with the median over samples taken for each output coordinate, then summed."""
    logits = stability.logits.variable.astype(float)
    reference = of_reference(stability, stability.reference_logits.variable.astype(float))
    moved, denominators = [], []
    for output, function in OUTPUTS.items():
        squares = (function(logits) - function(reference)) ** 2
        moved.append(squares.mean("draw", skipna=False).median("sample", skipna=False).sum("class", skipna=False))
        layer = np.flatnonzero(stability.operation.values.ravel() == output)
        denominators.append(pairs.value.isel(layer=int(layer[0])))
    numerator, denominator = map(stacked, (moved, denominators))
    diffeo, noise = (of_kind(stability, numerator, kind) for kind in ("diffeo", "noise"))
    values = {"D": diffeo / denominator, "G": noise / denominator, "R": diffeo / noise}
    note = "median over samples of each output coordinate, summed"
    return {f"{name}_coordinate_median": described(values[name], f"{MEANING[name]} ({note})") for name in values}


def stacked(parts: list[xr.Variable]) -> xr.Variable:
    """Variables of the same dims along a new first one, `output`."""
    return xr.Variable(("output", *parts[0].dims), np.stack([part.values for part in parts]))


def softmax(logits: xr.Variable) -> xr.Variable:
    """Probabilities over `class`."""
    exponentials: xr.Variable = np.exp(logits - logits.max("class"))  # type: ignore[assignment]
    return exponentials / exponentials.sum("class")


OUTPUTS: dict[str, Callable[[xr.Variable], xr.Variable]] = {"logits": lambda logits: logits, "softmax": softmax}


def of_kind(measured: xr.Dataset, values: xr.Variable, kind: str) -> xr.Variable:
    """Keep the perturbations of one kind, as the dimension `interpolation`, in the order of its labels."""
    rows = np.flatnonzero(measured.kind.values == kind)
    ordered = rows[np.argsort(measured.interpolation.values[rows])]
    return values.isel(perturbation=xr.Variable("interpolation", ordered))


def of_reference(measured: xr.Dataset, values: xr.Variable) -> xr.Variable:
    """Values of the reference images that belong to each perturbation: `perturbation` in place of the dim `reference`."""
    rows = measured.indexes["reference"].get_indexer(measured.reference_images.values)
    return values.isel(reference=xr.Variable("perturbation", rows))
