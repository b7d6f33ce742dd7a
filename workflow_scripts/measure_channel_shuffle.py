"""Measure how far every operation of a run's networks moves when their convolutions read shuffled channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.channel_shuffle import channel_order, recalibrated, shuffle_channels, shuffled_convolutions
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Perturbation, reference_name
from workflow_scripts.diffeo.single_shuffles import single_shuffle_sweep
from workflow_scripts.diffeo.stability import Sweep, images_per_batch, needs_float64, stability_sweep
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.measure_stability import make_perturbations, radius_of
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, read_dataset, with_run_dimensions, write_dataset, write_empty
from workflow_scripts.support.tensors import load_probe, prepare_torch

VARIANTS = ("shuffled", "shuffled_recalibrated")
LAYER_COORDINATES = ("layer_name", "operation", "relative_depth")
NOTHING_TO_SHUFFLE = "no convolution has several input channels to shuffle"
MOVED = "squared distance of the activations of the moved and the reference image"
SPREAD = "squared distance of a reference image's activation from the mean activation"
SQUARED = "squared activation"
Rows = Sequence[Sequence[Tensor]] | Tensor


@dataclass(frozen=True)
class Inputs:
    """What all sweeps of a run have in common: images, what moves them and how far, the block `stability`, draws, memory."""

    images: Tensor
    perturbations: Mapping[str, Perturbation]
    radii: Tensor
    sweep: Mapping[str, Any]
    draws: int
    memory_mb: int


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
    title = f"Channel shuffling of {labels['network']} on {labels['dataset']}"
    blocks = {"channel_shuffle": settings, "stability": sweep, "deformations": ensemble, "probe": probe}
    about: dict[str, Any] = {"title": title, "configuration": blocks, "device": device, "seed": settings["seed"]}
    prepare_torch(threads, device)
    images, _ = load_probe(data, probe["images"], device)
    calibrated = one_strength(read_dataset(calibration).sel(cutoff=sweep["cutoff"]).squeeze("dataset"), settings)
    perturbations = make_perturbations(calibrated, sweep, ensemble, device)
    radii = torch.tensor(radius_of(perturbations, calibrated).values)
    inputs = Inputs(images, perturbations, radii, sweep, probe["draws"], memory_mb)
    parts, standards = [], [read_dataset(path) for path in stability]
    for checkpoint, standard in zip(checkpoints, standards, strict=True):
        network, content = load_network(checkpoint)
        epoch, names = content["epoch"], list(shuffled_convolutions(network, first_layer=settings["first_layer"]))
        if not names:
            write_empty(shuffle, labels, note=NOTHING_TO_SHUFFLE, **about)
            return
        reference = one_strength(standard.squeeze(list(labels), drop=True).sel(epoch=epoch, drop=True), settings)
        part = of_checkpoint(network.to(device), epoch, inputs, reference, settings)
        parts.append(part.expand_dims(epoch=[epoch]))
    dataset = with_run_dimensions(xr.concat(parts, dim="epoch", coords="minimal", compat="override"), labels)
    coordinates = {name: standards[0][name] for name in LAYER_COORDINATES}
    dataset = dataset.assign_coords(coordinates | convolution_coordinates(names, standards[0]))
    write_dataset(dataset, shuffle, **about)


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


def of_checkpoint(
    network: nn.Module, epoch: int, inputs: Inputs, standard: xr.Dataset, settings: Mapping[str, Any]
) -> xr.Dataset:
    """Everything measured of one checkpoint, beside the numbers of the network as it is from its stability file."""
    prepare_batch_norm(network, inputs.images, epoch, inputs.sweep["batchnorm_at_init"])
    shuffled = shuffled_sweeps(network, inputs, settings)
    singles = single_shuffles(network, inputs, settings)
    convolutions = len(shuffled_convolutions(network, first_layer=settings["first_layer"]))
    return as_dataset(shuffled, singles, standard, list(inputs.perturbations), convolutions, settings)


def measured(network: nn.Module, inputs: Inputs) -> Sweep:
    """The stability sweep of one network."""
    observed = ObservedNetwork(network, every_operation=inputs.sweep["operations"] == "every")
    return stability_sweep(
        observed,
        inputs.images,
        list(inputs.perturbations.values()),
        inputs.radii,
        draws=inputs.draws,
        batch_size=images_per_batch(observed, inputs.images, inputs.memory_mb),
        precision=inputs.sweep["precision"],
        progress=progress,
    )


def shuffled_sweeps(network: nn.Module, inputs: Inputs, settings: Mapping[str, Any]) -> list[list[Sweep]]:
    """For each permutation the sweeps of `VARIANTS`."""
    found: list[list[Sweep]] = []
    for permutation in progress(range(settings["permutations"])):
        shuffled = shuffle_channels(network, settings["seed"], permutation, first_layer=settings["first_layer"])
        calibrated = recalibrated(shuffled, inputs.images)
        sweep = measured(shuffled, inputs)
        found.append([sweep, measured(calibrated, inputs) if calibrated else sweep])
    return found


def single_shuffles(network: nn.Module, inputs: Inputs, settings: Mapping[str, Any]) -> tuple[Tensor, Tensor] | None:
    """The sweep of the output with one convolution shuffled at a time; `None` if none is, or the network is not traced."""
    permutations = range(settings["single_permutations"])
    convolutions = shuffled_convolutions(network, first_layer=settings["first_layer"])
    if not (permutations and inputs.sweep["operations"] == "every"):
        return None
    orders = {
        name: torch.stack([channel_order(settings["seed"], number, name, convolution.weight.shape[1]) for number in permutations])
        for name, convolution in convolutions.items()
    }
    in_double = bool(needs_float64(inputs.images, inputs.radii, inputs.sweep["precision"]).any())
    return single_shuffle_sweep(
        network,
        orders,
        inputs.images,
        list(inputs.perturbations.values()),
        draws=inputs.draws,
        batch_size=images_per_batch(ObservedNetwork(network), inputs.images, inputs.memory_mb),
        dtype=torch.float64 if in_double else torch.float32,
        progress=progress,
    )


def convolution_coordinates(names: list[str], standard: xr.Dataset) -> dict[str, tuple[tuple[str, str], Any]]:
    """Names of the convolutions that are shuffled one at a time, and their depth where the stability file has them."""
    depth = dict(zip(standard.layer_name.values.ravel().tolist(), standard.relative_depth.values.ravel().tolist(), strict=True))
    dims = ("network", "convolution")
    depths = [depth.get(name, np.nan) for name in names]
    return {"convolution_name": (dims, [names]), "convolution_depth": (dims, [depths])}


def as_dataset(
    shuffled: list[list[Sweep]],
    singles: tuple[Tensor, Tensor] | None,
    standard: xr.Dataset,
    perturbations: list[str],
    convolutions: int,
    settings: Mapping[str, Any],
) -> xr.Dataset:
    """Label the sweeps of one checkpoint, beside the numbers of the network as it is, from its stability file."""
    reference = reference_name(settings["interpolation"])
    standard = standard.sel(perturbation=perturbations, reference=reference).isel(strength=0)
    cell = ("perturbation", "layer", "sample", "draw")
    size = {name: standard.sizes[name] for name in cell}
    outer = {"permutation": settings["permutations"], "variant": len(VARIANTS)}
    distances = [[sweep.squared_distance[:, 0] for sweep in row] for row in shuffled]
    deviations = [[sweep.squared_deviation[0] for sweep in row] for row in shuffled]
    variables = labelled(distances, deviations, outer | size, "", "all convolutions shuffled")
    outer = {"convolution": convolutions, "single_permutation": max(1, settings["single_permutations"])}
    del size["layer"]
    single_distances, single_deviations = singles or ([], [])
    variables |= labelled(single_distances, single_deviations, outer | size, "single_", "one convolution shuffled, logits")
    original = "the network as it is, from the stability sweep"
    for name, dims, meaning in (("squared_distance", cell, MOVED), ("squared_deviation", cell[1:3], SPREAD)):
        values = standard[name].transpose(*dims).values
        variables[f"standard_{name}"] = variable(dims, values, f"{meaning}, {original}", SQUARED)
    norm = "norm r of the perturbation, <|τx - x|>"
    variables["r"] = variable(("perturbation",), standard.r.values, norm, "normalised image")
    coordinates = {"variant": list(VARIANTS), "perturbation": perturbations, "kind": ("perturbation", standard.kind.values)}
    return xr.Dataset(variables, coordinates).pipe(numbered)


def labelled(distances: Rows, deviations: Rows, sizes: Mapping[str, int], prefix: str, how: str) -> dict[str, xr.Variable]:
    """Numbers of sweeps, in rows by the first two of the dims `sizes` of the distances; missing where there is no row."""
    found = {}
    for name, meaning, rows, left_out, kind in (
        ("squared_distance", MOVED, distances, (), np.float32),
        ("squared_deviation", SPREAD, deviations, ("perturbation", "draw"), np.float64),
    ):
        dims = tuple(dim for dim in sizes if dim not in left_out)
        values = np.full([sizes[dim] for dim in dims], np.nan, kind)
        for first, row in enumerate(rows):
            values[first] = np.stack([part.numpy() for part in row])
        found[f"{prefix}{name}"] = variable(dims, values, f"{meaning}, {how}", SQUARED)
    return found


if "snakemake" in globals():
    run(main, globals()["snakemake"])
