"""Measure how stable every neuron of a run's convolutions and activations is to transforms inside its receptive field."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.affine import NORMS, TRANSFORMS
from workflow_scripts.diffeo.contribution_profiles import AveragingNetwork
from workflow_scripts.diffeo.local_models import LocallyConnected2d
from workflow_scripts.diffeo.neuron_stability import (
    NeuronResponses,
    PatchSet,
    Site,
    Strength,
    activity,
    firing_at,
    neuron_stability,
    shared_patches,
    sites_of,
    union_of,
)
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import random_patches, strongest_patches
from workflow_scripts.diffeo.stability import images_per_batch
from workflow_scripts.diffeo.transform_displacement import (
    WEIGHTINGS,
    mean_displacements,
    spread,
    translation_shares,
    uniform_weights,
)
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.images import load_images
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset, write_empty
from workflow_scripts.support.observed import observed_checkpoints
from workflow_scripts.support.tensors import normalised, prepare_torch

CHOICES = ("random", "top1", "topk")
CELL = ("transform", "strength")
NEURON = ("patch_choice", *CELL, "channel")
MEANING = {
    "alpha": (NEURON, "α of a neuron, <[a(x) - a(τx)]²> over patches and draws", "squared activation"),
    "alpha_standard_error": (NEURON, "standard error of alpha over patches; missing for a single patch", "squared activation"),
    "local_firing_rate": (NEURON, "fraction of transformed patches on which a neuron fires that fires on the patch itself", "1"),
    "mean_activation": (("patch_choice", "channel"), "mean activation of a neuron", "activation"),
    "active_fraction": (("patch_choice", "channel"), "fraction of the patches on which the activation is positive", "1"),
    "pair_distance": (("channel",), "<[a(x) - a(z)]²> over distinct random patches", "squared activation"),
    "firing_threshold": (("channel",), "activation above which a neuron fires", "activation"),
    "global_firing_rate": (("channel",), "fraction of the random patches on which a neuron fires", "1"),
    "alpha_of_patch": ((*CELL, "patch"), "[a(x) - a(τx)]² of a random patch, mean over draws and neurons", "squared activation"),
    "squared_deviation_of_patch": (("patch",), "[a(x) - <a>]² of a random patch, mean over neurons", "squared activation"),
    "translation_share": (("transform", "patch"), "part of the mean square displacement that is a translation of the field", "1"),
    "mean_displacement": (("weighting", *CELL, "patch"), "mean displacement of the pixels that a neuron sees", "pixel"),
    "mean_square_distance": (("weighting", "patch"), "mean square distance of the pixels that a neuron sees from c", "pixel²"),
    "receptive_field": (("axis",), "edge of the receptive field, also where it sticks out of the image", "pixel"),
}


def main(
    data: Path,
    checkpoints: list[Path],
    local_transforms: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Random patches are of test images, the strongest ones of validation images (test images, if there are no others)."""
    title = f"Stability of the neurons of {labels['network']} on {labels['dataset']} to local transforms"
    about: dict[str, Any] = {"title": title, "configuration": {"local_transforms": settings}, "device": device}
    prepare_torch(threads, device)
    stored = load_images(data, {"test": settings["images"], "validation": settings["selection_images"]}, at_most=True)
    images = normalised(stored, "test", device)
    selected = "validation" if len(stored.images["validation"]) else "test"
    epochs: dict[int, xr.Dataset] = {}
    for epoch, observed in observed_checkpoints(checkpoints, images, device):
        sites = sites_of(observed, images[:1])
        note = why_not(observed, sites)
        if note:
            write_empty(local_transforms, labels, note=note, **about)
            return
        epochs[epoch] = measured(observed, sites, images, normalised(stored, selected, device), settings, memory_mb)
    dataset = xr.concat(epochs.values(), dim=xr.Variable("epoch", list(epochs))).merge(geometry(observed, images, settings))
    labelled = with_run_dimensions(numbered(dataset.assign_coords(coordinates(settings))), labels)
    write_dataset(
        labelled.assign_coords(layer_coordinates(observed, dataset.layer.values)),
        local_transforms,
        **about,
        seed=settings["seed"],
        random_patches=f"one of each of {len(images)} test images",
        strongest_patches=f"of {len(stored.images[selected])} {selected} images",
    )


def why_not(observed: ObservedNetwork, sites: list[Site]) -> str:
    """Why the neurons of a network cannot be measured on crops of images; empty if they can."""
    if any(isinstance(module, LocallyConnected2d) for module in observed.module.modules()):
        return "filters belong to positions: a crop of the image does not do"
    return "" if sites else "no convolution or activation makes maps of the images"


def measured(
    observed: ObservedNetwork, sites: list[Site], images: Tensor, selection: Tensor, settings: dict[str, Any], memory_mb: int
) -> xr.Dataset:
    """The variables of all layers of one checkpoint."""
    operations = [operation for site in sites for operation in site.operations]
    batch_size = images_per_batch(observed, selection, memory_mb)
    strongest = strongest_patches(observed, selection, operations, settings["top"], batch_size=batch_size)
    layers: dict[int, xr.Dataset] = {}
    for site in progress(sites):
        at_random, of_test = random_of(site, len(images), settings), NeuronResponses(observed, site, images, memory_mb)
        of_selection = NeuronResponses(observed, site, selection, memory_mb)
        top = union_of([strongest[operation] for operation in site.operations], site.map_size)
        found = measure_site(of_test, of_selection, at_random, top, settings)
        layers |= {operation: numbered(as_dataset(part)) for operation, part in zip(site.operations, found, strict=True)}
    return by_layer(layers)


