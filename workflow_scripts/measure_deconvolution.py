"""Project the patches that drive the neurons of a run's layers most back to pixels, at initialisation and at the last epoch."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.deconvolution import deconvolve, drawn_channels, picture_numbers, rectified_maps, seen_pixels
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import Patches, strongest_patches
from workflow_scripts.diffeo.receptive_fields import Box, receptive_boxes
from workflow_scripts.diffeo.stability import images_per_batch
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.images import load_images
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset
from workflow_scripts.support.tensors import normalised, prepare_torch

AXES = ("row", "column")
PATCH = ("layer", "feature", "patch")
PICTURE = ("channel", *AXES)
LEVELS = 127  # of an int8 on either side of 0
MISSING = -1  # in these variables where fewer channels are active than asked for
MAY_MISS = ("feature_channel", "image_index", "position")
MEANING = {
    "feature_channel": (PATCH[:2], "channel of the layer; -1 where fewer are active than asked for"),
    "image_index": (PATCH, "image among those searched; -1 where there is none"),
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
    prepare_torch(threads, device)
    stored = load_images(data, dict.fromkeys(("validation", "test"), settings["images"]), at_most=True)
    split = "validation" if len(stored.images["validation"]) else "test"
    images = normalised(stored, split, device)
    epochs: dict[int, xr.Dataset] = {}
    for checkpoint in progress(checkpoints):
        network, content = load_network(checkpoint)
        prepare_batch_norm(network.to(device), images, content["epoch"])
        observed = ObservedNetwork(network)
        epochs[content["epoch"]] = as_dataset(measured(observed, images, settings, memory_mb))
    dataset = xr.concat(epochs.values(), dim=xr.Variable("epoch", list(epochs))).sortby("epoch")
    dataset = numbered(dataset.merge(pictures(stored.images[split], dataset.image_index.values))).assign_coords(axis=list(AXES))
    write_dataset(
        with_run_dimensions(dataset, labels).assign_coords(layer_coordinates(observed, dataset.layer.values)),
        deconvolution,
        title=f"Deconvolution of the strongest patches of {labels['network']} on {labels['dataset']}",
        configuration={"deconvolution": settings},
        device=device,
        seed=settings["seed"],
        searched=f"{len(images)} {split} images",
    )


def measured(observed: ObservedNetwork, images: Tensor, settings: dict[str, Any], memory_mb: int) -> dict[int, dict[str, Tensor]]:
    """The variables of each layer (a ReLU of maps) of one checkpoint, by the layer's number."""
    boxes = receptive_boxes(observed, (images.shape[1], images.shape[2], images.shape[3]))
    layers = rectified_maps(observed, images[:1])
    batch_size = images_per_batch(observed, images[:1], memory_mb)
    strongest = strongest_patches(observed, images, layers, settings["patches"], batch_size=batch_size)
    found = {}
    for layer, patches in strongest.items():
        channels = drawn_channels(patches.activation[:, 0], settings["channels"], settings["seed"], layer)
        chosen = Patches(patches.image[channels], patches.position[channels], patches.activation[channels])
        reconstructions = deconvolve(observed, images, layer, channels, chosen, batch_size=batch_size)
        variables = of_patches(reconstructions, channels, chosen, boxes[layer])
        found[layer] = {name: padded(name, values, settings["channels"]) for name, values in variables.items()} | {
            "dead_fraction": (patches.activation[:, 0] <= 0).double().mean(),
            "receptive_field": torch.tensor(boxes[layer].size),
        }
    return found


def of_patches(reconstructions: Tensor, channels: Tensor, patches: Patches, box: Box) -> dict[str, Tensor]:
    """The variables of the chosen channels of a layer, features first."""
    start, stop = seen_pixels(box, patches.position, reconstructions.shape[-2:])
    scale = reconstructions.abs().amax(dim=(-3, -2, -1))
    relative = reconstructions / scale.where(scale > 0, 1)[..., None, None, None]
    return {
        "feature_channel": channels,
        "image_index": patches.image,
        "position": patches.position,
        "activation": patches.activation,
        "box_start": start,
        "box_stop": stop,
        "reconstruction": (LEVELS * relative).round().to(torch.int8),
        "reconstruction_scale": scale,
        **vars(picture_numbers(reconstructions, start, stop)),
    }


def padded(name: str, values: Tensor, count: int) -> Tensor:
    """Values (features, ...) as (count, ...) on the CPU, filled up with what says that there is no such feature."""
    fill = torch.nan if values.is_floating_point() else MISSING if name in MAY_MISS else 0
    missing = values.new_full((count - len(values), *values.shape[1:]), fill)
    return torch.cat((values, missing)).cpu()


def as_dataset(layers: dict[int, dict[str, Tensor]]) -> xr.Dataset:
    """Label the variables of one checkpoint."""
    variables = {}
    for name, (dims, long_name) in MEANING.items():
        values = torch.stack([layer[name].cpu() for layer in layers.values()]).numpy()
        values = values.astype({"f": np.float32, "i": np.int32}[values.dtype.kind]) if values.itemsize > 1 else values
        scale = {"scale_factor": np.float32(1 / LEVELS)} if name == "reconstruction" else {}
        variables[name] = variable(dims, values, long_name, UNITS.get(name, "1"), **scale)
    return xr.Dataset(variables, coords={"layer": list(layers)})


def pictures(images: np.ndarray, index: np.ndarray) -> xr.Dataset:
    """The images that some patch comes from, each once, labelled by their index."""
    used = np.unique(index[index >= 0])
    values = variable(("picture", *PICTURE), images[used], "image that patches come from, 0 to 255; by image_index")
    return xr.Dataset({"image": values}, coords={"picture": used})


def layer_coordinates(observed: ObservedNetwork, layers: np.ndarray) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name and relative depth of the layers, as in the stability files."""
    dims = ("network", "layer")
    return {
        "layer_name": (dims, [[observed.operations[layer].name for layer in layers]]),
        "relative_depth": (dims, [layers / (len(observed.operations) - 2)]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
