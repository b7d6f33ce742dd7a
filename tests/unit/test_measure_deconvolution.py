"""The file of deconvolutions of small networks, written by the script and read back; its table; its figures."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from tests.synthetic_images import write_dots
from workflow_scripts import draw_deconvolution, draw_deconvolution_pictures, summarise_deconvolution
from workflow_scripts.diffeo.deconvolution import deconvolve
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import Patches, strongest_patches
from workflow_scripts.measure_deconvolution import main
from workflow_scripts.support.checkpoints import checkpoint_content, load_network, save_checkpoint
from workflow_scripts.support.images import load_images
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.tensors import normalised

SIZE, IMAGES, CHANNELS, PATCHES = 17, 12, 5, 3
LABELS: dict[str, Any] = {"dataset": "dots", "recipe": "short", "train_size": 50, "seed": 0}
SETTINGS = {"images": IMAGES, "channels": CHANNELS, "patches": PATCHES, "seed": 4}
NETWORKS = {
    "net": {"architecture": "lenet", "width": 0.5},
    "resnet": {"architecture": "resnet18", "width": 0.0625},
}
ARCHITECTURES = {name: str(network["architecture"]) for name, network in NETWORKS.items()}
RUN = [*LABELS, "network"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file, and for each network the checkpoints of epochs 0 and 3 with its file, epoch 3 first."""
    folder = tmp_path_factory.mktemp("runs")
    write_dots(folder / "dots.nc", SIZE)
    for name, specification in NETWORKS.items():
        described = {"network": specification, "input_shape": (1, SIZE, SIZE), "classes": 2, "run": LABELS}
        paths = []
        for epoch in (3, 0):
            network = build_network(specification, input_shape=(1, SIZE, SIZE), classes=2, seed=epoch)
            if name == "net":
                silence(network)
            paths.append(folder / name / f"epoch{epoch:04d}.pt")
            save_checkpoint(paths[-1], checkpoint_content(network, described, epoch=epoch))
        measure(folder / "dots.nc", paths, folder / name, name)
    return folder


def silence(network: nn.Module) -> None:
    """Leave one channel active in the first layer of a LeNet, and none in the second."""
    biases: list[Tensor] = [network.get_parameter(f"conv{layer}.bias") for layer in (1, 2)]
    with torch.no_grad():
        biases[0][1:] = -1000
        biases[1][:] = -1000


def measure(data: Path, checkpoints: list[Path], folder: Path, name: str) -> None:
    arguments: dict[str, Any] = {"labels": LABELS | {"network": name}, "settings": SETTINGS, "memory_mb": 500}
    main(data, checkpoints, folder / "deconvolution.nc", **arguments, device="cpu", threads=1)


@pytest.fixture(scope="module")
def measured(folder: Path) -> xr.Dataset:
    return read_dataset(folder / "resnet" / "deconvolution.nc").squeeze(RUN)


def test_dims_and_layers(measured: xr.Dataset) -> None:
    assert measured.epoch.values.tolist() == [0, 3]
    assert measured.reconstruction.dims == ("epoch", "layer", "feature", "patch", "channel", "row", "column")
    assert measured.sizes["feature"] == CHANNELS
    assert measured.sizes["patch"] == PATCHES
    assert measured.layer_name.values[:3].tolist() == ["relu", "layer1.0.relu", "layer1.0.relu#1"]
    assert measured.sizes["layer"] == 17
    assert measured.receptive_field.isel(epoch=0, layer=1).values.tolist() == [5, 5]
    assert measured.attrs["searched"] == "12 validation images"


def test_patches_and_reconstructions_are_those_of_the_library(measured: xr.Dataset, folder: Path) -> None:
    stored = load_images(folder / "dots.nc", {"validation": IMAGES})
    images = normalised(stored, "validation", "cpu")
    network, _ = load_network(folder / "resnet" / "epoch0003.pt")
    observed = ObservedNetwork(network.eval())
    for place in (0, 8):
        here = measured.sel(epoch=3).isel(layer=place)
        layer = int(here.operation_index)
        channels = torch.from_numpy(here.feature_channel.values).long()
        assert len(set(channels.tolist())) == CHANNELS or (channels == -1).any()
        channels = channels[channels >= 0]
        best = strongest_patches(observed, images, [layer], PATCHES, batch_size=5)[layer]
        chosen = Patches(best.image[channels], best.position[channels], best.activation[channels])
        here = here.isel(feature=slice(len(channels)))
        index = measured.split_index.values[here.image_index.values]
        np.testing.assert_array_equal(index, chosen.image)
        np.testing.assert_array_equal(here.position, chosen.position)
        np.testing.assert_allclose(here.activation, chosen.activation, rtol=1e-5)
        expected = deconvolve(observed, images, layer, channels, chosen, batch_size=4)
        found = here.reconstruction * here.reconstruction_scale
        largest = expected.abs().amax((-3, -2, -1), keepdim=True)
        assert (torch.from_numpy(found.values) - expected).abs().le(largest / 250).all()  # 127 levels on either side of 0
        np.testing.assert_allclose(here.reconstruction_scale, largest[..., 0, 0, 0], rtol=1e-4)
        np.testing.assert_array_equal(measured.image.values[here.image_index.values], stored.images["validation"][index])


