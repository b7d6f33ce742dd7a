"""A made-up `results/receptive_fields.nc`."""

import math

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.variables import variable

CONVOLUTIONS = {"lenet": 2, "vgg11": 8, "resnet18": 5}
EDGE = 28  # pixels


def make_receptive_fields(
    share: float = 0.25, growth: float = 0.1, seeds: int = 1, error: float = 0.01, datasets: tuple[str, ...] = ("a", "b")
) -> xr.Dataset:
    """Epochs 0 and 2 of each network: the deepest convolution's box and trained field cover `share` of the image.

    Fields are smaller in the layers before it; with training they all grow by 10^`growth`.
    """
    runs = [
        (dataset, network, seed, epoch)
        for dataset in datasets
        for network in CONVOLUTIONS
        for seed in range(seeds)
        for epoch in (0, 2)
    ]
    shape = len(runs), max(CONVOLUTIONS.values())
    depth, trained, name = np.full(shape, np.nan), np.zeros((len(runs), 1)), np.full(shape, "", object)
    for row, (_, network, _, epoch) in enumerate(runs):
        count = CONVOLUTIONS[network]
        depth[row, :count] = np.arange(1, count + 1) / (count + 2)
        name[row, :count] = [f"convolution{number}" for number in range(count)]
        trained[row] = epoch > 0
    behind = np.nanmax(depth, axis=1, keepdims=True) - depth  # 0 at the deepest
    there = 0 * depth
    log_share = math.log10(share) - behind
    of_size = log_share / 2 + growth * (trained - 1) + math.log10(EDGE)
    contents = {
        "field_size": 10**of_size,
        "field_share": 2 * (of_size - math.log10(EDGE)),
        "field_change": growth * trained + there,
        "field_growth": growth * trained[:, 0],
    }
    variables = {}
    for key, values in contents.items():
        dims = ("checkpoint", "layer")[: values.ndim]
        variables[key] = variable(dims, values, key)
        variables[f"{key}_standard_error"] = variable(dims, error + 0 * values, f"standard error of {key}")
    box = {"box_size": EDGE * 10 ** (log_share / 2), "box_share": 10**log_share, "profile_size": EDGE * 10 ** (log_share / 3)}
    variables |= {key: variable(("checkpoint", "layer"), values, key) for key, values in box.items()}
    variables["map_size"] = variable(("checkpoint", "layer"), 7 + there, "map_size")
    variables["relative_depth"] = variable(("checkpoint", "layer"), depth, "relative_depth")
    variables["layer_name"] = variable(("checkpoint", "layer"), name.astype(str), "layer_name")
    labels = dict(zip(("dataset", "network", "seed", "epoch"), map(list, zip(*runs, strict=True)), strict=True))
    labels |= {"recipe": ["sgd"] * len(runs), "train_size": [100] * len(runs), "architecture": labels["network"]}
    return xr.Dataset(variables, coords={key: ("checkpoint", values) for key, values in labels.items()})
