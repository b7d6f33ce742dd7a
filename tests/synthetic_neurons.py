"""A made-up file of local transforms of a run, and a made-up `results/local_transforms.nc`."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.neuron_averages import COORDINATES, MEANING, UNITS
from workflow_scripts.diffeo.variables import variable

TRANSFORMS = ["compression", "rotation", "shear", "translation"]
CHOICES = ["random", "top1", "topk"]
NORMS, AMOUNTS = ["displacement", "displacement", "frobenius"], [0.5, 1.0, 1.0]
NETWORKS = {"lenet": 2, "vgg11": 5}  # activations
DIMS = {
    "firing_invariance": ("patch_choice", "transform", "strength"),
    "active_fraction": ("patch_choice",),
    "firing_neurons": ("patch_choice",),
    "translation_share": ("transform",),
    "object_translation_share": (),
    "mean_displacement": ("weighting", "transform", "strength"),
}


def make_run(epochs: Sequence[int] = (0, 2), seed: int = 0) -> xr.Dataset:
    """A file without the dims of its run: 3 layers of 4, 4 and 6 channels, 40 patches, random numbers."""
    random = np.random.default_rng(seed)
    channels, patches = [4, 4, 6], 40
    sizes = {"epoch": len(epochs), "layer": 3, "patch_choice": 3, "transform": 4, "strength": 3, "channel": 6, "patch": patches}
    sizes |= {"weighting": 2, "axis": 2}
    cell = ("transform", "strength")
    dims = {
        "alpha": ("epoch", "layer", "patch_choice", *cell, "channel"),
        "local_firing_rate": ("epoch", "layer", "patch_choice", *cell, "channel"),
        "active_fraction": ("epoch", "layer", "patch_choice", "channel"),
        "pair_distance": ("epoch", "layer", "channel"),
        "global_firing_rate": ("epoch", "layer", "channel"),
        "alpha_of_patch": ("epoch", "layer", *cell, "patch"),
        "squared_deviation_of_patch": ("epoch", "layer", "patch"),
        "translation_share": ("layer", "transform", "patch"),
        "mean_displacement": ("layer", "weighting", *cell, "patch"),
        "mean_square_distance": ("layer", "weighting", "patch"),
    }
    variables = {name: variable(of, 0.1 + random.random([sizes[dim] for dim in of]), name) for name, of in dims.items()}
    known = xr.Variable(("layer", "channel"), np.arange(6) < np.array(channels)[:, None])
    for name, of in dims.items():
        if "channel" in of:
            variables[name] = variables[name].where(known).transpose(*of)
    variables["receptive_field"] = variable(("layer", "axis"), np.array([[3, 3], [3, 3], [4, 9]]), "edge", "pixel")
    labels = {"patch_choice": CHOICES, "transform": TRANSFORMS, "weighting": ["profile", "uniform"], "epoch": list(epochs)}
    return xr.Dataset(variables, labels).assign_coords(
        norm=("strength", NORMS),
        amount=("strength", AMOUNTS),
        strength=np.arange(3),
        layer=[1, 3, 4],
        layer_name=("layer", ["conv", "relu", "relu2"]),
        operation=("layer", ["convolution", "activation", "activation"]),
        relative_depth=("layer", [0.2, 0.6, 0.8]),
    )


def make_table(
    linear: float = -0.3, relative: float = 0.0, active: float = 0.4, share: float = 0.7, growth: float = 3.0, seeds: int = 1
) -> xr.Dataset:
    """A table with planted numbers, on data sets `a` and `b`, at epochs 0 and 2.

    Training changes log10 of α normalised by `linear`, and of a translation by `relative` less; a fraction `active` of the
    neurons is active; `share` of the displacement of an object is a translation in the last layer, where displacements are
    `growth` times those of the first. Errors are 3 %.
    """
    rows = [(data, name, seed, epoch) for data in "ab" for name in NETWORKS for seed in range(seeds) for epoch in (0, 2)]
    layers = 2 * max(NETWORKS.values())
    sizes = {"checkpoint": len(rows), "patch_choice": 3, "layer": layers, "transform": 4, "strength": 3, "weighting": 2}
    known = np.array([np.arange(layers) < 2 * NETWORKS[name] for _, name, *_ in rows])
    along = np.linspace(0, 1, layers)[None] * np.array([layers / (2 * NETWORKS[name]) for _, name, *_ in rows])[:, None]
    after = np.array([epoch > 0 for *_, epoch in rows])
    cell = ("checkpoint", "patch_choice", "layer", "transform", "strength")
    changes = np.where(np.array(TRANSFORMS) == "translation", linear - relative, linear)
    alpha = 10 ** (after[:, None, None] * changes - along[..., None])
    contents = {
        name: (cell, np.broadcast_to(alpha[:, None, ..., None], [sizes[dim] for dim in cell]))
        for name in ("alpha", "alpha_normalised")
    }
    for name, of in DIMS.items():
        planted = {"active_fraction": active, "firing_neurons": 1.0, "translation_share": 0.1, "object_translation_share": share}
        dims = ("checkpoint", "layer", *of)
        values = np.full([sizes[dim] for dim in dims], planted.get(name, 2.0))
        if name == "mean_displacement":
            last = np.array([2 * NETWORKS[network] - 1 for _, network, *_ in rows])
            values *= (growth ** np.clip(np.arange(layers) / last[:, None], 0, 1))[:, :, None, None, None]
        contents[name] = (dims, values)
    for name, change in (("linear_change", linear), ("translation_change", linear - relative), ("relative_change", relative)):
        contents[name] = (("checkpoint", "strength"), np.where(after, change, 0.0)[:, None] * np.ones(3))
    variables = {}
    for name, (dims, values) in contents.items():
        array = xr.Variable(dims, np.array(values))
        if "layer" in dims:
            array = array.where(xr.Variable(("checkpoint", "layer"), known)).transpose(*dims)
        error = 0.03 * abs(array)
        variables[name] = variable(dims, array.values, MEANING[name], UNITS.get(name, "1"))
        variables[f"{name}_standard_error"] = variable(dims, error.values, f"standard error of {name}", UNITS.get(name, "1"))
    kinds = np.where(known, np.where(np.arange(layers) % 2, "activation", "convolution"), "")
    about = {"layer_name": kinds, "operation": kinds, "relative_depth": np.where(known, np.clip(along, 0, 0.95), np.nan)}
    variables |= {name: variable(("checkpoint", "layer"), about[name], COORDINATES[name]) for name in COORDINATES}
    edges = np.where(known, 3.0 + 8 * (np.arange(layers) // 2), np.nan)
    variables["receptive_field"] = variable(("checkpoint", "layer"), edges, "edge of the receptive field", "pixel")
    labels = dict(zip(("dataset", "network", "seed", "epoch"), map(list, zip(*rows, strict=True)), strict=True))
    labels |= {"recipe": ["sgd"] * len(rows), "train_size": [100] * len(rows), "architecture": labels["network"]}
    return xr.Dataset(
        variables,
        {"patch_choice": CHOICES, "transform": TRANSFORMS, "weighting": ["profile", "uniform"], "layer": np.arange(layers)},
    ).assign_coords(
        norm=("strength", NORMS),
        amount=("strength", AMOUNTS),
        **{name: ("checkpoint", values) for name, values in labels.items()},
    )
