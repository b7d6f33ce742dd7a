"""Measure the effective receptive fields of a run: the central neurons of every convolution, every kept checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.effective_fields import EffectiveField, effective_fields, images_per_batch, strongest_maps
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.receptive_field_averages import effective_size
from workflow_scripts.diffeo.variables import described, variable
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset, write_empty
from workflow_scripts.support.observed import observed_checkpoints
from workflow_scripts.support.tensors import load_probe, prepare_torch

NO_CONVOLUTION = "the network has no convolution"
LAYER = ("network", "layer")


def main(
    data: Path,
    checkpoints: list[Path],
    fields: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Look at all checkpoints of a run; `labels` names the run, `settings` is a block of the configuration."""
    title = f"Effective receptive fields of {labels['network']} on {labels['dataset']}"
    about: dict[str, Any] = {"title": title, "configuration": {"receptive_fields": settings}, "device": device}
    prepare_torch(threads, device)
    images, _ = load_probe(data, settings["images"], device)
    epochs: dict[int, xr.Dataset] = {}
    for epoch, observed in observed_checkpoints(checkpoints, images, device):
        batch_size = images_per_batch(observed, images[:1], settings["draws"], memory_mb)
        signs = {key: settings[key] for key in ("seed", "draws")}
        found = effective_fields(observed, images, **signs, batch_size=batch_size, progress=progress)
        if not found:
            write_empty(fields, labels, note=NO_CONVOLUTION, **about)
            return
        epochs[epoch] = as_dataset(found, strongest_maps(observed, images[:1]))
    dataset = xr.concat(epochs.values(), dim=xr.Variable("epoch", list(epochs))).sortby("epoch")
    size = effective_size(dataset.total, dataset.peak)
    dataset["effective_size"] = described(size.value, "√(Σ profile / max profile) of the central position", "pixel")
    dataset["effective_size_standard_error"] = described(
        size.standard_error(), "standard error of effective_size over images", "pixel"
    )
    dataset["example_image"] = variable(("channel", "row", "column"), images[0].cpu(), "first probe image, normalised")
    write_dataset(
        with_run_dimensions(numbered(dataset), labels).assign_coords(about_layers(observed, found)),
        fields,
        **about,
    )


def as_dataset(fields: dict[int, EffectiveField], maps: dict[int, Tensor]) -> xr.Dataset:
    """The fields of one checkpoint, and maps of its convolutions on the first image, as examples."""
    unit = "squared activation per squared intensity"
    profile, total, peak = (torch.stack(parts) for parts in zip(*fields.values(), strict=True))
    example = np.full((len(maps), *np.max([values.shape for values in maps.values()], axis=0)), np.nan, np.float32)
    for row, values in zip(example, maps.values(), strict=True):
        row[: values.shape[0], : values.shape[1]] = values
    of_map = "activation of the channel that is most active at the centre, on the first probe image"
    return xr.Dataset(
        {
            "profile": variable(
                ("layer", "row", "column"),
                profile.float(),
                "squared gradient of the central neurons, sum over channels and colours, mean over images",
                unit,
            ),
            "total": variable(("layer", "sample"), total.float(), "sum of an image's squared gradient over the pixels", unit),
            "peak": variable(("layer", "sample"), peak.float(), "an image's squared gradient at the maximum of profile", unit),
            "example_map": variable(("layer", "map_row", "map_column"), example, of_map, "activation"),
        },
        coords={"layer": list(fields)},
    )


def about_layers(observed: ObservedNetwork, layers: dict[int, EffectiveField]) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name and relative depth of each convolution, as in the stability files."""
    depth = np.minimum(np.array(list(layers)) / (len(observed.operations) - 2), 1)
    return {
        "layer_name": (LAYER, [[observed.operations[index].name for index in layers]]),
        "relative_depth": (LAYER, depth[None]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
