"""Names and units on the variables of a dataset."""

from typing import Any

import xarray as xr


def described(values: xr.DataArray, long_name: str, units: str = "1") -> xr.DataArray:
    """Return `values` with the two attributes that every variable of a result file has."""
    return values.assign_attrs(long_name=long_name, units=units)


def variable(dims: tuple[str, ...], values: Any, long_name: str, units: str = "1", **attributes: Any) -> xr.Variable:
    """Make a variable with the two attributes that every variable of a result file has."""
    return xr.Variable(dims, values, {"long_name": long_name, "units": units, **attributes})