def test_all_energy_is_inside_the_receptive_field(measured: xr.Dataset) -> None:
    shares = measured.share_inside.values[measured.reconstruction_scale.values > 0]
    assert len(shares) > 100
    assert shares == pytest.approx(1, abs=1e-6)
    one = measured.isel(epoch=0, layer=1, feature=0, patch=0)
    rows, columns = (slice(*edges) for edges in zip(one.box_start.values, one.box_stop.values, strict=True))
    inside = one.reconstruction.isel(row=rows, column=columns)
    assert (inside != 0).sum() == (one.reconstruction != 0).sum() > 0
    assert inside.size <= 25


def test_channels_are_the_same_at_both_epochs_where_all_are_active(measured: xr.Dataset) -> None:
    alive = (measured.dead_fraction == 0).all("epoch")
    assert alive.any()
    channels = measured.feature_channel.isel(layer=alive.values)
    assert (channels.isel(epoch=0) == channels.isel(epoch=1)).all()
    assert (measured.activation.diff("epoch") != 0).any()


def test_channels_without_activity_are_left_out(folder: Path) -> None:
    silent = read_dataset(folder / "net" / "deconvolution.nc").squeeze(RUN).isel(epoch=-1)
    assert silent.dead_fraction.values.tolist() == pytest.approx([2 / 3, 1])
    assert silent.feature_channel.values.tolist() == [[0, -1, -1, -1, -1], [-1] * 5]
    assert (silent.image_index.isel(layer=1) == -1).all()
    for name in ("activation", "extent", "centroid", "share_inside"):
        assert silent[name].isel(layer=0, feature=0).notnull().all()
        assert silent[name].isel(layer=1).isnull().all()
    assert (silent.reconstruction.isel(layer=1) == 0).all()
    assert (silent.box_stop.isel(layer=1) == 0).all()


def test_a_data_set_without_validation_images_gives_its_test_images(folder: Path, tmp_path: Path) -> None:
    with xr.open_dataset(folder / "dots.nc") as data:
        kept = data.isel(image=data.split.values == 2).load()
    kept.attrs["complete"] = np.int8(1)
    kept.to_netcdf(tmp_path / "dots.nc")
    (tmp_path / "net").mkdir()
    measure(tmp_path / "dots.nc", [folder / "net" / "epoch0003.pt"], tmp_path / "net", "net")
    assert read_dataset(tmp_path / "net" / "deconvolution.nc").attrs["searched"] == "12 test images"


def test_files_of_several_runs_combine(folder: Path, measured: xr.Dataset) -> None:
    with xr.open_mfdataset(
        sorted(folder.glob("*/deconvolution.nc")), combine="by_coords", join="outer", data_vars="minimal"
    ) as cube:
        assert cube.network.values.tolist() == ["net", "resnet"]
        together = cube.extent.sel(network="resnet").squeeze([*LABELS], drop=True).load()
        np.testing.assert_array_equal(together, measured.extent)
        patch = cube.isel(network=1, epoch=-1, layer=2, feature=0, patch=0).squeeze([*LABELS]).load()
        assert patch.image.isel(picture=int(patch.image_index)).notnull().all()


# The table and the figures


@pytest.fixture(scope="module")
def table(folder: Path) -> Path:
    summarise_deconvolution.main(sorted(folder.glob("*/deconvolution.nc")), folder / "table.nc", ARCHITECTURES)
    return folder / "table.nc"


def test_the_table_has_a_row_for_each_checkpoint(table: Path, measured: xr.Dataset) -> None:
    found = read_dataset(table)
    labels = list(zip(found.network.values.tolist(), found.epoch.values.tolist(), strict=True))
    assert labels == [("net", 0), ("net", 3), ("resnet", 0), ("resnet", 3)]
    row = found.isel(checkpoint=3)
    of_channel = measured.extent.sel(epoch=3).mean("patch")
    np.testing.assert_allclose(row.extent, of_channel.mean("feature"), rtol=1e-6)
    assert found.layer_name.values[0].tolist().count("") == found.sizes["layer"] - 2


def test_figures_are_drawn_of_what_was_measured(folder: Path, table: Path) -> None:
    for name in NETWORKS:
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        draw_deconvolution_pictures.main(folder / name / "deconvolution.nc", svg, png)
        ET.parse(svg)
        assert png.stat().st_size > 5000
    draw_deconvolution.main(table, folder / "depth.svg", folder / "depth.png")
    ET.parse(folder / "depth.svg")
