"""Files of activation spectra made by hand, with planted numbers: what the tests of their averages, claims and figures read."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from tests.synthetic import ARCHITECTURES
from workflow_scripts.diffeo.activation_averages import activation_statistics
from workflow_scripts.diffeo.variables import variable

# Number, name, kind, channels, pixels along an edge of the layers; number 7 (a read-out) has no map.
LAYERS = (
    (0, "input", "input", 1, 16),
    (1, "conv1", "convolution", 4, 16),
    (2, "bn1", "batch_norm", 4, 16),
    (3, "relu1", "activation", 4, 16),
    (4, "pool1", "pool", 4, 8),
    (5, "conv2", "convolution", 6, 8),
    (6, "relu2", "activation", 6, 8),
    (8, "conv3", "convolution", 6, 2),
    (9, "relu3", "activation", 6, 2),
)
CENTROIDS = np.array([0.2, 0.25, 0.3, 0.36, 0.4, 0.45, 0.54, 0.9, 1.0])
WHITE = (0.75, 0.8)  # with the mean kept and without
PLANTED = {"lenet": (-0.2, 0.1), "vgg11_bn_narrow": (-0.1, 0.05)}


def make_activations(
    change: float = -0.1,
    rectification: float = 0.1,
    *,
    epochs: tuple[int, ...] = (0, 4),
    samples: int = 40,
    image_scatter: float = 0.1,
    checkpoint_scatter: float = 0.0,
) -> xr.Dataset:
    """A file of one run, run dims left out, in which training multiplies every centroid but the input's by 10^change.

    Activations multiply the centroid of the operation before them by 10^rectification if the mean is left out, by
    10^(−rectification) if it is kept. `per_channel` centroids are 1.2 times the others. Images scatter by a factor common to all
    layers and checkpoints, and by one of their own at each checkpoint.
    """
    numbers, names, kinds, channels, sizes = zip(*LAYERS, strict=True)
    generator = np.random.default_rng(0)
    shape = (len(epochs), 2, 2, len(LAYERS), samples)
    signs = np.array([-1, 1])  # kept, removed
    base = np.broadcast_to(CENTROIDS, (2, len(LAYERS))).copy()
    for place, kind in enumerate(kinds):
        if kind == "activation":
            base[:, place] = base[:, place - 1] * 10 ** (signs * rectification)
    trained = np.array([10 ** (change * (epoch > 0)) for epoch in epochs])
    factors = np.where(np.arange(len(LAYERS)) == 0, 1, trained[:, None])
    centroid = factors[:, None, None, :, None] * base[:, :, None] * np.array([1, 1.2])[:, None, None, None]
    images = 1 + image_scatter * generator.standard_normal(samples)
    centroid = centroid * images * (1 + checkpoint_scatter * generator.standard_normal((len(epochs), 1, 1, 1, samples)))
    bins = [int(np.floor(np.hypot(size // 2, size // 2) + 0.5)) + 1 for size in sizes]
    power, modes = np.full((*shape[:4], max(bins)), np.nan), np.full((len(LAYERS), max(bins)), np.nan)
    for place, count in enumerate(bins):
        modes[place, :count] = 1 + np.arange(count)
        share = modes[place, :count] * (1 + np.arange(count)) ** -2.0
        power[..., 0, place, :count] = share / share.sum()
        share[0] = 0
        power[..., 1, place, :count] = share / share.sum()
    cell = ("epoch", "normalisation", "map_mean", "layer")
    ones = np.ones(shape)
    return xr.Dataset(
        {
            "power": variable((*cell, "wave_number"), power, "power"),
            "power_standard_error": variable((*cell, "wave_number"), 0.05 * power, "standard error of power"),
            "centroid": variable((*cell, "sample"), centroid.astype("float32"), "centroid"),
            "low_fraction": variable((*cell, "sample"), 0.5 * ones, "low fraction"),
            "dead_fraction": variable(("epoch", *cell[2:], "sample"), 0.25 * ones[:, 0], "dead fraction"),
            "mean_square": variable(("epoch", "layer", "sample"), 2 * ones[:, 0, 0], "mean square", "squared activation"),
            "modes": variable(("layer", "wave_number"), modes, "modes"),
            "white_centroid": variable(("map_mean", "layer"), [[WHITE[0]] * len(LAYERS), [WHITE[1]] * len(LAYERS)], "white"),
        },
        coords={
            "epoch": list(epochs),
            "normalisation": ["channel_averaged", "per_channel"],
            "map_mean": ["kept", "removed"],
            "layer": list(numbers),
            "sample": np.arange(samples),
            "wave_number": np.arange(max(bins)),
            "layer_name": ("layer", list(names)),
            "operation": ("layer", list(kinds)),
            "relative_depth": ("layer", np.array(numbers) / 10),
            "channels": ("layer", list(channels)),
            "map_size": ("layer", list(sizes)),
        },
    )


def make_activation_table(
    planted: Mapping[str, tuple[float, float]] = PLANTED, datasets: tuple[str, ...] = ("fashion_mnist",), *, seeds: int = 1
) -> xr.Dataset:
    """The table of all checkpoints, one network of (change, rectification) each; and seed 9 of each at initialisation only."""
    rows: list[xr.Dataset] = []
    labels = []
    for dataset in datasets:
        for network, (change, step) in planted.items():
            runs = [("adamw", seed, make_activations(change, step)) for seed in range(seeds)]
            runs.append(("initial", 9, make_activations(change, step, epochs=(0,))))
            for recipe, seed, measured in runs:
                reduced = activation_statistics(measured)
                for epoch in reduced.epoch.values.tolist():
                    rows.append(reduced.sel(epoch=epoch, drop=True))
                    labels.append((dataset, network, recipe, 1000, seed, epoch, ARCHITECTURES.get(network, "vgg11")))
    table = xr.concat(rows, dim="checkpoint", data_vars="all", coords="minimal", compat="override", join="outer")
    names = ("dataset", "network", "recipe", "train_size", "seed", "epoch", "architecture")
    return table.assign_coords({name: ("checkpoint", [label[place] for label in labels]) for place, name in enumerate(names)})
