"""Measure the outputs of one checkpoint while its probe images move away along many directions."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.boundary import flip_norms
from workflow_scripts.diffeo.deformation import critical_temperatures, displacement
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, Segment, Towards, for_all, reference_name
from workflow_scripts.diffeo.read_outs import QUANTITIES, class_read_out
from workflow_scripts.diffeo.stability import Sweep, images_per_batch, stability_sweep
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import numbered, with_run_dimensions, write_dataset
from workflow_scripts.support.tensors import load_probe, prepare_torch

INPUT, OUTPUTS = 0, ["logits", "softmax"]  # what an observer of the outputs sees: the input, the logits, the softmax
NORMALISED = "normalised image"


def main(
    data: Path,
    checkpoint: Path,
    predictor: Path,
    labels: dict[str, Any],
    settings: dict[str, Any],
    ensemble: dict[str, Any],
    memory_mb: int,
    device: str,
    threads: int,
) -> None:
    """Sweep all directions; `labels` names the run and the epoch, `settings` and `ensemble` are blocks of the configuration."""
    prepare_torch(threads, device)
    images, classes = load_probe(data, settings["images"], device)
    network = load_network(checkpoint)[0].to(device)
    prepare_batch_norm(network, images, labels["epoch"])
    observed = ObservedNetwork(network, every_operation=False)
    steps = strengths(settings, ensemble, images.shape[-1])
    perturbations = make_perturbations(images, steps, settings, ensemble)
    batch_size = images_per_batch(observed, images, memory_mb)
    sweep = stability_sweep(
        observed,
        images,
        list(perturbations.values()),
        norms_of(perturbations, steps),
        draws=settings["draws"],
        batch_size=batch_size,
        read_out=class_read_out(torch.from_numpy(classes).to(device)),
        progress=progress,
    )
    dataset = as_dataset(sweep, perturbations).merge(steps)
    flips = flip_norms(
        observed,
        images,
        list(perturbations.values()),
        torch.from_numpy(label_flips(dataset).values),
        batch_size=batch_size,
        progress=progress,
    )
    long_name = "smallest norm at which the label changes along the direction; missing where it does not change"
    dataset["flip_norm"] = variable(("perturbation", "sample", "draw"), flips.float(), long_name, NORMALISED)
    write_dataset(
        with_run_dimensions(dataset.merge(about_images(images, classes)).pipe(numbered), labels),
        predictor,
        title=f"The predictor around the images: {labels['network']} on {labels['dataset']} at epoch {labels['epoch']}",
        configuration={"predictor": settings, "deformations": ensemble},
        device=device,
        seed=ensemble["seed"],
    )


def strengths(settings: dict[str, Any], ensemble: dict[str, Any], size: int) -> xr.Dataset:
    """Norms, temperatures and fractions of the way at each strength, for images of `size` pixels along an edge."""
    count, cutoff = settings["steps"], settings["cutoff"]
    first, second = critical_temperatures(cutoff, size)
    temperatures = np.geomspace(first / 15, 2 * second, count)
    shifts = [displacement(value, cutoff, size, ensemble["delta_convention"], ensemble["mode_rule"]) for value in temperatures]
    radii = np.geomspace(settings["smallest_radius"], settings["largest_radius"], count)
    dims = ("strength",)
    return xr.Dataset(
        {
            "radius": variable(dims, radii, "norm of noise and of steps towards another image", NORMALISED),
            "temperature": variable(dims, temperatures, "temperature T of deformations"),
            "displacement": variable(dims, shifts, "displacement δ of deformations", "pixel"),
            "segment_fraction": variable(dims, np.linspace(0, 1, count), "fraction λ of the way to another image"),
        }
    )


def make_perturbations(
    images: Tensor, steps: xr.Dataset, settings: dict[str, Any], ensemble: dict[str, Any]
) -> dict[str, Perturbation]:
    """All directions of the configuration, by name, in the order of their names."""
    seed, shape = ensemble["seed"], (len(images), settings["draws"])
    radii, temperatures, fractions = (
        for_all(torch.tensor(steps[name].values, device=images.device), *shape)
        for name in ("radius", "temperature", "segment_fraction")
    )
    found: dict[str, Perturbation] = {}
    for direction in settings["directions"]:
        if direction == "diffeo":
            for name in settings["interpolations"]:
                found[f"diffeo_{name}"] = Diffeo(temperatures.sqrt(), name, seed, settings["cutoff"], ensemble["mode_rule"])
        elif direction == "noise":
            found["noise"] = Noise(radii, "bilinear", seed)
            if "gaussian" in settings["interpolations"]:
                found["noise_smoothed"] = Noise(radii, "gaussian", seed)
        elif direction == "towards":
            found["towards"] = Towards(radii, seed, images)
        else:
            found["segment"] = Segment(fractions, seed, images)
    return dict(sorted(found.items()))


def norms_of(perturbations: dict[str, Perturbation], steps: xr.Dataset) -> Tensor:
    """Norms (perturbation, strength) that decide the precision of the sweep.

    Those of deformations are not known before, and large: δ is an eighth of a pixel at T1/15. So is a step of a segment.
    """
    far = np.full(steps.sizes["strength"], np.inf)
    rows = [steps.radius.values if moved.kind in ("noise", "towards") else far for moved in perturbations.values()]
    return torch.tensor(np.stack(rows))


def as_dataset(sweep: Sweep, perturbations: dict[str, Perturbation]) -> xr.Dataset:
    """Label the numbers of a sweep of the outputs; its rows of references are in the order of their names."""
    used = list(perturbations.values())
    references = sorted({reference_name(perturbation.interpolation) for perturbation in used})
    distance = "squared distance of the outputs of the moved and the reference image"
    cell, output = ("perturbation", "strength", "sample", "draw"), slice(INPUT + 1, None)
    moved = dict(zip(QUANTITIES, sweep.read_out.unbind(-1), strict=True))
    still = dict(zip(QUANTITIES, sweep.reference_read_out.unbind(-1), strict=True))
    names = {
        "probability_true": "softmax probability of the true class",
        "probability_reference": "softmax probability of the class predicted for the reference image",
        "entropy": "entropy of the softmax",
    }
    units = {"entropy": "nat"}
    variables = {
        "squared_distance": variable(
            (*cell[:2], "output", *cell[2:]), sweep.squared_distance[:, :, output].float(), distance, "squared activation"
        ),
        "squared_deviation": variable(
            ("reference", "output", "sample"),
            sweep.squared_deviation[:, output],
            "squared distance of a reference image's output from the mean output",
            "squared activation",
        ),
        "norm": variable(cell, sweep.squared_distance[:, :, INPUT].sqrt().float(), "norm |x' − x| of the motion", NORMALISED),
        "predicted_class": variable(cell, moved["predicted_class"].short(), "class predicted for the moved image"),
        "reference_class": variable(
            ("reference", "sample"), still["predicted_class"].short(), "class predicted for the reference image"
        ),
    }
    for name, long_name in names.items():
        unit = units.get(name, "1")
        variables[name] = variable(cell, moved[name].float(), f"{long_name}, moved image", unit)
        still_name = f"{long_name}, reference image"
        variables[f"reference_{name}"] = variable(("reference", "sample"), still[name].float(), still_name, unit)
    return xr.Dataset(
        variables,
        coords={
            "perturbation": list(perturbations),
            "kind": ("perturbation", [perturbation.kind for perturbation in used]),
            "interpolation": ("perturbation", [perturbation.interpolation for perturbation in used]),
            "reference_images": ("perturbation", [reference_name(perturbation.interpolation) for perturbation in used]),
            "reference": references,
            "output": OUTPUTS,
        },
    )


def label_flips(dataset: xr.Dataset) -> xr.DataArray:
    """Whether the label differs from that of the reference image, (perturbation, strength, sample, draw)."""
    still = dataset.reference_class.sel(reference=dataset.reference_images).drop_vars("reference")
    flips: xr.DataArray = dataset.predicted_class != still
    return flips


def about_images(images: Tensor, classes: np.ndarray) -> xr.Dataset:
    """True classes, norms and the number of pixels of the probe images."""
    norm = images.double().flatten(1).norm(dim=1).cpu()
    return xr.Dataset(
        {
            "label": variable(("sample",), classes.astype(np.int16), "true class of the image; -1 where it is not known"),
            "image_norm": variable(("sample",), norm.float(), "norm |x| of the image", NORMALISED),
            "pixels": variable((), np.int32(images[0].numel()), "numbers in an image: channels × rows × columns"),
        }
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
