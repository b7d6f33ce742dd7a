"""Files of local transforms, from checkpoints to the table."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from tests.conftest import ROOT
from tests.synthetic_images import write_dots
from workflow_scripts import measure_local_transforms, summarise_local_transforms
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import random_patches
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset

SIZE = 16
SETTINGS: dict[str, Any] = {
    "images": 40,
    "selection_images": 20,
    "top": 3,
    "draws": 1,
    "frobenius": [2.0],
    "displacements": [0.5],
    "firing_rate": 0.05,
    "seed": 2,
}
NETWORKS: dict[str, dict[str, Any]] = {
    "lenet": {"architecture": "lenet"},
    "cnn": {"architecture": "simple_cnn", "depth": 2, "filter_size": 3, "width": 0.125},
}


def run_labels(network: str) -> dict[str, Any]:
    return {"dataset": "dots", "network": network, "recipe": "short", "train_size": 50, "seed": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "dots.nc"
    write_dots(path, SIZE, validation=30, test=60)
    return path


def measure(data: Path, folder: Path, network: str, change: Callable[[nn.Module], object] | None = None) -> Path:
    """The file of a run with the checkpoints 0 and 3, the weights of the second changed."""
    folder.mkdir(exist_ok=True)
    built = build_network(NETWORKS[network], input_shape=(1, SIZE, SIZE), classes=2, seed=0)
    described = {"network": NETWORKS[network], "input_shape": (1, SIZE, SIZE), "classes": 2, "run": run_labels(network)}
    checkpoints = []
    for epoch in (0, 3):
        if epoch and change:
            change(built)
        checkpoints.append(folder / f"{epoch}.pt")
        save_checkpoint(checkpoints[-1], checkpoint_content(built, described, epoch))
    out = folder / "local_transforms.nc"
    measure_local_transforms.main(data, checkpoints, out, run_labels(network), SETTINGS, 200, "cpu", 1)
    return out


def rotated_copies(network: nn.Module) -> None:
    """Make the first layer copies of one filter, each turned by 90° more, and the second add them up at one position."""
    first, second = network.get_submodule("conv1"), network.get_submodule("conv2")
    with torch.no_grad():
        filters = torch.tensor([[0.0, 0.2, 1.0], [-0.7, 0.5, 0.1], [0.3, -1.0, -0.4]])
        first.weight.copy_(torch.stack([torch.rot90(filters, turns) for turns in range(8)])[:, None])
        second.weight.zero_()
        second.weight[:, :, 1, 1] = 1
        for layer in (first, second):
            layer.bias.zero_()


@pytest.fixture(scope="module")
def files(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    changes = {"lenet": None, "cnn": rotated_copies}
    return {network: measure(data, folder / network, network, change) for network, change in changes.items()}


def test_file_has_every_neuron_of_every_convolution_and_relu(files: dict[str, Path]) -> None:
    measured = read_dataset(files["lenet"])
    assert measured.alpha.dims == (*RUN_DIMENSIONS, "epoch", "layer", "patch_choice", "transform", "strength", "channel")
    assert measured.layer.values.tolist() == [1, 2, 4, 5]
    assert measured.layer_name.values.ravel().tolist() == ["conv1", "relu1", "conv2", "relu2"]
    assert measured.operation.values.ravel().tolist() == ["convolution", "activation"] * 2
    assert measured.epoch.values.tolist() == [0, 3]
    assert measured.norm.values.tolist() == ["displacement", "frobenius"]
    assert measured.amount.values.tolist() == [0.5, 2.0]
    channels = measured.pair_distance.squeeze(RUN_DIMENSIONS).isel(epoch=0).count("channel")
    assert channels.values.tolist() == [6, 6, 16, 16]
    assert measured.receptive_field.squeeze(RUN_DIMENSIONS).values.tolist() == [[5, 5], [5, 5], [14, 14], [14, 14]]
    assert measured.attrs["random_patches"] == "one of each of 40 test images"
    assert measured.attrs["strongest_patches"] == "of 20 validation images"
    for name, values in measured.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name


def test_numbers_of_patches_and_of_neurons_are_the_same(files: dict[str, Path]) -> None:
    measured = read_dataset(files["lenet"]).squeeze(RUN_DIMENSIONS)
    over_neurons = measured.alpha.sel(patch_choice="random").mean("channel")
    np.testing.assert_allclose(over_neurons, measured.alpha_of_patch.mean("patch"), rtol=1e-5)
    pairs = 2 * 40 / 39 * measured.squared_deviation_of_patch.mean("patch")
    np.testing.assert_allclose(measured.pair_distance.mean("channel"), pairs, rtol=1e-5)
    np.testing.assert_array_equal(measured.alpha.isel(epoch=0), measured.alpha.isel(epoch=1))
    assert measured.alpha_standard_error.sel(patch_choice="top1").isnull().all()
    strongest = measured.mean_activation.diff("patch_choice")
    assert (strongest.sel(patch_choice="top1").dropna("channel") >= 0).all()
    assert (strongest.sel(patch_choice="topk").dropna("channel") <= 0).all()
    assert (measured.global_firing_rate.max() <= 0.05) and measured.global_firing_rate.isel(layer=0).min() > 0


def test_equal_displacements_are_equal(files: dict[str, Path]) -> None:
    measured = read_dataset(files["cnn"]).squeeze(RUN_DIMENSIONS)
    translation = measured.mean_displacement.sel(transform="translation")
    np.testing.assert_allclose(translation.isel(strength=0), 0.5, rtol=1e-6)
    linear = measured.mean_displacement.sel(transform=["compression", "rotation", "shear"], weighting="uniform").isel(strength=0)
    assert float(linear.max()) < 0.5  # the mean is below the root mean square
    assert float(linear.min()) > 0.4
    np.testing.assert_allclose(measured.translation_share.sel(transform="translation"), 1)


def test_the_table_says_that_pooled_rotated_copies_do_not_notice_a_rotation(files: dict[str, Path], tmp_path: Path) -> None:
    """By 90° (norm 2): the sum over the copies stays, but where the image's edge cuts the field."""
    names = {"lenet": "lenet", "cnn": "simple_cnn"}
    summarise_local_transforms.main(list(files.values()), tmp_path / "table.nc", names)
    table = read_dataset(tmp_path / "table.nc")
    assert list(zip(table.network.values, table.epoch.values, strict=True)) == [
        (name, epoch) for name in names for epoch in (0, 3)
    ]
    row = table.isel(checkpoint=3, strength=1)
    assert row.layer_name.sel(layer=[1, 2, 3, 4]).values.tolist() == ["conv1", "relu1", "conv2", "relu2"]
    alpha = row.alpha_normalised.sel(patch_choice="random")
    first, second = alpha.sel(layer=1), alpha.sel(layer=4)
    assert first.sel(transform="rotation") > 0.2 * first.sel(transform="translation")
    assert second.sel(transform="rotation") < 0.1 * second.sel(transform="translation")
    of_patch = read_dataset(files["cnn"]).alpha_of_patch.squeeze(RUN_DIMENSIONS).isel(epoch=1, strength=1).sel(layer=4)
    position = random_patches(SETTINGS["seed"], 40, 40, (8, 8))[1]
    inside = ((position > 0) & (position < 7)).all(dim=1).numpy()
    assert of_patch.sel(transform="rotation").isel(patch=inside).max() < 1e-10
    assert of_patch.sel(transform="translation").isel(patch=inside).mean() > 1e-3
    assert table.operation.sel(layer=5).values.tolist() == ["activation"] * 2 + [""] * 2
    assert not {"seed", "random_patches"} & set(table.attrs)


