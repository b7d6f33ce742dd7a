"""A small `results/fields.nc`: it needs no data, so that it is measured rather than made up."""

from typing import Any

import xarray as xr

from workflow_scripts.measure_fields import measure

SETTINGS: dict[str, Any] = {
    "size": 16,
    "cutoffs": [5, 3],
    "temperatures": 3,
    "draws": 300,
    "patch_sizes": [8, 2, 16],
    "seed": 0,
}


def make_fields(**settings: Any) -> xr.Dataset:
    """The file of `SETTINGS`, changed by `settings`."""
    return measure(SETTINGS | settings, memory_mb=100)
