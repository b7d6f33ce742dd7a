"""Curves and positions of the predictor's summary, averaged over runs as `run_averages.py` does. No torch."""

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.run_averages import Groups, average_over_runs, log10_with_error


def stability_per_square(checkpoints: xr.Dataset, name: str = "stability", *, relative: bool = False) -> Groups:
    """log10 of a stability over r² for each (data set, network): flat where the predictor is linear.

    Args:
        checkpoints: rows of results/predictor.nc.
        name: `stability`, `stability_median` or `stability_worst`.
        relative: divide every curve by its value at the smallest strength; errors stay those of the curve itself.
    """
    square = checkpoints.r.where(checkpoints.r > 0) ** 2
    values, errors = log10_with_error(checkpoints[name] / square, checkpoints[f"{name}_standard_error"] / square)
    return average_over_runs(values - values.isel(strength=0) if relative else values, errors)


def averages(checkpoints: xr.Dataset, name: str) -> Groups:
    """A variable for each (data set, network), with the error that the summary has beside it."""
    return average_over_runs(checkpoints[name], checkpoints[f"{name}_standard_error"])


def log_averages(checkpoints: xr.Dataset, name: str) -> Groups:
    """The same for the base-10 logarithm of a positive variable."""
    return average_over_runs(*log10_with_error(checkpoints[name], checkpoints[f"{name}_standard_error"]))


def positions(checkpoints: xr.Dataset, name: str) -> Groups:
    """log10 of an r that not every run has (`bump_position`, `onset`, ...): the mean over the runs that have it.

    `checkpoints` has one perturbation (and output and statistic, where the variable has these); a (data set, network) of which no
    run has that r is left out.
    """
    having = checkpoints.isel(checkpoint=np.flatnonzero(checkpoints[name].notnull()))
    return average_over_runs(xr.apply_ufunc(np.log10, having[name]), having[f"{name}_standard_error"])


def radii(checkpoints: xr.Dataset) -> dict[tuple[str, str], xr.DataArray]:
    """Norms r (..., strength), the mean over the runs of each (data set, network)."""
    return {group: mean.value for group, mean in average_over_runs(checkpoints.r, xr.zeros_like(checkpoints.r)).items()}
