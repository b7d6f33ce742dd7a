"""Measure how far every operation of one checkpoint moves under deformations and noise of the probe images."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, for_all, noise_radii, reference_name
from workflow_scripts.diffeo.stability import Sweep, images_per_batch, stability_sweep
from workflow_scripts.diffeo.variables import described, variable
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, read_dataset, with_run_dimensions, write_dataset
from workflow_scripts.support.tensors import load_probe, prepare_torch


def main(
    data: Path,
    calibration: Path,
    checkpoint: Path,
    stability: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    ensemble: dict[str, Any],
    probe: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Run the sweep of one checkpoint; `labels` names the run and the epoch, the rest are blocks of the configuration."""
    prepare_torch(threads, device)
    images, classes = load_probe(data, probe["images"], device)
    calibrated = read_dataset(calibration).sel(cutoff=settings["cutoff"]).squeeze("dataset")
    network = load_network(checkpoint)[0].to(device)
    prepare_batch_norm(network, images, labels["epoch"], settings["batchnorm_at_init"])
    observed = ObservedNetwork(network, every_operation=settings["operations"] == "every")
    perturbations = make_perturbations(calibrated, settings, ensemble, device)
    sweep = stability_sweep(
        observed,
        images,
        list(perturbations.values()),
        torch.tensor(radius_of(perturbations, calibrated).values),
        draws=probe["draws"],
        batch_size=images_per_batch(observed, images, memory_mb),
        precision=settings["precision"],
        progress=progress,
    )
    dataset = as_dataset(sweep, perturbations).merge(strengths(perturbations, calibrated))
    dataset["label"] = variable(("sample",), classes, "class of the probe image")
    dataset = with_run_dimensions(dataset, labels).assign_coords(layer_coordinates(observed))
    configuration = {"stability": settings, "deformations": ensemble, "probe": probe}
    title = f"Stability of {labels['network']} on {labels['dataset']} at epoch {labels['epoch']}"
    write_dataset(dataset, stability, title=title, configuration=configuration, device=device, seed=ensemble["seed"])


def make_perturbations(
    calibrated: xr.Dataset, settings: dict[str, Any], ensemble: dict[str, Any], device: str
) -> dict[str, Perturbation]:
    """Deformations and noise for every interpolation, by name, in the order of their names."""
    temperatures = torch.tensor(calibrated.temperature.values, device=device)
    roots = for_all(temperatures.sqrt(), calibrated.sizes["sample"], calibrated.sizes["draw"])
    found: dict[str, Perturbation] = {}
    for interpolation in calibrated.interpolation.values.tolist():
        norms = torch.tensor(calibrated.displacement_norm.sel(interpolation=interpolation).values, device=device)
        radii = noise_radii(norms.double(), settings["noise_norm"])
        found[f"diffeo_{interpolation}"] = Diffeo(
            roots, interpolation, ensemble["seed"], settings["cutoff"], ensemble["mode_rule"]
        )
        found[f"noise_{interpolation}"] = Noise(radii, interpolation, ensemble["seed"])
    return dict(sorted(found.items()))


def radius_of(perturbations: dict[str, Perturbation], calibrated: xr.Dataset) -> xr.DataArray:
    """Mean norm r (perturbation, strength): that of the deformations with the same interpolation."""
    interpolations = [perturbation.interpolation for perturbation in perturbations.values()]
    radius: xr.DataArray = calibrated.radius.sel(interpolation=interpolations)
    return radius.rename(interpolation="perturbation").drop_vars("perturbation")


def strengths(perturbations: dict[str, Perturbation], calibrated: xr.Dataset) -> xr.Dataset:
    """Displacement, temperature and norm of each strength."""
    radius = described(radius_of(perturbations, calibrated), "norm r of the perturbation, <|τx - x|>", "normalised image")
    variables = {"displacement": calibrated.displacement, "temperature": calibrated.temperature, "r": radius}
    return xr.Dataset(variables).drop_vars("cutoff")


def as_dataset(sweep: Sweep, perturbations: dict[str, Perturbation]) -> xr.Dataset:
    """Label the numbers of a sweep; its rows of references are in the order of their names."""
    used = list(perturbations.values())
    references = sorted({reference_name(perturbation.interpolation) for perturbation in used})
    distance = "squared distance of the activations of the moved and the reference image"
    deviation = "squared distance of a reference image's activation from the mean activation"
    cell = ("perturbation", "strength", "sample", "draw", "class")
    squared = "squared activation"
    return xr.Dataset(
        {
            "squared_distance": variable((*cell[:2], "layer", *cell[2:4]), sweep.squared_distance.float(), distance, squared),
            "squared_deviation": variable(("reference", "layer", "sample"), sweep.squared_deviation, deviation, squared),
            "logits": variable(cell, sweep.read_out.float(), "logits of the moved image"),
            "reference_logits": variable(
                ("reference", "sample", "class"), sweep.reference_read_out.float(), "logits of the reference image"
            ),
        },
        coords={
            "perturbation": list(perturbations),
            "kind": ("perturbation", [perturbation.kind for perturbation in used]),
            "interpolation": ("perturbation", [perturbation.interpolation for perturbation in used]),
            "reference_images": ("perturbation", [reference_name(perturbation.interpolation) for perturbation in used]),
            "reference": references,
        },
    ).pipe(numbered)


def layer_coordinates(observed: ObservedNetwork) -> dict[str, tuple[tuple[str, str], Any]]:
    """Name, kind and relative depth (0 at the input, 1 at the logits and the softmax) of each layer of this network."""
    operations = observed.operations
    depth = np.minimum(np.arange(len(operations)) / (len(operations) - 2), 1)
    dims = ("network", "layer")
    return {
        "layer_name": (dims, [[operation.name for operation in operations]]),
        "operation": (dims, [[operation.kind for operation in operations]]),
        "relative_depth": (dims, depth[None]),
    }


if "snakemake" in globals():
    run(main, globals()["snakemake"])
