"""What the figures of local transforms share: styles of transforms and states, layers, legend."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.run_averages import initial, trained
from workflow_scripts.support.plotting import COLOURS, INITIAL, TRAINED, state_handles

TRANSFORM_STYLES: dict[str, dict[str, Any]] = {
    "translation": {"color": COLOURS[5], "marker": "o"},
    "rotation": {"color": COLOURS[0], "marker": "s"},
    "compression": {"color": COLOURS[3], "marker": "^"},
    "shear": {"color": COLOURS[1], "marker": "D"},
}
STATES: tuple[tuple[Callable[[xr.Dataset], xr.Dataset], dict[str, Any]], ...] = ((initial, INITIAL), (trained, TRAINED))


def activations_of(checkpoints: xr.Dataset) -> xr.Dataset:
    """The activations among the layers of checkpoints of one network."""
    if not checkpoints.sizes["checkpoint"]:
        return checkpoints
    return checkpoints.isel(layer=np.flatnonzero(checkpoints.operation.isel(checkpoint=0) == "activation"))


def legend_entries() -> list[Line2D]:
    """Transforms by colour and marker, states by line style."""
    entries = [Line2D([], [], label=name, **style) for name, style in TRANSFORM_STYLES.items()]
    return entries + state_handles()
