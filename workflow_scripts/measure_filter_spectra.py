"""Measure the filters of all convolutions of one run at every kept epoch: their spectra, and Gabor fits to those of the first."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from torch import nn

from workflow_scripts.diffeo.filter_spectra import Array, eigenvalues, filter_spectrum, mode_indices
from workflow_scripts.diffeo.gabor import SMALLEST, gabor_fits, principal_pictures
from workflow_scripts.diffeo.randomness import derive_seed
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset, write_empty

LAYER = ("network", "layer")
NO_FILTERS = "no convolution has filters of 2 x 2 pixels or more that are the same at all positions"
MOST = 64  # filters of the first layer that are kept as pictures, and fitted
NULL_DRAWS = 4  # random filters for each filter that a Gabor function is fitted to


def main(checkpoints: list[Path], filter_spectra: Path, labels: dict[str, Any]) -> None:
    """Compare every epoch with epoch 0, the first of `checkpoints`; `labels` names the run."""
    title = f"Filter spectra of {labels['network']} on {labels['dataset']}"
    about: dict[str, Any] = {"title": title, "configuration": {"filter_spectra": True}, "seed": labels["seed"]}
    first = load_network(checkpoints[0])[0]
    initial = filters_of(first)
    if not initial:
        write_empty(filter_spectra, labels, note=NO_FILTERS, **about)
        return
    epochs, spectra = [], []
    for path in progress(checkpoints):
        network, content = load_network(path)
        epochs.append(content["epoch"])
        filters = filters_of(network)
        layers = [
            numbered(filter_spectrum(initial[name], filters[name], groups=convolution.groups))
            for name, convolution in convolutions(network).items()
            if name in initial
        ]
        spectrum = xr.concat(layers, dim="layer", join="outer")
        spectra.append(spectrum.merge(numbered(about_first_layer(network, labels["seed"]))))
    dataset = numbered(xr.concat(spectra, dim="epoch")).assign_coords(epoch=epochs)
    dataset = with_run_dimensions(dataset, labels).merge(about_modes(initial)).assign_coords(about_layers(first))
    skipped = [name for name in convolutions(first) if name not in initial]
    write_dataset(dataset, filter_spectra, **about, skipped_layers=", ".join(skipped), null_draws=NULL_DRAWS)


def convolutions(network: nn.Module) -> dict[str, nn.Conv2d]:
    """All two-dimensional convolutions by their names, in the order of their definition."""
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}


def filters_of(network: nn.Module) -> dict[str, Array]:
    """Filters (output channel, input channel, k, k) of each convolution with k × k pixels, k ≥ 2; all others are left out."""
    found = {name: module.weight.detach().double().numpy() for name, module in convolutions(network).items()}
    return {name: weight for name, weight in found.items() if weight.shape[2] == weight.shape[3] and weight.shape[2] > 1}


def about_first_layer(network: nn.Module, seed: int) -> xr.Dataset:
    """Filters of the first convolution, and Gabor fits if they are large enough; empty if they have one pixel."""
    name, filters = next(iter(convolutions(network))), filters_of(network)
    if name not in filters:
        return xr.Dataset()
    first = filters[name][:MOST]
    dims, meaning = ("filter", "channel", "row", "column"), f"filters of the first layer, the first {MOST} if there are more"
    dataset = xr.Dataset({"first_layer_filters": variable(dims, first.astype(np.float32), meaning, "weight")})
    if first.shape[-1] < SMALLEST:
        return dataset
    return dataset.merge(gabor_fits(principal_pictures(first), null_draws=NULL_DRAWS, seed=derive_seed(seed, "gabor null")))


def about_modes(filters: dict[str, Array]) -> xr.Dataset:
    """Wave numbers of each mode, and its eigenvalue in each layer, NaN beyond the modes of the layer's kernel."""
    sizes = [weights.shape[-1] for weights in filters.values()]
    indices = mode_indices(max(sizes))
    rows = np.full((1, len(sizes), len(indices)), np.nan)
    for row, size in zip(rows[0], sizes, strict=True):
        row[: size**2] = eigenvalues(size)
    eigenvalue = variable((*LAYER, "mode"), rows, "eigenvalue of a mode on the grid of the layer's kernel")
    wave_numbers = {name: ("mode", numbers) for name, numbers in zip(("mode_a", "mode_b"), indices.T, strict=True)}
    return xr.Dataset({"eigenvalue": eigenvalue}, coords=wave_numbers)


def about_layers(network: nn.Module) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name, kernel, number of filters and relative depth (0 the first of all convolutions, 1 the last) of each layer."""
    filters, names = filters_of(network), list(convolutions(network))
    depths = [names.index(name) / max(len(names) - 1, 1) for name in filters]
    return {
        "layer_name": (LAYER, [list(filters)]),
        "kernel_size": (LAYER, [[weights.shape[-1] for weights in filters.values()]]),
        "filters": (LAYER, [[weights.shape[0] * weights.shape[1] for weights in filters.values()]]),
        "relative_depth": (LAYER, [depths]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
