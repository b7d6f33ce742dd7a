"""A network trained for an epoch on squares, and the file of every analysis of it, for every architecture."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from snakemake.utils import validate

from tests.conftest import ROOT
from workflow_scripts import (
    calibrate_deformations,
    initialise_network,
    measure_activation_spectra,
    measure_channel_coupling,
    measure_channel_shuffle,
    measure_deconvolution,
    measure_effective_receptive_fields,
    measure_filter_spectra,
    measure_local_transforms,
    measure_predictor,
    measure_receptive_fields,
    measure_stability,
    train_network,
)
from workflow_scripts.diffeo.networks import ARCHITECTURES
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.prepare_dataset import assemble
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.splits import Split

IMAGES = {"train": 12, "validation": 4, "test": 6}
RUN: dict[str, Any] = {"dataset": "squares", "recipe": "short", "train_size": IMAGES["train"], "seed": 0}
RECIPE = {"epochs": 1, "optimizer": "sgd", "learning_rate": 0.001, "batch_size": 4}
SETTINGS: dict[str, Any] = {
    "deformations": {"cutoffs": [3], "displacements": [1.0], "interpolations": ["bilinear"]},
    "probe": {"images": 6},
    "stability": {},
    "predictor": {"images": 4, "steps": 3, "draws": 1, "interpolations": ["bilinear"]},
    "activation_spectra": {"images": 4},
    "channel_shuffle": {"permutations": 1, "single_permutations": 1},
    "channel_coupling": {"permutations": 19},
    "deconvolution": {"images": 4, "channels": 2, "patches": 2},
    "receptive_fields": {"images": 4, "draws": 1},
    "local_transforms": {
        "images": 3,
        "selection_images": 3,
        "top": 2,
        "frobenius": [1.0],
        "displacements": [1.0],
        "firing_rate": 0.4,
    },
}
COLOUR, GREY, SMALL = (3, 32), (1, 32), (3, 16)  # channels, pixels along an edge
VIT = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32, "num_classes": 2}
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "fully_connected": ({"architecture": "fully_connected", "depth": 4, "width": 0.1}, GREY),
    "simple_cnn": ({"architecture": "simple_cnn", "depth": 2, "filter_size": 9, "width": 0.2}, GREY),
    "lenet": ({"architecture": "lenet"}, GREY),
    "alexnet": ({"architecture": "alexnet", "width": 0.1}, COLOUR),
    "local_model": ({"architecture": "local_model", "channels": 8}, GREY),
    "locally_connected": ({"architecture": "local_model", "channels": 8, "locally_connected": True, "trained": "readout"}, GREY),
    **{name: ({"architecture": name, "width": 0.125}, SMALL) for name in ARCHITECTURES if name.startswith("vgg")},
    **{name: ({"architecture": name, "width": 0.125}, SMALL) for name in ARCHITECTURES if name.startswith("resnet")},
    "vgg11_bn_antialiased": ({"architecture": "vgg11_bn", "width": 0.125, "antialiased": True}, SMALL),
    "resnet18_antialiased": ({"architecture": "resnet18", "width": 0.125, "antialiased": True}, SMALL),
    "efficientnet_b0": ({"architecture": "efficientnet_b0", "width": 0.25}, SMALL),
    "efficientnet_lite0": ({"architecture": "efficientnet_lite0"}, COLOUR),
    "convnext_tiny": ({"architecture": "torchvision", "model": "convnext_tiny"}, COLOUR),
    "vision_transformer": ({"architecture": "own", "factory": "torchvision.models:VisionTransformer", "options": VIT}, COLOUR),
}


def analyse(folder: Path, name: str, device: str = "cpu", memory_mb: int = 500) -> dict[str, Path]:
    """Train a network of `NETWORKS` for one epoch on squares of random grey and make the file of every analysis."""
    network, (channels, size) = NETWORKS[name]
    machine: dict[str, Any] = {"device": device, "threads": 1}
    batched = machine | {"memory_mb": memory_mb}
    settings = with_defaults()
    labels = RUN | {"network": name}
    data, calibration, training = folder / "data.nc", folder / "calibration.nc", folder / "training.nc"
    initial, last = folder / "epoch0000.pt", folder / "epoch0001.pt"
    write_squares(data, channels, size)
    initialise_network.main(data, initial, labels, network)
    recipe = {key: value for key, value in settings["recipe"].items() if key != "pretrained"}
    train_network.main(data, initial, training, [last], folder / "best.pt", labels, network, recipe, code="", **machine)
    deformations = settings["deformations"]
    ensemble = {key: value for key, value in deformations.items() if key != "cutoffs"}
    calibrate_deformations.main(data, calibration, "squares", 3, ensemble, settings["probe"], **batched)
    swept = {key: deformations[key] for key in ("mode_rule", "seed")}
    drawn = {key: deformations[key] for key in ("delta_convention", "mode_rule", "seed")}
    epochs, files = [initial, last], {}

    def path(analysis: str) -> Path:
        files[analysis] = folder / f"{analysis}.nc"
        return files[analysis]

    for epoch, checkpoint in enumerate(epochs):
        sweep = (labels | {"epoch": epoch}, settings["stability"], swept, settings["probe"])
        measure_stability.main(data, calibration, checkpoint, path(f"stability{epoch}"), *sweep, **batched)
    of_predictor = {key: value for key, value in settings["predictor"].items() if key != "epochs"}
    measure_predictor.main(data, last, path("predictor"), labels | {"epoch": 1}, of_predictor, drawn, **batched)
    measure_filter_spectra.main(epochs, path("filter_spectra"), labels)
    measure_activation_spectra.main(data, epochs, path("activation_spectra"), labels, settings["activation_spectra"], **batched)
    measure_channel_shuffle.main(
        data,
        calibration,
        epochs,
        [files["stability0"], files["stability1"]],
        path("channel_shuffle"),
        labels,
        settings["channel_shuffle"],
        settings["stability"],
        swept,
        settings["probe"],
        **batched,
    )
    measure_channel_coupling.main(epochs, path("channel_coupling"), labels, settings["channel_coupling"], threads=1)
    measure_deconvolution.main(data, epochs, path("deconvolution"), labels, settings["deconvolution"], **batched)
    shape = [channels, size, size]
    measure_receptive_fields.main(path("receptive_fields"), {"dataset": "squares", "network": name}, network, shape)
    of_fields = settings["receptive_fields"]
    measure_effective_receptive_fields.main(data, epochs, path("effective_receptive_fields"), labels, of_fields, **batched)
    of_transforms = {key: value for key, value in settings["local_transforms"].items() if key != "epochs"}
    measure_local_transforms.main(data, epochs, path("local_transforms"), labels, of_transforms, **batched)
    return files


def with_defaults() -> dict[str, Any]:
    """`SETTINGS` with what the schema fills in, and the whole recipe."""
    whole = yaml.safe_load((ROOT / "configs/smoke.yaml").read_text()) | SETTINGS
    whole["recipes"] = whole["recipes"] | {"one_epoch": RECIPE}
    validate(whole, str(ROOT / "schemas/config.schema.yaml"))
    return whole | {"recipe": whole["recipes"]["one_epoch"]}


def write_squares(path: Path, channels: int, size: int) -> None:
    """A data file of two classes: dark images of random grey with a bright square in the left or the right half."""
    random = np.random.default_rng(0)
    splits = []
    for count in IMAGES.values():
        images = random.integers(0, 100, (count, channels, size, size), dtype=np.uint8)
        labels = np.arange(count) % 2
        for image, label in zip(images, labels, strict=True):
            row, column = random.integers(0, size // 4, 2) + np.array([0, label * size // 2])
            image[:, row : row + size // 4, column : column + size // 4] += 100
        splits.append(Split(images, labels, np.arange(count)))
    constants = {
        key: variable(("dataset", "channel"), np.full((1, channels), value), key)
        for key, value in (("mean", 0.2), ("standard_deviation", 0.15))
    }
    stored = assemble(splits).assign(constants).assign_coords(dataset=["squares"])
    write_dataset(stored, path, title="squares", configuration={}, classes=2)
