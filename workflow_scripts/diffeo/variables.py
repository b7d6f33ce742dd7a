"""Names and units on the variables of a dataset."""

from typing import Any, TypeVar

import xarray as xr

Values = TypeVar("Values", xr.DataArray, xr.Variable)


def described(values: Values, long_name: str, units: str = "1") -> Values:
    """Return `values` with the two attributes that every variable of a result file has."""
    labelled = values.copy(deep=False)
    labelled.attrs = {**values.attrs, "long_name": long_name, "units": units}
    return labelled


def variable(dims: tuple[str, ...], values: Any, long_name: str, units: str = "1", **attributes: Any) -> xr.Variable:
    """Make a variable with the two attributes that every variable of a result file has."""
    return xr.Variable(dims, values, {"long_name": long_name, "units": units, **attributes})
