"""Project the patches that drive the neurons of a run's layers most back to pixels, at initialisation and at the last epoch."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.deconvolution import (
    deconvolve,
    drawn_channels,
    patches_per_batch,
    picture_numbers,
    rectified_maps,
    seen_pixels,
)
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import Patches, strongest_patches
from workflow_scripts.diffeo.receptive_fields import Box, receptive_boxes
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.images import load_images
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset, write_empty
from workflow_scripts.support.observed import observed_checkpoints
from workflow_scripts.support.tensors import normalised, prepare_torch

AXES = ("row", "column")
PATCH = ("layer", "feature", "patch")
PICTURE = ("channel", *AXES)
LEVELS = 127  # of an int8 on either side of 0
NO_RECTIFIED_MAPS = "a deconvnet is defined for ReLUs of maps, and the network has none, or other activation functions"
MISSING = -1  # an index where fewer channels are active than asked for
MEANING = {
    "feature_channel": (PATCH[:2], "channel of the layer; -1 where fewer are active than asked for"),
    "image_index": (PATCH, "the patch's image along picture; -1 where there is none"),
    "position": ((*PATCH, "axis"), "position of the neuron in the layer's map; -1 where there is none"),
    "activation": (PATCH, "activation of the neuron"),
    "box_start": ((*PATCH, "axis"), "first pixel of the image that the neuron sees"),
    "box_stop": ((*PATCH, "axis"), "pixel after the last one of the image that the neuron sees"),
    "reconstruction": ((*PATCH, *PICTURE), "projection of the activation to pixels, over its largest absolute value"),
    "reconstruction_scale": (PATCH, "largest absolute value of the projection of the activation to pixels"),
    "share_inside": (PATCH, "share of the energy of the reconstruction inside the receptive field's box"),
    "extent": (PATCH, "edge of the uniform square as wide as the energy of the reconstruction"),
    "centroid": (PATCH, "mean |k| of the reconstruction over the Nyquist frequency"),
    "low_fraction": (PATCH, "share of the energy of the reconstruction below a quarter of the Nyquist frequency"),
    "dead_fraction": (("layer",), "share of the layer's channels that no image activates"),
    "receptive_field": (("layer", "axis"), "edge of the receptive field, also where it sticks out of the image"),
}
UNITS = {
    "position": "position",
    "activation": "activation",
    "reconstruction_scale": "normalised image",
} | dict.fromkeys(("box_start", "box_stop", "extent", "receptive_field"), "pixel")


def main(
    data: Path,
    checkpoints: list[Path],
    deconvolution: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Look at the checkpoints of a run on its validation images, or test images where a data set has no others."""
    title = f"Deconvolution of the strongest patches of {labels['network']} on {labels['dataset']}"
    about: dict[str, Any] = {"title": title, "configuration": {"deconvolution": settings}, "device": device}
    prepare_torch(threads, device)
    stored = load_images(data, dict.fromkeys(("validation", "test"), settings["images"]), at_most=True)
    split = "validation" if len(stored.images["validation"]) else "test"
    images = normalised(stored, split, device)
    epochs: dict[int, xr.Dataset] = {}
    for epoch, observed in observed_checkpoints(progress(checkpoints), images, device):
        layers = rectified_maps(observed, images[:1])
        if not layers:
            write_empty(deconvolution, labels, note=NO_RECTIFIED_MAPS, **about)
            return
        found = measured(observed, images, layers, settings, memory_mb)
        epochs[epoch] = as_dataset(found)
    dataset = xr.concat(epochs.values(), dim=xr.Variable("epoch", list(epochs))).sortby("epoch")
    dataset = numbered(with_pictures(dataset, stored.images[split])).assign_coords(axis=list(AXES))
    write_dataset(
        with_run_dimensions(dataset, labels).assign_coords(layer_coordinates(observed, layers)),
        deconvolution,
        **about,
        seed=settings["seed"],
        searched=f"{len(images)} {split} images",
    )


