"""Measure what the neurons of a network can see and how much each pixel contributes to them: no data, no weights."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from workflow_scripts.diffeo.contribution_profiles import AveragingNetwork, FieldSize, field_size
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.receptive_fields import Box, Pair, map_sizes, receptive_boxes
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset, write_empty

NO_MAPS = "no operation makes maps of the images"
AXES = ("row", "column")
LAYER = ("network", "layer")


def main(receptive_fields: Path, labels: dict[str, Any], specification: dict[str, Any], input_shape: list[int]) -> None:
    """Look at every operation with maps of one network on images of `input_shape`; `labels` are `dataset` and `network`."""
    channels, height, width = input_shape
    shape = (channels, height, width)
    network = build_network(specification, input_shape=shape, classes=2, seed=0)
    observed = ObservedNetwork(network.eval())
    sizes, boxes = map_sizes(observed, shape), receptive_boxes(observed, shape)
    title = f"Receptive fields of {labels['network']} on images of {labels['dataset']}"
    about: dict[str, Any] = {"title": title, "configuration": {labels["network"]: specification, "input_shape": input_shape}}
    if not set(sizes) - {0}:
        write_empty(receptive_fields, labels, note=NO_MAPS, **about)
        return
    averages = AveragingNetwork(observed, shape)
    dataset = about_boxes(sizes, {index: boxes[index] for index in sizes}, (height, width))
    dataset = dataset.merge(about_profiles(averages, sizes, (height, width))).assign_coords(layer=list(sizes), axis=list(AXES))
    write_dataset(
        with_run_dimensions(numbered(dataset), labels).assign_coords(about_layers(observed, sizes)),
        receptive_fields,
        **about,
    )


def about_boxes(sizes: dict[int, Pair], boxes: dict[int, Box], image_size: Pair) -> xr.Dataset:
    """Sizes of the maps, boxes, and the share of the image that the central neuron sees; dims (layer, axis)."""
    cell = ("layer", "axis")
    shares = []
    for index, box in boxes.items():
        rows, columns = box.clipped(middle(sizes[index]), image_size)
        shares.append((rows.stop - rows.start) * (columns.stop - columns.start) / (image_size[0] * image_size[1]))
    meaning = {
        "size": "number of pixels that a position sees",
        "jump": "pixels from the first that a position sees to the first that its neighbour sees; 0 if all see the same",
        "offset": "first pixel that position 0 sees; negative where padding is seen",
    }
    variables = {
        f"box_{name}": variable(cell, [getattr(box, name) for box in boxes.values()], long_name, "pixel")
        for name, long_name in meaning.items()
    }
    variables["map_size"] = variable(cell, list(sizes.values()), "number of positions of the operation's maps")
    variables["box_share"] = variable(("layer",), shares, "share of the image inside the box of the central position")
    return xr.Dataset(variables)


def about_profiles(averages: AveragingNetwork, sizes: dict[int, Pair], image_size: Pair) -> xr.Dataset:
    """The contribution profile of the central position, centre and effective size along the middle row; NaN if not known."""
    positions = max(columns for _, columns in sizes.values())
    profiles = np.full((len(sizes), *image_size), np.nan, np.float32)
    centres = np.full((len(sizes), positions, 2), np.nan)
    effective = np.full((len(sizes), positions), np.nan)
    for layer, (index, (rows, columns)) in enumerate(sizes.items()):
        if index not in averages.maps:
            continue
        previous = list(sizes)[layer - 1]
        if layer and previous in averages.maps and averages.same(index, previous):
            profiles[layer], centres[layer], effective[layer] = profiles[layer - 1], centres[layer - 1], effective[layer - 1]
            continue
        profiles[layer], found = of_middle_row(averages, index, (rows, columns))
        centres[layer, :columns], effective[layer, :columns] = found.centre, found.effective_size
    central = [columns // 2 for _, columns in sizes.values()]
    layers = np.arange(len(sizes))
    along = "along the middle row of the map"
    return xr.Dataset(
        {
            "profile": variable(
                ("layer", "row", "column"), profiles, "contribution of each pixel to the central position, maximum 1"
            ),
            "effective_size": variable(
                ("layer",), effective[layers, central], "√(Σ profile / max profile) of the central position", "pixel"
            ),
            "centre": variable(("layer", "axis"), centres[layers, central], "centre of the central position's profile", "pixel"),
            "row_effective_size": variable(("layer", "position"), effective, f"effective size of the positions {along}", "pixel"),
            "row_centre": variable(
                ("layer", "position"), centres[..., 1], f"column of the centre of the profiles of the positions {along}", "pixel"
            ),
        }
    )


def of_middle_row(averages: AveragingNetwork, operation: int, size: Pair) -> tuple[np.ndarray, FieldSize]:
    """Profile (h, w) of the central position, and centres and effective sizes of all positions of the middle row."""
    row, column = middle(size)
    positions = torch.stack((torch.full((size[1],), row), torch.arange(size[1])), dim=1)
    profiles = averages.profiles(operation, positions)
    return profiles[column].numpy(), field_size(profiles)


def middle(size: Pair) -> Pair:
    """The central position of a map."""
    return size[0] // 2, size[1] // 2


def about_layers(observed: ObservedNetwork, layers: dict[int, Pair]) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name, kind and relative depth of each layer, as in the stability files."""
    operations = [observed.operations[index] for index in layers]
    depth = np.minimum(np.array(list(layers)) / (len(observed.operations) - 2), 1)
    return {
        "layer_name": (LAYER, [[operation.name for operation in operations]]),
        "operation": (LAYER, [[operation.kind for operation in operations]]),
        "relative_depth": (LAYER, depth[None]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
