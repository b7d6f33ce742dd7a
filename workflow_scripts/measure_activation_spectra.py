"""Measure the power spectra of the activations of a run: every operation with maps, every kept checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.activation_spectra import (
    MAP_MEANS,
    NORMALISATIONS,
    MapSpectra,
    activation_spectra,
    images_per_batch,
    modes_per_bin,
    white_centroid,
)
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset, write_empty
from workflow_scripts.support.observed import observed_checkpoints
from workflow_scripts.support.tensors import load_probe, prepare_torch

NO_MAPS = "no operation makes maps of more than one pixel of the images"
SHARES = ("normalisation", "map_mean")
MEANING = {
    "power": (SHARES, "share of the power in the bin of |k|"),
    "centroid": (SHARES, "mean |k| over the Nyquist frequency"),
    "low_fraction": (
        SHARES,
        "share of the power below a quarter of the Nyquist frequency; missing where no mode is there",
    ),
    "dead_fraction": (("map_mean",), "share of the channels without power"),
    "mean_square": ((), "mean square of the activation"),
}


def main(
    data: Path,
    checkpoints: list[Path],
    spectra: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Look at all checkpoints of a run; `labels` names the run, `settings` is a block of the configuration."""
    prepare_torch(threads, device)
    images, _ = load_probe(data, settings["images"], device)
    title = f"Power spectra of the activations of {labels['network']} on {labels['dataset']}"
    about: dict[str, Any] = {"title": title, "configuration": {"activation_spectra": settings}, "device": device}
    epochs: dict[int, xr.Dataset] = {}
    for epoch, observed in observed_checkpoints(checkpoints, images, device):
        batch_size = images_per_batch(observed, images[:1], memory_mb)
        found = activation_spectra(observed, images, batch_size=batch_size, progress=progress)
        if all(observed.operations[index].kind == "input" for index in found):
            write_empty(spectra, labels, note=NO_MAPS, **about)
            return
        epochs[epoch] = as_dataset(found)
    dataset = xr.concat(epochs.values(), dim=xr.Variable("epoch", list(epochs))).sortby("epoch")
    sizes = [measured.shape[1:] for measured in found.values()]
    dataset["modes"] = modes(sizes)
    dataset["white_centroid"] = white_centroids(sizes)
    dataset = dataset.assign_coords(normalisation=list(NORMALISATIONS), map_mean=list(MAP_MEANS)).pipe(numbered)
    write_dataset(
        with_run_dimensions(dataset, labels).assign_coords(layer_coordinates(observed, found)),
        spectra,
        **about,
    )


def as_dataset(found: dict[int, MapSpectra]) -> xr.Dataset:
    """Label the spectra of one checkpoint: averages over images of the power, the rest image by image."""
    variables = {}
    for name, (dims, long_name) in MEANING.items():
        unit = "squared activation" if name == "mean_square" else "1"
        parts = [getattr(measured, name) for measured in found.values()]
        if name == "power":
            averages = [mean_with_error(part.double()) for part in parts]
            cell = (*dims, "layer", "wave_number")
            variables[name] = variable(cell, stacked([mean for mean, _ in averages]), f"{long_name}, mean over images", unit)
            error = stacked([error for _, error in averages])
            variables[f"{name}_standard_error"] = variable(cell, error, f"standard error of {name} over images", unit)
        else:
            variables[name] = variable((*dims, "layer", "sample"), torch.stack(parts, dim=-2), f"{long_name} of an image", unit)
    return xr.Dataset(variables, coords={"layer": list(found)})


def mean_with_error(power: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over the images of (..., images, bins), of those that have power, and its standard error: both (..., bins)."""
    number = power.isfinite().sum(dim=-2)
    mean = power.nanmean(dim=-2)
    squares = (power - mean[..., None, :]).square().nansum(dim=-2)
    return mean, (squares / (number * (number - 1))).sqrt().where(number > 1, torch.nan)


def stacked(parts: list[Tensor]) -> Tensor:
    """Arrays (..., bins) of different lengths as one (..., part, bins), NaN where a part has fewer."""
    bins = max(part.shape[-1] for part in parts)
    padded = [torch.nn.functional.pad(part, (0, bins - part.shape[-1]), value=torch.nan) for part in parts]
    return torch.stack(padded, dim=-2)


def modes(sizes: list[tuple[int, int]]) -> xr.Variable:
    """Wave vectors in each bin of |k| of maps of these sizes, (layer, wave_number); NaN beyond the last bin of a map."""
    counts = [modes_per_bin(*size).double() for size in sizes]
    return variable(("layer", "wave_number"), stacked(counts), "number of wave vectors in the bin of |k|")


def white_centroids(sizes: list[tuple[int, int]]) -> xr.Variable:
    """Centroids of white maps of these sizes, (map_mean, layer)."""
    centroids = torch.stack([white_centroid(*size) for size in sizes], dim=-1)
    return variable(("map_mean", "layer"), centroids, "mean |k| of white noise over the Nyquist frequency")


def layer_coordinates(observed: ObservedNetwork, found: dict[int, MapSpectra]) -> dict[str, tuple[tuple[str, str], Any]]:
    """What the layers are: name, kind and relative depth as in the stability files; channels and size (pixels) of their maps."""
    operations = [observed.operations[index] for index in found]
    depth = np.minimum(np.array(list(found)) / (len(observed.operations) - 2), 1)
    dims = ("network", "layer")
    return {
        "layer_name": (dims, [[operation.name for operation in operations]]),
        "operation": (dims, [[operation.kind for operation in operations]]),
        "relative_depth": (dims, depth[None]),
        "channels": (dims, [[measured.shape[0] for measured in found.values()]]),
        "map_size": (dims, [[max(measured.shape[1:]) for measured in found.values()]]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
