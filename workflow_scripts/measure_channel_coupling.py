"""Test whether the convolutions of a run's networks couple channels of the layer before that do the same up to a rotation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from workflow_scripts.diffeo.channel_coupling import (
    FEWEST_CHANNELS,
    TRANSFORMATIONS,
    Association,
    associate,
    coupling,
    random_orders,
    similarities,
    transformations,
)
from workflow_scripts.diffeo.convolution_pairs import ConvolutionPair, convolution_pairs
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.randomness import derive_seed
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import with_run_dimensions, write_dataset, write_empty

NO_CONVOLUTION = "the network has no convolution"
MEANING = {
    "correlation": "partial correlation, over pairs of channels, of their likeness up to a transformation with their coupling",
    "correlation_standard_error": "standard error of correlation over channels",
    "null_mean": "mean of the correlation when the second layer reads the channels in a random order",
    "null_standard_deviation": "standard deviation of the correlation under that null",
    "null_low": "2.5 % quantile of the correlation under that null",
    "null_high": "97.5 % quantile of the correlation under that null",
    "z": "effect size: correlation in standard deviations of the null from its mean",
    "p_value": "probability of so large a correlation under the null",
    "channels": "number of channels compared",
}
COMMENT = "missing where `reason` says why, and where too few filters can be compared"


def main(checkpoints: list[Path], coupled: Path, labels: dict[str, Any], settings: dict[str, Any], threads: int) -> None:
    """Test every pair of consecutive convolutions of each checkpoint."""
    title = f"Coupling of rotated neurons in {labels['network']} on {labels['dataset']}"
    about: dict[str, Any] = {"title": title, "configuration": {"channel_coupling": settings}, "seed": settings["seed"]}
    torch.set_num_threads(threads)
    parts = []
    for checkpoint in progress(checkpoints):
        network, content = load_network(checkpoint)
        pairs = convolution_pairs(network.eval())
        if not pairs:
            write_empty(coupled, labels, note=NO_CONVOLUTION, **about)
            return
        parts.append(as_dataset(pairs, settings).expand_dims(epoch=[content["epoch"]]))
        coordinates = layer_coordinates(pairs, ObservedNetwork(network))
    dataset = with_run_dimensions(xr.concat(parts, dim="epoch"), labels).assign_coords(coordinates)
    write_dataset(dataset, coupled, **about)


def as_dataset(pairs: list[ConvolutionPair], settings: Mapping[str, Any]) -> xr.Dataset:
    """The numbers of one checkpoint, (transformation, layer)."""
    rows = [[numbers(pair, kind, settings) for pair in pairs] for kind in TRANSFORMATIONS]
    cell = ("transformation", "layer")
    variables = {
        name: variable(cell, [[row.get(name, np.nan) for row in line] for line in rows], meaning, comment=COMMENT)
        for name, meaning in MEANING.items()
    }
    return xr.Dataset(variables, {"transformation": list(TRANSFORMATIONS), "layer": np.arange(len(pairs))})


def numbers(pair: ConvolutionPair, kind: str, settings: Mapping[str, Any]) -> dict[str, float]:
    """What the test says of one pair of layers; empty where there is nothing to test."""
    if pair.filters is None or pair.weights is None:
        return {}
    transformed = transformations(kind, pair.filters.shape[-1], reflections=settings["reflections"])
    seed = derive_seed(settings["seed"], "channel coupling", pair.name)
    orders = random_orders(len(pair.filters), settings["permutations"], seed)
    found = associate(similarities(pair.filters, transformed), coupling(pair.weights), orders)
    return summary_of(found) if found else {}


def summary_of(found: Association) -> dict[str, float]:
    """The numbers of `MEANING`."""
    low, high = np.quantile(found.null, [0.025, 0.975])
    return {
        "correlation": found.correlation,
        "correlation_standard_error": found.standard_error,
        "null_mean": float(found.null.mean()),
        "null_standard_deviation": float(found.null.std(ddof=1)),
        "null_low": float(low),
        "null_high": float(high),
        "z": found.z,
        "p_value": found.p_value,
        "channels": found.channels,
    }


def too_few(pair: ConvolutionPair) -> str:
    """Why two convolutions that fit are not tested, if they have not enough channels for it."""
    few = pair.filters is not None and len(pair.filters) < FEWEST_CHANNELS
    return f"fewer than {FEWEST_CHANNELS} channels are between the two convolutions" if few else ""


def layer_coordinates(pairs: list[ConvolutionPair], observed: ObservedNetwork) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name and relative depth (as in stability files) of each convolution, the one before it, or why it has no number."""
    names = [operation.name for operation in observed.operations]
    depth = [names.index(pair.name) / (len(names) - 2) for pair in pairs]
    columns = {
        "layer_name": [pair.name for pair in pairs],
        "layer_before": [pair.before for pair in pairs],
        "reason": [pair.reason or too_few(pair) for pair in pairs],
        "relative_depth": depth,
    }
    return {name: (("network", "layer"), [column]) for name, column in columns.items()}


if "snakemake" in globals():
    run(main, globals()["snakemake"])