def random_of(site: Site, images: int, settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """A random patch of each of `images` images: their index, and the position in the maps of a site."""
    return random_patches(settings["seed"], images, images, site.map_size)


def strengths_of(settings: dict[str, Any]) -> list[Strength]:
    """Norms and values, in the order of the dim `strength`."""
    values = {"displacement": settings["displacements"], "frobenius": settings["frobenius"]}
    return [(norm, value) for norm in NORMS for value in values[norm]]


def measure_site(
    of_test: NeuronResponses,
    of_selection: NeuronResponses,
    at_random: tuple[Tensor, Tensor],
    top: PatchSet,
    settings: dict[str, Any],
) -> list[dict[str, Tensor]]:
    """The variables of each operation of a site."""
    image, position = (part.to(top.image.device) for part in at_random)
    unmoved = of_test.unmoved(image, position)
    shared = shared_patches(image, position, [still.shape[1] for still in unmoved])
    unmoved_top = of_selection.unmoved(top.image, top.position)
    firing = [firing_at(still, settings["firing_rate"]) for still in unmoved]
    options: dict[str, Any] = {"strengths": strengths_of(settings), "draws": settings["draws"], "seed": settings["seed"]}
    everywhere = neuron_stability(of_test, shared, unmoved, firing, **options)
    at_top = neuron_stability(of_selection, top, unmoved_top, firing, **options)
    found = []
    for number, (still, fires) in enumerate(zip(unmoved, firing, strict=True)):
        of_random, of_top = everywhere[number], at_top[number]
        activities = activity(shared.chosen[number], still), activity(top.chosen[number], unmoved_top[number])
        deviation = (still.double() - still.double().mean(dim=0)).square()
        found.append(
            {
                "alpha": torch.cat((of_random.change, of_top.change)),
                "alpha_standard_error": torch.cat((of_random.change_error, of_top.change_error)),
                "local_firing_rate": torch.cat((of_random.local_firing_rate, of_top.local_firing_rate)),
                "mean_activation": torch.cat([part.mean for part in activities]),
                "active_fraction": torch.cat([part.active_fraction for part in activities]),
                "pair_distance": 2 * deviation.sum(dim=0) / (len(still) - 1),
                "firing_threshold": fires.threshold,
                "global_firing_rate": fires.rate,
                "alpha_of_patch": of_random.patch_change.T,
                "squared_deviation_of_patch": deviation.mean(dim=1),
            }
        )
    return found


def geometry(observed: ObservedNetwork, images: Tensor, settings: dict[str, Any]) -> xr.Dataset:
    """What the transforms do to the fields of the random patches of each layer, whatever the weights of the network."""
    averaging = AveragingNetwork(observed, (images.shape[1], images.shape[2], images.shape[3]))
    layers: dict[int, xr.Dataset] = {}
    for site in sites_of(observed, images[:1]):
        _, position = random_of(site, len(images), settings)
        region = site.region(position)
        uniform = uniform_weights(region, site.image_size)
        weights = {"profile": profiles_of(site, averaging, position, uniform), "uniform": uniform}
        moments = [spread(weights[name], region) for name in WEIGHTINGS]
        displacements = [mean_displacements(part, region, strengths_of(settings)) for part in moments]
        found = {
            "translation_share": translation_shares(moments[0]),
            "mean_displacement": torch.stack(displacements),
            "mean_square_distance": torch.stack([part.square for part in moments]),
            "receptive_field": torch.tensor(site.box.size),
        }
        layers |= {operation: as_dataset(found) for operation in site.operations}
    return by_layer(layers)


def profiles_of(site: Site, averaging: AveragingNetwork, position: Tensor, like: Tensor) -> Tensor:
    """Contribution profiles at positions; NaN where a site has none, behind a function that is not known."""
    known = [operation for operation in site.operations if operation in averaging.maps]
    return averaging.profiles(known[0], position) if known else torch.full_like(like, torch.nan)


def by_layer(layers: dict[int, xr.Dataset]) -> xr.Dataset:
    """Datasets of layers, by their numbers, as one; channels that others have are missing."""
    return xr.concat([layers[layer] for layer in sorted(layers)], dim=xr.Variable("layer", sorted(layers)), join="outer")


def as_dataset(found: dict[str, Tensor]) -> xr.Dataset:
    """Label the variables of one layer."""
    variables = {}
    for name, values in found.items():
        dims, long_name, units = MEANING[name]
        array = values.cpu().numpy()
        if array.ndim < len(dims):  # transforms and strengths are counted together
            place = dims.index("transform")
            array = array.reshape(*array.shape[:place], len(TRANSFORMS), -1, *array.shape[place + 1 :])
        variables[name] = variable(dims, array.astype(np.int32 if array.dtype.kind == "i" else np.float32), long_name, units)
    return xr.Dataset(variables)


def coordinates(settings: dict[str, Any]) -> dict[str, Any]:
    """Labels of the dims that all layers share."""
    norms, values = zip(*strengths_of(settings), strict=True)
    labels = {"patch_choice": list(CHOICES), "transform": list(TRANSFORMS), "weighting": list(WEIGHTINGS)}
    return labels | {"axis": ["row", "column"], "norm": ("strength", list(norms)), "amount": ("strength", list(values))}


def layer_coordinates(observed: ObservedNetwork, layers: np.ndarray) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name, kind and relative depth of the layers, as in the stability files."""
    dims, operations = ("network", "layer"), [observed.operations[layer] for layer in layers]
    return {
        "layer_name": (dims, [[operation.name for operation in operations]]),
        "operation": (dims, [[operation.kind for operation in operations]]),
        "relative_depth": (dims, [layers / (len(observed.operations) - 2)]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