def test_files_of_all_runs_combine_by_coordinates(files: dict[str, Path]) -> None:
    options = {"combine": "by_coords", "join": "outer", "data_vars": "minimal", "compat": "no_conflicts"}
    with xr.open_mfdataset(list(map(str, files.values())), **options) as cube:
        for network, path in files.items():
            alone = read_dataset(path)
            found = cube.sel(network=[network], layer=alone.layer, channel=alone.channel)
            np.testing.assert_array_equal(found.alpha.values, alone.alpha.values)


def test_layers_behind_what_has_no_profile_have_missing_numbers() -> None:
    network = build_network({"architecture": "efficientnet_b0", "width": 0.1}, input_shape=(1, 32, 32), classes=2, seed=0)
    about = measure_local_transforms.geometry(ObservedNetwork(network.eval()), torch.zeros(5, 1, 32, 32), SETTINGS)
    linear = about.translation_share.isel(transform=0)
    assert 0 < linear.isnull().any("patch").sum() < about.sizes["layer"]
    assert about.mean_displacement.isel(weighting=1).notnull().all()


@pytest.mark.parametrize(
    "script",
    ["summarise_local_transforms", "draw_neuron_stability", "draw_neuron_firing", "draw_transform_displacement", "decide_claims"],
)
def test_script_imports_no_torch(script: str) -> None:
    check = f"import sys, workflow_scripts.{script}; sys.exit(bool({{'torch', 'matplotlib.pyplot'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