def measured(
    observed: ObservedNetwork, images: Tensor, layers: list[int], settings: dict[str, Any], memory_mb: int
) -> list[dict[str, Tensor]]:
    """The variables of each layer (a ReLU of maps, by its number as an operation) of one checkpoint."""
    boxes = receptive_boxes(observed, (images.shape[1], images.shape[2], images.shape[3]))
    batch_size = patches_per_batch(observed, images[:1], memory_mb)
    strongest = strongest_patches(observed, images, layers, settings["patches"], batch_size=batch_size)
    found = []
    for layer in layers:
        patches = strongest[layer]
        channels = drawn_channels(patches.activation[:, 0], settings["channels"], settings["seed"], layer)
        chosen = Patches(patches.image[channels], patches.position[channels], patches.activation[channels])
        reconstructions = deconvolve(observed, images, layer, channels, chosen, batch_size=batch_size)
        of_layer = {
            "dead_fraction": (patches.activation[:, 0] <= 0).double().mean(),
            "receptive_field": torch.tensor(boxes[layer].size),
        }
        found.append(of_patches(reconstructions, channels, chosen, boxes[layer], settings["channels"]) | of_layer)
    return found


def of_patches(reconstructions: Tensor, channels: Tensor, patches: Patches, box: Box, count: int) -> dict[str, Tensor]:
    """The variables of the chosen channels of a layer, and of as many missing ones as make `count`; features first."""
    start, stop = (filled(edge, count, 0) for edge in seen_pixels(box, patches.position, reconstructions.shape[-2:]))
    pictures = filled(reconstructions, count, 0)
    scale = pictures.abs().amax(dim=(-3, -2, -1))
    relative = pictures / scale.where(scale > 0, 1)[..., None, None, None]
    return {
        "feature_channel": filled(channels, count, MISSING),
        "image_index": filled(patches.image, count, MISSING),
        "position": filled(patches.position, count, MISSING),
        "activation": filled(patches.activation, count, torch.nan),
        "box_start": start,
        "box_stop": stop,
        "reconstruction": (LEVELS * relative).round().to(torch.int8),
        "reconstruction_scale": scale,
        **vars(picture_numbers(pictures, start, stop)),
    }


def filled(values: Tensor, count: int, missing: float) -> Tensor:
    """Values (features, ...) of fewer features than `count` as (count, ...)."""
    return torch.cat((values, values.new_full((count - len(values), *values.shape[1:]), missing)))


def as_dataset(layers: list[dict[str, Tensor]]) -> xr.Dataset:
    """Label the variables of one checkpoint."""
    variables = {}
    for name, (dims, long_name) in MEANING.items():
        values = torch.stack([layer[name].cpu() for layer in layers]).numpy()
        values = values.astype({"f": np.float32, "i": np.int32}[values.dtype.kind]) if values.itemsize > 1 else values
        scale = {"scale_factor": np.float32(1 / LEVELS)} if name == "reconstruction" else {}
        variables[name] = variable(dims, values, long_name, UNITS.get(name, "1"), **scale)
    return xr.Dataset(variables)


def with_pictures(dataset: xr.Dataset, images: np.ndarray) -> xr.Dataset:
    """The dataset with those of the searched `images` that some patch comes from, each once, and their places as image_index."""
    index = dataset.image_index.values
    used = np.unique(index[index >= 0])
    dataset.image_index.values = np.where(index >= 0, np.searchsorted(used, index), MISSING)
    dataset["image"] = variable(("picture", *PICTURE), images[used], "image that patches come from, 0 to 255")
    dataset["split_index"] = variable(("picture",), used, "number of the image in its split of the data file")
    return dataset


def layer_coordinates(observed: ObservedNetwork, layers: list[int]) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name, number and relative depth that the layers have in the stability files."""
    dims = ("network", "layer")
    return {
        "layer_name": (dims, [[observed.operations[layer].name for layer in layers]]),
        "operation_index": (dims, [layers]),
        "relative_depth": (dims, [np.array(layers) / (len(observed.operations) - 2)]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
