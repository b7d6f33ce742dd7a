"""The file of activation spectra of small networks, written by the script and read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from tests.synthetic_images import write_dots
from workflow_scripts.diffeo.activation_averages import activation_statistics
from workflow_scripts.diffeo.activation_spectra import activation_spectra
from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.measure_activation_spectra import main, mean_with_error
from workflow_scripts.support.checkpoints import checkpoint_content, load_network, save_checkpoint
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.tensors import load_probe

SIZE, IMAGES = 17, 12
LABELS = {"dataset": "dots", "recipe": "short", "train_size": 50, "seed": 0}
NETWORKS = {
    "vgg": {"architecture": "vgg11_bn", "width": 0.0625},
    "net": {"architecture": "fully_connected", "depth": 2, "width": 0.01},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file, and for each network the checkpoints of epochs 0 and 3 with its file of spectra, epoch 3 first."""
    folder = tmp_path_factory.mktemp("runs")
    write_dots(folder / "dots.nc", SIZE)
    for name, specification in NETWORKS.items():
        described = {"network": specification, "input_shape": (1, SIZE, SIZE), "classes": 2, "run": LABELS}
        paths = []
        for epoch in (3, 0):
            network = build_network(specification, input_shape=(1, SIZE, SIZE), classes=2, seed=epoch)
            paths.append(folder / name / f"epoch{epoch:04d}.pt")
            save_checkpoint(paths[-1], checkpoint_content(network, described, epoch=epoch))
        arguments: dict[str, Any] = {"labels": LABELS | {"network": name}, "settings": {"images": IMAGES}}
        main(folder / "dots.nc", paths, folder / name / "spectra.nc", **arguments, memory_mb=500, device="cpu", threads=1)
    return folder


@pytest.fixture(scope="module")
def measured(folder: Path) -> xr.Dataset:
    return read_dataset(folder / "vgg" / "spectra.nc")


def test_dims_labels_and_layers(measured: xr.Dataset) -> None:
    assert measured.power.dims[:6] == ("dataset", "network", "recipe", "train_size", "seed", "epoch")
    assert measured.power.dims[6:] == ("normalisation", "map_mean", "layer", "wave_number")
    assert measured.epoch.values.tolist() == [0, 3]
    assert measured.sizes["sample"] == IMAGES
    names = measured.layer_name.values[0].tolist()
    assert names[:5] == ["input", "features.0", "features.1", "features.2", "features.3"]
    assert names[-1] == "features.27"  # then one position is left: no maps
    assert measured.map_size.values[0, [0, 3, 4, 8, -1]].tolist() == [17, 17, 9, 5, 2]
    assert measured.channels.values[0, :2].tolist() == [1, 4]
    assert measured.relative_depth.values[0, 0] == 0
    assert (measured.modes.squeeze().sum("wave_number") == measured.map_size.squeeze() ** 2).all()
    white = measured.white_centroid.squeeze()
    assert white.dims == ("map_mean", "layer")
    assert white.sel(map_mean="removed")[-1].item() == pytest.approx((2 + 2**0.5) / 3)
    assert {str(dim) for dim in measured.layer_name.dims} == {"network", "layer"}


def test_numbers_are_those_of_the_library(measured: xr.Dataset, folder: Path) -> None:
    images, _ = load_probe(folder / "dots.nc", IMAGES, "cpu")
    for epoch in (0, 3):
        network, _ = load_network(folder / "vgg" / f"epoch{epoch:04d}.pt")
        prepare_batch_norm(network, images, epoch)
        found = activation_spectra(ObservedNetwork(network), images, batch_size=5)
        here = measured.sel(epoch=epoch).squeeze(drop=True)
        assert here.layer.values.tolist() == list(found)
        for index, expected in found.items():
            layer = here.sel(layer=index)
            np.testing.assert_allclose(layer.centroid, expected.centroid, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(layer.mean_square, expected.mean_square, rtol=1e-4)
            bins = expected.power.shape[-1]
            mean = np.nanmean(expected.power.double().numpy(), axis=2)
            np.testing.assert_allclose(layer.power[..., :bins], mean, rtol=1e-4, atol=1e-6)
            assert layer.power[..., bins:].isnull().all()


def test_epochs_differ_and_the_input_does_not(measured: xr.Dataset) -> None:
    first, last = (measured.centroid.sel(epoch=epoch).squeeze(drop=True) for epoch in (0, 3))
    assert (first.sel(layer=0) == last.sel(layer=0)).all()
    assert abs(first - last).sel(layer=1).max() > 1e-4


def test_untrained_networks_have_calibrated_batch_norm(measured: xr.Dataset) -> None:
    normalised = measured.mean_square.sel(epoch=0, layer=2).mean().item()
    assert normalised == pytest.approx(1, rel=1e-3)
    assert measured.mean_square.sel(epoch=3, layer=2).mean().item() < 0.9  # running statistics of the checkpoint


def test_the_file_reduces_and_combines(folder: Path, measured: xr.Dataset) -> None:
    found = activation_statistics(measured.squeeze([*LABELS, "network"], drop=True))
    assert found.epoch.values.tolist() == [0, 3]
    assert found.convolution_change.notnull().all()
    empty = read_dataset(folder / "net" / "spectra.nc")
    assert not empty.data_vars
    assert empty.note == "no operation makes maps of more than one pixel of the images"
    files = sorted(folder.glob("*/spectra.nc"))
    with xr.open_mfdataset(files, combine="by_coords", join="outer", data_vars="minimal") as cube:
        assert cube.network.values.tolist() == ["net", "vgg"]
        together = cube.centroid.sel(network="vgg").squeeze(drop=True).load()
        np.testing.assert_array_equal(together, measured.centroid.squeeze(drop=True))
        assert cube.layer_name.sel(network="vgg").values[0] == "input"


def test_mean_and_error_leave_out_images_without_power() -> None:
    power = torch.tensor([[1.0, 0.0], [torch.nan, torch.nan], [0.5, 0.5]], dtype=torch.float64)
    mean, error = mean_with_error(power)
    assert mean.tolist() == [0.75, 0.25]
    assert error.tolist() == [0.25, 0.25]
    assert mean_with_error(power[:1])[1].isnan().all()
    assert mean_with_error(power[1:2])[0].isnan().all()
