"""Calibrate the deformations on the images of a data set: displacement, temperature, norm |τx − x| and folds."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.batches import number_that_fits
from workflow_scripts.diffeo.calibration import displacement_norms, folded_fraction
from workflow_scripts.diffeo.deformation import (
    critical_temperatures,
    displacement_field,
    mean_square_displacement,
    temperature,
    unit_coefficients,
)
from workflow_scripts.diffeo.interpolation import smooth, warp
from workflow_scripts.diffeo.noise import isotropic_direction
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import with_run_dimensions, write_dataset
from workflow_scripts.support.tensors import load_probe, prepare_torch

EXAMPLES = 3
NORMALISED = "normalised image"


def main(
    data: Path,
    calibration: Path,
    name: str,
    cutoff: int,
    ensemble: dict[str, Any],
    probe: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Calibrate one cutoff; `name` is the data set's, `ensemble` and `probe` are blocks of the configuration."""
    prepare_torch(threads, device)
    images, _ = load_probe(data, probe["images"], device)
    dataset = calibrate(images, cutoff, ensemble, probe["draws"], memory_mb)
    shared = xr.Dataset(
        {
            "displacement": variable(("strength",), ensemble["displacements"], "displacement δ", "pixel"),
            "image_norm": variable(
                ("sample",), images.double().flatten(1).norm(dim=1).cpu(), "norm |x| of the image", NORMALISED
            ),
            "example_image": variable(("example", "channel", "row", "column"), images[:EXAMPLES].cpu(), "image x", NORMALISED),
        }
    )
    write_dataset(
        with_run_dimensions(dataset.merge(shared), {"dataset": name}),
        calibration,
        title=f"Calibration of the deformations on {name}",
        configuration={"deformations": ensemble | {"cutoffs": [cutoff]}, "probe": probe},
        device=device,
        seed=ensemble["seed"],
    )


def calibrate(images: Tensor, cutoff: int, ensemble: dict[str, Any], draws: int, memory_mb: int) -> xr.Dataset:
    """Measure the ensemble of one cutoff on images (P, ch, n, n)."""
    size, rule, seed = images.shape[-1], ensemble["mode_rule"], ensemble["seed"]
    interpolations = sorted(ensemble["interpolations"])
    temperatures = [temperature(delta, cutoff, size, ensemble["delta_convention"], rule) for delta in ensemble["displacements"]]
    chunk = images_at_a_time(images, memory_mb)
    norms = displacement_norms(images, temperatures, cutoff, rule, interpolations, draws, seed, chunk).cpu()
    fraction, fraction_error = folded_fraction(temperatures, cutoff, size, rule, len(images), draws, seed, chunk)
    of_sample = norms.mean(dim=3)
    radius, radius_error = of_sample.mean(dim=2), of_sample.std(dim=2) / len(images) ** 0.5
    deformed, noisy = examples(images[:EXAMPLES], radius, temperatures, cutoff, interpolations, ensemble)
    first, second = critical_temperatures(cutoff, size)
    rms = [mean_square_displacement(value, cutoff, size, rule) ** 0.5 for value in temperatures]
    strength = ("cutoff", "strength")
    cell = ("cutoff", "interpolation", "strength")
    picture = (*cell, "example", "channel", "row", "column")

    def of_cutoff(dims: tuple[str, ...], values: Any, long_name: str, units: str = "1") -> xr.Variable:
        return variable(dims, np.asarray(values)[None], long_name, units)

    return xr.Dataset(
        {
            "temperature": of_cutoff(strength, temperatures, "temperature T"),
            "critical_temperature_1": of_cutoff(("cutoff",), first, "temperature T1, where δ is half a pixel"),
            "critical_temperature_2": of_cutoff(("cutoff",), second, "temperature T2, a heuristic for the onset of folds"),
            "rms_displacement_exact": of_cutoff(strength, rms, "exact root-mean-square displacement", "pixel"),
            "folded_fraction": of_cutoff(strength, fraction, "fraction of the deformations that fold"),
            "folded_fraction_standard_error": of_cutoff(strength, fraction_error, "standard error of the folded fraction"),
            "displacement_norm": of_cutoff(
                (*cell, "sample", "draw"), norms.float(), "norm |τx − x| of the displacement", NORMALISED
            ),
            "radius": of_cutoff(cell, radius, "mean norm r = <|τx − x|>", NORMALISED),
            "radius_standard_error": of_cutoff(cell, radius_error, "standard error of r over samples", NORMALISED),
            "example_deformed": of_cutoff(picture, deformed.cpu(), "deformed image τx", NORMALISED),
            "example_noisy": of_cutoff(picture, noisy.cpu(), "noisy image x + η with |η| = r", NORMALISED),
        },
        coords={"cutoff": [cutoff], "interpolation": interpolations, "strength": np.arange(len(temperatures))},
    )


def images_at_a_time(images: Tensor, memory_mb: int) -> int:
    """How many images fit in the memory: about 400 bytes a pixel for the fields and 40 for each channel."""
    _, channels, height, width = images.shape
    return number_that_fits(memory_mb, height * width * (400 + 40 * channels), len(images))


def examples(
    images: Tensor, radius: Tensor, temperatures: list[float], cutoff: int, interpolations: list[str], ensemble: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """Deformed and noisy versions of a few images, each (interpolation, strength, example, ch, n, n), of draw 0."""
    index = torch.arange(len(images), device=images.device)
    field = displacement_field(unit_coefficients(ensemble["seed"], index, 0, cutoff, ensemble["mode_rule"]), images.shape[-1])
    direction = isotropic_direction(ensemble["seed"], index, 0, images.shape[1:])
    deformed = [[warp(images, value**0.5 * field, kind) for value in temperatures] for kind in interpolations]
    still = torch.stack([smooth(images, kind) for kind in interpolations])
    noisy = still[:, None] + radius.to(images.device)[..., None, None, None, None] * direction
    return torch.stack([torch.stack(row) for row in deformed]), noisy.to(images.dtype)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
