"""Files of deconvolutions and their table made by hand: what the tests of figures read."""

from typing import Any

import numpy as np
import xarray as xr

from tests.synthetic import ARCHITECTURES
from workflow_scripts.diffeo.deconvolution_averages import MEANING
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.netcdf import with_run_dimensions

SIZE = 6  # pixels along an edge of the images
FIELDS = (3, 6)  # edges of the receptive fields of the two layers
RUN: dict[str, Any] = {"dataset": "dots", "network": "lenet", "recipe": "sgd", "train_size": 100, "seed": 0}


def make_deconvolution(colours: int = 1, *, channels: int = 3, patches: int = 2) -> xr.Dataset:
    """A file of one run at epochs 0 and 4.

    Picture p is p + 1 at every pixel. Patch (feature, patch) is of picture (feature + patch) modulo 3. In the first layer it sees
    rows 0 and 1 (its box sticks out) and columns 2 to 4, in the second the columns from the third on. Reconstructions are
    +1 in the first row of the box and −1/2 in its last one. The last channel is missing in the first layer.
    """
    cell = (2, len(FIELDS), channels, patches)
    image = np.broadcast_to(np.arange(1, 4, dtype=np.uint8)[:, None, None, None], (3, colours, SIZE, SIZE))
    index = np.broadcast_to(np.add.outer(np.arange(channels), np.arange(patches)) % 3, cell).copy()
    start, stop = np.zeros((*cell, 2), int), np.zeros((*cell, 2), int)
    start[:, 0], stop[:, 0] = [0, 2], [2, 5]
    start[:, 1], stop[:, 1] = [0, 2], [6, 6]
    reconstruction = np.zeros((*cell, colours, SIZE, SIZE))
    reconstruction[:, 0, ..., 0, 2:5], reconstruction[:, 0, ..., 1, 2:5] = 1, -0.5
    reconstruction[:, 1, ..., 0, 2:], reconstruction[:, 1, ..., 5, 2:] = 1, -0.5
    activation = np.ones(cell)
    activation[:, 0, -1] = np.nan
    channel = np.tile(np.arange(channels), (2, len(FIELDS), 1))
    channel[:, 0, -1] = -1
    dims = ("epoch", "layer", "feature", "patch")
    file = xr.Dataset(
        {
            "activation": variable(dims, activation, "activation"),
            "image_index": variable(dims, index, "image"),
            "feature_channel": variable(dims[:3], channel, "channel"),
            "box_start": variable((*dims, "axis"), start, "start"),
            "box_stop": variable((*dims, "axis"), stop, "stop"),
            "reconstruction": variable((*dims, "channel", "row", "column"), reconstruction, "reconstruction"),
            "receptive_field": variable(("epoch", "layer", "axis"), np.tile(np.array(FIELDS)[:, None], (2, 1, 2)), "edge"),
            "image": variable(("picture", "channel", "row", "column"), image, "image"),
        },
        coords={"epoch": [0, 4]},
    )
    return with_run_dimensions(file, RUN).assign_coords(layer_name=(("network", "layer"), [["relu1", "relu2"]]))


def make_table(datasets: tuple[str, ...] = ("fashion_mnist",), networks: tuple[str, ...] = ("lenet", "simple_cnn")) -> xr.Dataset:
    """The table of runs at epochs 0 and 4; the number of layers is 3 for the first network, 4 for the next, and so on."""
    labels = [(dataset, network, epoch) for dataset in datasets for network in networks for epoch in (0, 4)]
    layers = 2 + len(networks)
    depth = np.full((len(labels), layers), np.nan)
    for row, (_, network, _) in enumerate(labels):
        count = 3 + networks.index(network)
        depth[row, :count] = np.arange(1, count + 1) / (count + 1)
    epochs = np.array([label[2] for label in labels])
    cell = ("checkpoint", "layer")
    variables = {"relative_depth": variable(cell, depth, "relative depth")}
    for factor, name in enumerate(MEANING, 1):
        value = factor * depth * np.where(epochs, 0.5, 1)[:, None]
        variables[name] = variable(cell, value, name)
        variables[f"{name}_standard_error"] = variable(cell, 0.1 * value, f"standard error of {name}")
    columns: dict[str, Any] = {
        name: ("checkpoint", [label[k] for label in labels]) for k, name in enumerate(("dataset", "network", "epoch"))
    }
    columns |= {"recipe": ("checkpoint", ["sgd"] * len(labels)), "train_size": ("checkpoint", [100] * len(labels))}
    columns |= {"seed": ("checkpoint", [0] * len(labels))}
    columns["architecture"] = ("checkpoint", [ARCHITECTURES.get(label[1], "vgg11") for label in labels])
    return xr.Dataset(variables, coords=columns)
