"""Result files made by hand, with planted numbers: what the tests of claims and figures read."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.depth_profiles import in_sequence, inside, poolings
from workflow_scripts.diffeo.network_options import with_options
from workflow_scripts.diffeo.variables import variable

DISPLACEMENTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0)
ARCHITECTURES = {
    "fc2": "fully_connected",
    "simple_cnn": "simple_cnn",
    "lenet": "lenet",
    "vgg11_bn_narrow": "vgg11_bn",
    "resnet18_narrow": "resnet18",
}
OPERATIONS = ("convolution", "batch_norm", "activation", "pool")
# R_f of the logits at (initialisation, trained)
PLANTED = {
    "fc2": (1.1, 0.9),
    "simple_cnn": (1.2, 0.8),
    "lenet": (1.0, 0.3),
    "vgg11_bn_narrow": (0.9, 0.05),
    "resnet18_narrow": (1.3, 0.02),
}


def make_summary(
    datasets: Sequence[str] = ("fashion_mnist",),
    planted: dict[str, tuple[float, float | None]] | None = None,
    *,
    initial_seeds: int = 4,
    trained_seeds: int = 1,
    displacements: Sequence[float] = DISPLACEMENTS,
    interpolations: Sequence[str] = ("bilinear", "gaussian"),
    relative_error: float = 0.05,
    scatter: float = 0.0,
    networks: Mapping[str, Mapping[str, Any]] | None = None,
) -> xr.Dataset:
    """A summary in which R of the logits is the planted one at every strength, times 1.3^(data set) 10^(scatter (−1)^seed).

    R goes from 1 at the input to its value at the logits as a straight line in log10 against relative depth. A network planted
    with `None` in place of a number was not trained. Every fourth network of a longer list is deeper. `networks` are blocks of
    the configuration, for those of `planted` whose architecture or numbers play a part.
    """
    blocks = {name: {"architecture": kind} for name, kind in ARCHITECTURES.items()} | dict(networks or {})
    planted = PLANTED if planted is None else planted
    rows = []
    for place, dataset in enumerate(datasets):
        for number, (network, (before, after)) in enumerate(planted.items()):
            depth = 6 + 4 * (number % 4)
            factors = [1.3**place * 10 ** (scatter * (-1) ** seed) for seed in range(max(initial_seeds, trained_seeds))]
            for seed in range(initial_seeds):
                rows.append((dataset, network, "initial", 1000, seed, 0, depth, before * factors[seed]))
            for seed in range(trained_seeds if after else 0):
                rows.append((dataset, network, "adamw", 1000, seed, 0, depth, before * factors[seed]))
                rows.append((dataset, network, "adamw", 1000, seed, 4, depth, (after or 1) * factors[seed]))
    layers = max(row[6] for row in rows) + 3
    shape = (len(rows), len(interpolations), len(displacements), layers)
    r = 5 * np.array(displacements)
    ratio, depths, kinds = np.full(shape, np.nan), np.full((len(rows), layers), np.nan), np.full((len(rows), layers), "", object)
    for row, (*_, depth, final) in enumerate(rows):
        depths[row, : depth + 3] = np.minimum(np.arange(depth + 3) / (depth + 1), 1)
        kinds[row, : depth + 3] = ["input", *(OPERATIONS[k % 4] for k in range(depth)), "logits", "softmax"]
        ratio[row] = 10 ** (np.log10(final) * depths[row])
    gain = 1 + np.array([list(planted).index(row[1]) for row in rows])
    noise = np.broadcast_to((1e-3 * r**2 / (1 + 1e-3 * r**2))[:, None] * gain[:, None, None, None], shape)
    variables = {}
    cell = ("checkpoint", "interpolation", "strength", "layer")
    for name, values in (("D", ratio * noise), ("G", noise + 0 * ratio), ("R", ratio)):
        variables[name] = variable(cell, values, name)
        variables[f"{name}_standard_error"] = variable(cell, relative_error * values, f"standard error of {name}")
    made = xr.Dataset(
        variables
        | {
            "r": variable(cell[:3], np.broadcast_to(r, shape[:3]).copy(), "norm", "normalised image"),
            "displacement": variable(
                ("checkpoint", "strength"), np.broadcast_to(displacements, shape[::2][:2]).copy(), "displacement", "pixel"
            ),
            "operation": variable(("checkpoint", "layer"), kinds, "operation"),
            "relative_depth": variable(("checkpoint", "layer"), depths, "relative depth"),
        },
        coords={
            "interpolation": list(interpolations),
            "layer": np.arange(layers),
            "dataset": ("checkpoint", [row[0] for row in rows]),
            "network": ("checkpoint", [row[1] for row in rows]),
            "recipe": ("checkpoint", [row[2] for row in rows]),
            "train_size": ("checkpoint", [row[3] for row in rows]),
            "seed": ("checkpoint", [row[4] for row in rows]),
            "epoch": ("checkpoint", [row[5] for row in rows]),
            "architecture": ("checkpoint", [blocks.get(row[1], {"architecture": "vgg11"})["architecture"] for row in rows]),
        },
    )
    return plant_changes(with_options(made, {name: blocks.get(name, {}) for name in planted}), relative_error)


def plant_changes(summary: xr.Dataset, relative_error: float) -> xr.Dataset:
    """The summary with the changes of log10 R with depth that its R have; the error of each is `relative_error`/ln 10."""
    cells = summary.R.shape[:-1]
    changes = {name: np.full(cells, np.nan) for name in ("pooling_step", "depth_slope", "largest_rise")}
    changes["R_step"] = np.full(summary.R.shape, np.nan)
    masks = {mask: mask(summary.operation).values for mask in (in_sequence, inside, poolings)}
    for row, values in enumerate(np.log10(summary.R.values)):
        places, counted, pools = (np.flatnonzero(mask[row]) for mask in masks.values())
        changes["R_step"][row][..., places[1:]] = np.diff(values[..., places])
        changes["pooling_step"][row] = changes["R_step"][row][..., pools].mean(-1) if len(pools) else np.nan
        lines = np.polyfit(summary.relative_depth.values[row, counted], values[..., counted].reshape(-1, len(counted)).T, 1)
        changes["depth_slope"][row] = lines[0].reshape(cells[1:])
        changes["largest_rise"][row] = np.max([values[..., k] - values[..., j] for j, k in combinations(places, 2)], axis=0)
    for name, numbers in changes.items():
        dims = summary.R.dims[: numbers.ndim]
        summary[name] = variable(dims, numbers, name)
        error = np.where(np.isnan(numbers), np.nan, relative_error / math.log(10))
        summary[f"{name}_standard_error"] = variable(dims, error, f"standard error of {name}")
    return summary


def plant_operations(
    summary: xr.Dataset,
    network: str,
    kinds: Sequence[str],
    *,
    before: Sequence[float] | None = None,
    after: Sequence[float] | None = None,
) -> xr.Dataset:
    """The summary with other kinds of operations between input and logits of a network, as many as it has, and other R there.

    `before` are R at initialisation and `after` trained, from the input to the logits; errors stay as they are.
    """
    made = summary.copy(deep=True)
    end = len(kinds) + 2
    for row in np.flatnonzero(made.network == network):
        made.operation.values[row, 1 : end - 1] = kinds
        planted = after if made.epoch.values[row] else before
        if planted is not None:
            factor = np.asarray(planted) / made.R.values[row, :, :, :end]
            for name in ("D", "D_standard_error", "R", "R_standard_error"):
                made[name].values[row, :, :, :end] *= factor
    return plant_changes(made, math.log(10) * float(made.depth_slope_standard_error.max()))


def make_calibration(
    dataset: str = "fashion_mnist",
    cutoff: int = 3,
    displacements: Sequence[float] = DISPLACEMENTS,
    size: int = 28,
    channels: int = 1,
) -> xr.Dataset:
    """The calibration of one cutoff: r = 5 δ, exact rms displacement 0.77 δ, a bright square as the example image."""
    shift = np.array(displacements)
    temperature = 4 * shift**2 / (np.pi * size**2 * np.log(cutoff))
    image = -np.ones((3, channels, size, size))
    image[..., size // 4 : size // 2, size // 4 : -size // 4] = 2
    interpolations = ["bilinear", "gaussian"]
    cell = ("cutoff", "interpolation", "strength")
    picture = ("example", "channel", "row", "column")
    moved = np.stack([[[np.roll(image, round(2 * step), -1) for step in shift] for _ in interpolations]])
    r = np.stack([[5 * shift] * 2])
    folded = np.clip(shift - 1, 0, 0.8)[None]
    variables = {
        "temperature": variable(("cutoff", "strength"), temperature[None], "temperature"),
        "critical_temperature_1": variable(("cutoff",), [1 / (np.pi * size**2 * np.log(cutoff))], "temperature T1"),
        "critical_temperature_2": variable(("cutoff",), [4 / (np.pi**3 * cutoff**2 * np.log(cutoff))], "temperature T2"),
        "rms_displacement_exact": variable(("cutoff", "strength"), 0.77 * shift[None], "rms displacement", "pixel"),
        "folded_fraction": variable(("cutoff", "strength"), folded, "folded fraction"),
        "folded_fraction_standard_error": variable(("cutoff", "strength"), 0.1 * folded, "standard error"),
        "radius": variable(cell, r, "norm", "normalised image"),
        "radius_standard_error": variable(cell, 0.05 * r, "standard error", "normalised image"),
        "example_deformed": variable((*cell, *picture), moved, "deformed", "normalised image"),
        "example_noisy": variable((*cell, *picture), moved + 0.1, "noisy", "normalised image"),
        "displacement": variable(("strength",), shift, "displacement", "pixel"),
        "example_image": variable(picture, image, "image", "normalised image"),
    }
    coordinates = {"cutoff": [cutoff], "interpolation": interpolations, "strength": np.arange(len(shift))}
    return xr.Dataset(variables, coordinates).expand_dims(dataset=[dataset])


def make_history(dataset: str = "fashion_mnist", network: str = "fc2", seed: int = 0, epochs: int = 4) -> xr.Dataset:
    """A training whose test error is 0.9/(epoch + 1), validation the same + 0.01, train the same − 0.1, not below 0."""
    test = 0.9 / np.arange(1, epochs + 2)
    error = np.stack([test, np.clip(test - 0.1 * np.arange(epochs + 1), 0, 1), test + 0.01], axis=1)
    history = xr.Dataset(
        {
            "error": variable(("epoch", "split"), error, "fraction of misclassified images"),
            "loss": variable(("epoch", "split"), error * 2 + 0.1, "loss"),
        },
        coords={"epoch": np.arange(epochs + 1), "split": ["test", "train", "validation"]},
    )
    run = {"dataset": [dataset], "network": [network], "recipe": ["adamw"], "train_size": [1000], "seed": [seed]}
    return history.expand_dims(run)
