"""What the configuration says of each network, beside its checkpoints, and tables divided by it. Knows no torch."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

# Keys of a network in the configuration, and what stands for one that its architecture does not have.
OPTIONS: dict[str, Any] = {
    "width": math.nan,
    "depth": math.nan,
    "channels": math.nan,
    "filter_size": math.nan,
    "pool_size": math.nan,
    "pooling": "",
    "locally_connected": False,
    "trained": "",
    "antialiased": False,
}
LOCAL = "local_model"


def with_options(checkpoints: xr.Dataset, networks: Mapping[str, Mapping[str, Any]]) -> xr.Dataset:
    """Checkpoints with the keys `OPTIONS` of their networks as coordinates; `networks` are the blocks of the configuration."""
    blocks = [networks[name] for name in checkpoints.network.values.tolist()]
    return checkpoints.assign_coords(
        {name: ("checkpoint", [type(missing)(block.get(name, missing)) for block in blocks]) for name, missing in OPTIONS.items()}
    )


def local_models(checkpoints: xr.Dataset) -> xr.Dataset:
    """Those of the simple local models."""
    return checkpoints.isel(checkpoint=np.flatnonzero(checkpoints.architecture == LOCAL))


def usual_networks(checkpoints: xr.Dataset) -> xr.Dataset:
    """All others: the local models are a grid of their own, which would outnumber the networks of the slides."""
    return checkpoints.isel(checkpoint=np.flatnonzero(checkpoints.architecture != LOCAL))


def by_blur(checkpoints: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Those of networks that blur before they subsample, and all others."""
    blurred, plain = (checkpoints.isel(checkpoint=np.flatnonzero(checkpoints.antialiased == blurs)) for blurs in (True, False))
    return blurred, plain
