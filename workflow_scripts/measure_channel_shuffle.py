"""Measure how far every operation of a run's networks moves when their convolutions read shuffled channels."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.channel_shuffle import recalibrated, shuffle_channels, shuffled_convolutions
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import reference_name
from workflow_scripts.diffeo.stability import Sweep, images_per_batch, stability_sweep
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.measure_stability import make_perturbations, radius_of
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, read_dataset, with_run_dimensions, write_dataset
from workflow_scripts.support.tensors import load_probe, prepare_torch

VARIANTS = ("shuffled", "shuffled_recalibrated")
LAYER_COORDINATES = ("layer_name", "operation", "relative_depth")
NOTHING_TO_SHUFFLE = "no convolution of this network has input channels to shuffle: shuffled numbers are missing"
Measure = Callable[..., Sweep]


def main(
    data: Path,
    calibration: Path,
    checkpoints: list[Path],
    stability: list[Path],
    shuffle: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    sweep: dict[str, Any],
    ensemble: dict[str, Any],
    probe: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Measure the checkpoints as in their files of `stability`, whose settings `sweep`, `ensemble` and `probe` are."""
    prepare_torch(threads, device)
    images, _ = load_probe(data, probe["images"], device)
    calibrated = one_strength(read_dataset(calibration).sel(cutoff=sweep["cutoff"]).squeeze("dataset"), settings)
    perturbations = make_perturbations(calibrated, sweep, ensemble, device)
    radii = torch.tensor(radius_of(perturbations, calibrated).values)
    measure = partial(measured, images, list(perturbations.values()), radii, sweep, probe["draws"], memory_mb)
    parts, standards = [], [read_dataset(path) for path in stability]
    for checkpoint, standard in zip(checkpoints, standards, strict=True):
        network, content = load_network(checkpoint)
        epoch = content["epoch"]
        whole_batch = prepare_batch_norm(network.to(device), images, epoch, sweep["batchnorm_at_init"])
        sweeps = shuffled_sweeps(network, images, partial(measure, whole_batch=whole_batch), settings)
        reference = one_strength(standard.squeeze(list(labels), drop=True).sel(epoch=epoch, drop=True), settings)
        parts.append(as_dataset(sweeps, reference, list(perturbations), settings).expand_dims(epoch=[epoch]))
    dataset = with_run_dimensions(xr.concat(parts, dim="epoch", coords="minimal", compat="override"), labels)
    dataset = dataset.assign_coords({name: standards[0][name] for name in LAYER_COORDINATES})
    write_dataset(
        dataset,
        shuffle,
        title=f"Channel shuffling of {labels['network']} on {labels['dataset']}",
        configuration={"channel_shuffle": settings, "stability": sweep, "deformations": ensemble, "probe": probe},
        device=device,
        seed=settings["seed"],
        note=NOTHING_TO_SHUFFLE if bool(dataset.squared_distance.isnull().all()) else "",
    )


def one_strength(dataset: xr.Dataset, settings: Mapping[str, Any]) -> xr.Dataset:
    """The part of a calibration or a stability file at the displacement and interpolation of `settings`; dims are kept.

    Raises:
        ValueError: the file does not have them.
    """
    found = np.flatnonzero(np.isclose(dataset.displacement, settings["displacement"]))
    if not len(found):
        allowed = ", ".join(f"{value:g}" for value in dataset.displacement.values)
        raise ValueError(f"channel_shuffle.displacement: {settings['displacement']!r} is not allowed; choose one of {allowed}")
    rows = dataset.interpolation.values == settings["interpolation"]
    if not rows.any():
        allowed = ", ".join(sorted(set(dataset.interpolation.values.tolist())))
        raise ValueError(f"channel_shuffle.interpolation: {settings['interpolation']!r} is not allowed; choose one of {allowed}")
    return dataset.isel({"strength": found[:1], dataset.interpolation.dims[0]: np.flatnonzero(rows)})


def measured(
    images: Tensor,
    perturbations: list[Any],
    radii: Tensor,
    sweep: Mapping[str, Any],
    draws: int,
    memory_mb: int,
    network: nn.Module,
    *,
    whole_batch: bool,
) -> Sweep:
    """The stability sweep of one network."""
    observed = ObservedNetwork(network, every_operation=sweep["operations"] == "every")
    batch_size = len(images) if whole_batch else images_per_batch(observed, images[:1], memory_mb)
    options: dict[str, Any] = {"draws": draws, "batch_size": batch_size, "precision": sweep["precision"], "progress": progress}
    return stability_sweep(observed, images, perturbations, radii, **options)


def shuffled_sweeps(network: nn.Module, images: Tensor, measure: Measure, settings: Mapping[str, Any]) -> list[list[Sweep]]:
    """For each permutation the sweeps of `VARIANTS`; empty where there is nothing to shuffle."""
    found: list[list[Sweep]] = []
    if not shuffled_convolutions(network, first_layer=settings["first_layer"]):
        return found
    for permutation in range(settings["permutations"]):
        shuffled = shuffle_channels(network, settings["seed"], permutation, first_layer=settings["first_layer"])
        calibrated = recalibrated(shuffled, images)
        sweep = measure(shuffled)
        found.append([sweep, measure(calibrated) if calibrated else sweep])
    return found


def as_dataset(
    sweeps: list[list[Sweep]], standard: xr.Dataset, perturbations: list[str], settings: Mapping[str, Any]
) -> xr.Dataset:
    """Label the sweeps of one checkpoint, beside the numbers of the network as it is, from its stability file."""
    reference = reference_name(settings["interpolation"])
    standard = standard.sel(perturbation=perturbations, reference=reference).isel(strength=0)
    size = {**standard.sizes, "permutation": settings["permutations"], "variant": len(VARIANTS)}
    cell = ("perturbation", "layer", "sample", "draw")
    shuffled = ("permutation", "variant")
    distance = np.full([size[name] for name in (*shuffled, *cell)], np.nan, np.float32)
    deviation = np.full([size[name] for name in (*shuffled, *cell[1:3])], np.nan)
    for permutation, row in enumerate(sweeps):
        for variant, sweep in enumerate(row):
            distance[permutation, variant] = sweep.squared_distance[:, 0].numpy()
            deviation[permutation, variant] = sweep.squared_deviation[0].numpy()
    moved = "squared distance of the activations of the moved and the reference image"
    spread = "squared distance of a reference image's activation from the mean activation"
    original = "the network as it is, from the stability sweep"
    squared = "squared activation"
    return xr.Dataset(
        {
            "squared_distance": variable((*shuffled, *cell), distance, f"{moved}, channels shuffled", squared),
            "squared_deviation": variable((*shuffled, *cell[1:3]), deviation, f"{spread}, channels shuffled", squared),
            "standard_squared_distance": variable(
                cell, standard.squared_distance.transpose(*cell).values, f"{moved}, {original}", squared
            ),
            "standard_squared_deviation": variable(
                cell[1:3], standard.squared_deviation.transpose(*cell[1:3]).values, f"{spread}, {original}", squared
            ),
            "r": variable(("perturbation",), standard.r.values, "norm r of the perturbation, <|τx - x|>", "normalised image"),
        },
        coords={"variant": list(VARIANTS), "perturbation": perturbations, "kind": ("perturbation", standard.kind.values)},
    ).pipe(numbered)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
