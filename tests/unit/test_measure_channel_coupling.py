"""The file of rotated neurons, from checkpoints."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import binom
from torch import nn

from tests.unit.test_channel_coupling import planted
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.measure_channel_coupling import main
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset

RUN = {"dataset": "dots", "network": "tiny", "recipe": "short", "train_size": 50, "seed": 0}
SETTINGS = {"permutations": 199, "reflections": True, "seed": 0}
CNN = {"architecture": "simple_cnn", "depth": 3, "filter_size": 3, "width": 0.5}
RESNET = {"architecture": "resnet18", "width": 0.125}
FC = {"architecture": "fully_connected", "depth": 2, "width": 0.01}


def build(specification: dict[str, Any]) -> nn.Module:
    return build_network(specification, input_shape=(2, 16, 16), classes=3, seed=4)


def measure(folder: Path, specification: dict[str, Any], *networks: nn.Module, **changes: Any) -> xr.Dataset:
    """The file of checkpoints 0, 1, ... of a run."""
    paths = []
    for epoch, network in enumerate(networks):
        described = {"network": specification, "input_shape": (2, 16, 16), "classes": 3, "run": RUN}
        paths.append(folder / f"epoch{epoch:04d}.pt")
        save_checkpoint(paths[-1], checkpoint_content(network, described, epoch=epoch))
    main(paths, folder / "channel_coupling.nc", RUN, SETTINGS | changes, 1)
    return read_dataset(folder / "channel_coupling.nc")


def of_rotated_copies(network: nn.Module, size: int, copies_of: int) -> nn.Module:
    """The network with 32 rotated copies of a few filters in its first layer, which the second one reads alike."""
    rotated = copy.deepcopy(network)
    filters, weights = planted(size, 2, copies_of=copies_of, noise=0.2)
    pooled = torch.tensor(weights[:, :, :1, :1])
    with torch.no_grad():
        rotated.conv1.weight.copy_(torch.tensor(filters))
        rotated.conv2.weight.copy_(torch.cat([pooled, pooled[:8]]))
    return rotated


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """A random network, and the same with rotated copies."""
    network = build(CNN)
    return measure(tmp_path_factory.mktemp("run"), CNN, network, of_rotated_copies(network, 3, 4))


def test_dims_and_labels(measured: xr.Dataset) -> None:
    assert measured.correlation.dims == (*RUN_DIMENSIONS, "epoch", "transformation", "layer")
    assert measured.transformation.values.tolist() == ["rotation", "translation"]
    assert measured.epoch.values.tolist() == [0, 1]
    assert measured.layer_name.values.tolist() == [["conv1", "conv2", "conv3"]]
    assert measured.layer_before.values.tolist() == [["", "conv1", "conv2"]]
    assert measured.reason.values.tolist() == [["it reads the images", "", ""]]
    np.testing.assert_allclose(measured.relative_depth, [[1 / 8, 3 / 8, 5 / 8]])  # input, 3 × (conv, relu), pool, logits


def test_planted_copies_are_found_where_they_are(measured: xr.Dataset) -> None:
    p_value = measured.p_value.squeeze(RUN_DIMENSIONS).sel(transformation="rotation")
    assert float(p_value.sel(epoch=1, layer=1)) < 0.01
    assert float(measured.z.squeeze(RUN_DIMENSIONS).sel(epoch=1, layer=1, transformation="rotation")) > 5
    assert (p_value.sel(epoch=0, layer=[1, 2]) > 0.01).all()
    assert p_value.sel(layer=0).isnull().all()
    inside = measured.squeeze(RUN_DIMENSIONS).sel(epoch=0, layer=[1, 2])
    assert ((inside.null_low < inside.null_mean) & (inside.null_mean < inside.null_high)).all()
    np.testing.assert_allclose(inside.z, (inside.correlation - inside.null_mean) / inside.null_standard_deviation)
    assert (inside.channels == 32).all()


def test_copies_of_large_filters_turned_by_interpolation_are_found(tmp_path: Path) -> None:
    large = CNN | {"filter_size": 5}
    network = build(large)
    found = measure(tmp_path, large, network, of_rotated_copies(network, 5, 2)).squeeze(RUN_DIMENSIONS)
    rotation = found.sel(transformation="rotation", layer=1)
    assert float(rotation.p_value.sel(epoch=1)) < 0.01
    assert float(rotation.z.sel(epoch=1)) > 5
    assert float(rotation.p_value.sel(epoch=0)) > 0.01


@pytest.mark.parametrize("size", [3, 5])
def test_random_networks_come_out_positive_at_the_level(tmp_path: Path, size: int) -> None:
    """75 random networks with two pairs of convolutions each, at the level of 5 %."""
    small = CNN | {"filter_size": size, "width": 0.25}
    networks = [build_network(small, input_shape=(2, 16, 16), classes=3, seed=seed) for seed in range(75)]
    found = measure(tmp_path, small, *networks, permutations=99)
    for kind in found.transformation:
        p_value = found.p_value.sel(transformation=kind, layer=[1, 2]).values.ravel()
        assert len(p_value) == 150
        positive = np.count_nonzero(p_value <= 0.05)
        assert binom.ppf(0.001, len(p_value), 0.05) <= positive <= binom.ppf(0.999, len(p_value), 0.05)


def test_the_null_is_a_function_of_the_seed_and_not_of_the_other_checkpoints(measured: xr.Dataset, tmp_path: Path) -> None:
    network = build(CNN)
    again = measure(tmp_path, CNN, network)
    xr.testing.assert_equal(again.squeeze(), measured.sel(epoch=0).squeeze())
    other = measure(tmp_path, CNN, network, seed=1)
    assert (other.null_mean != again.null_mean).any()
    np.testing.assert_array_equal(other.correlation, again.correlation)
    without = measure(tmp_path, CNN, network, reflections=False)
    assert (without.correlation != again.correlation).sel(transformation="rotation", layer=[1, 2]).all()


def test_the_file_of_a_network_without_convolutions_says_why_it_is_empty(tmp_path: Path) -> None:
    found = measure(tmp_path, FC, build(FC))
    assert not found.data_vars
    assert found.note == "the network has no convolution"


def test_layers_of_few_channels_say_so(tmp_path: Path) -> None:
    few = CNN | {"width": 7 / 64}
    found = measure(tmp_path, few, build(few))
    assert found.reason.values.tolist() == [
        ["it reads the images", *["fewer than 8 channels are between the two convolutions"] * 2]
    ]
    assert found.correlation.isnull().all()


def test_files_of_all_networks_combine(measured: xr.Dataset, tmp_path: Path) -> None:
    for name, specification in (("resnet", RESNET), ("fc", FC)):
        folder = tmp_path / name
        folder.mkdir()
        found = measure(folder, specification, build(specification))
        found.assign_coords(network=[name]).to_netcdf(tmp_path / f"{name}.nc")
    measured.to_netcdf(tmp_path / "cnn.nc")
    cube = xr.open_mfdataset(str(tmp_path / "*.nc"), combine="by_coords", join="outer", data_vars="minimal")
    assert cube.sizes["network"] == 3
    here = cube.sel(network="tiny", layer=[0, 1, 2]).squeeze().z.load()
    np.testing.assert_array_equal(here.transpose(*measured.z.squeeze().dims), measured.z.squeeze())
    cube.close()
