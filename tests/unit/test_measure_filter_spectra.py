"""Files of filter spectra, from checkpoints to the table and the figure."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from tests.conftest import ROOT
from tests.synthetic_filters import make_filter_spectra
from workflow_scripts import draw_filter_spectra, measure_filter_spectra, summarise_filter_spectra
from workflow_scripts.diffeo.filter_spectra import filter_spectrum
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.run_averages import trained
from workflow_scripts.support.checkpoints import checkpoint_content, load_network, save_checkpoint
from workflow_scripts.support.netcdf import read_dataset, write_dataset

NETWORKS = {
    "lenet": {"architecture": "lenet", "width": 1.0},
    "resnet18": {"architecture": "resnet18", "width": 0.0625},
    "fc2": {"architecture": "fully_connected", "depth": 2, "width": 0.1},
}


def save_run(folder: Path, network: str) -> tuple[list[Path], dict[str, object]]:
    """Checkpoints of epochs 0 and 4; at epoch 4 the constant part of each filter is doubled."""
    labels = {"dataset": "mnist", "network": network, "recipe": "sgd", "train_size": 100, "seed": 0}
    built = build_network(NETWORKS[network], input_shape=(1, 28, 28), classes=10, seed=0)
    described = {"network": NETWORKS[network], "input_shape": [1, 28, 28], "classes": 10, "run": labels}
    paths = [folder / f"{network}{epoch}.pt" for epoch in (0, 4)]
    save_checkpoint(paths[0], checkpoint_content(built, described, 0))
    with torch.no_grad():
        for module in built.modules():
            if isinstance(module, nn.Conv2d):
                module.weight += module.weight.mean(dim=(2, 3), keepdim=True)
    save_checkpoint(paths[1], checkpoint_content(built, described, 4))
    return paths, labels


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("filters")
    files = {}
    for network in ("lenet", "resnet18"):
        paths, labels = save_run(folder, network)
        files[network] = folder / f"{network}.nc"
        measure_filter_spectra.main(paths, files[network], labels)
    return files


def test_file_holds_every_layer_at_every_epoch(runs: dict[str, Path]) -> None:
    measured = read_dataset(runs["lenet"]).squeeze(["dataset", "network", "recipe", "train_size", "seed"])
    assert measured.epoch.values.tolist() == [0, 4]
    assert measured.kernel_size.values.tolist() == [5, 5]
    assert measured.relative_depth.values.tolist() == [0, 1]
    filters = [
        measure_filter_spectra.filters_of(load_network(runs["lenet"].with_name(f"lenet{epoch}.pt"))[0]) for epoch in (0, 4)
    ]
    assert measured.layer_name.values.tolist() == list(filters[0])
    assert measured.filters.values.tolist() == [len(weights) for weights in filters[0].values()]
    for layer, name in enumerate(filters[0]):
        expected = filter_spectrum(filters[0][name], filters[1][name])
        for statistic in expected:
            np.testing.assert_allclose(measured[statistic].isel(epoch=1, layer=layer), expected[statistic], rtol=1e-12)
    np.testing.assert_allclose(measured.ratio.isel(epoch=1), [[4] + [1] * 24] * 2, rtol=1e-5)


def test_a_filter_is_the_kernel_of_one_pair_of_channels() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 4, 5, groups=2), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, (1, 3)))
    found = measure_filter_spectra.filters_of(network)
    assert {name: weights.shape for name, weights in found.items()} == {"0": (6, 3, 3), "1": (4, 5, 5)}
    np.testing.assert_array_equal(found["0"][4], network[0].weight[1, 1].detach().numpy())


def test_one_by_one_kernels_are_named_and_left_out(runs: dict[str, Path]) -> None:
    measured = read_dataset(runs["resnet18"])
    skipped = measured.attrs["skipped_layers"].split(", ")
    assert len(skipped) == 3
    assert all("downsample" in name or "shortcut" in name for name in skipped)
    assert measured.sizes["layer"] == 17
    assert not set(skipped) & set(measured.layer_name.values.ravel().tolist())
    assert (measured.kernel_size > 1).all()


def test_files_of_all_runs_combine_by_coordinates(runs: dict[str, Path]) -> None:
    options = {"combine": "by_coords", "join": "outer", "data_vars": "minimal", "compat": "no_conflicts"}
    with xr.open_mfdataset(list(map(str, runs.values())), **options) as cube:
        for network, path in runs.items():
            alone = read_dataset(path)
            found = cube.sel(network=[network], mode=alone.mode, layer=alone.layer)
            for name in ("ratio", "eigenvalue"):
                np.testing.assert_array_equal(found[name].values, alone[name].values)
        assert cube.ratio.sel(network="resnet18", mode=slice(9, None)).isnull().all()


def test_a_network_without_filters_is_refused(tmp_path: Path) -> None:
    paths, labels = save_run(tmp_path, "fc2")
    with pytest.raises(ValueError, match="fc2 has no convolution of 2 x 2 pixels or more"):
        measure_filter_spectra.main(paths, tmp_path / "fc2.nc", labels)


def test_table_has_a_row_for_every_epoch_of_every_run(runs: dict[str, Path], tmp_path: Path) -> None:
    names = {"lenet": "lenet", "resnet18": "resnet18"}
    summarise_filter_spectra.main(list(runs.values()), tmp_path / "filter_spectra.nc", names)
    table = read_dataset(tmp_path / "filter_spectra.nc")
    assert list(zip(table.network.values, table.epoch.values, strict=True)) == [
        (network, epoch) for network in names for epoch in (0, 4)
    ]
    lenet = read_dataset(runs["lenet"])
    for name in summarise_filter_spectra.STATISTICS:
        expected = lenet[name].squeeze(["dataset", "network", "recipe", "train_size", "seed"]).isel(epoch=1)
        found = table[name].isel(checkpoint=1, layer=slice(2))
        np.testing.assert_array_equal(found.values, expected.values)
    assert table.layer_name.values[0, 2] == ""
    assert table.low_pass[0, 2:].isnull().all()
    assert not {"seed", "skipped_layers"} & set(table.attrs)


@pytest.mark.parametrize("datasets", [("a",), ("a", "b", "c")])
def test_figure_shows_every_layer_at_its_eigenvalues(datasets: tuple[str, ...]) -> None:
    spectra = make_filter_spectra(datasets=datasets)
    figure = draw_filter_spectra.draw(spectra)
    spectrum = next(axis for axis in figure.axes if axis.get_title() == "a")  # of the simplest network
    lines = [line for line in spectrum.lines if len(line.get_xdata()) == 9]
    assert len(lines) == 2
    row = spectra.isel(checkpoint=np.flatnonzero(trained(spectra).network == "simple_cnn")[0] * 2 + 1, layer=0)
    order = np.argsort(row.eigenvalue.values, kind="stable")[:9]
    np.testing.assert_allclose(lines[0].get_xdata(), row.eigenvalue.values[order])
    np.testing.assert_allclose(lines[0].get_ydata(), row.eigenspace_ratio.values[order])


def test_figure_is_drawn_where_a_network_was_not_run_on_every_data_set(tmp_path: Path) -> None:
    spectra = make_filter_spectra()
    kept = ~((spectra.dataset == "a") & (spectra.network != "lenet"))
    write_dataset(spectra.isel(checkpoint=np.flatnonzero(kept)), tmp_path / "m.nc", title="made up", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    draw_filter_spectra.main(tmp_path / "m.nc", svg, png)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", ["summarise_filter_spectra", "draw_filter_spectra"])
def test_script_imports_no_torch(script: str) -> None:
    check = f"import sys, workflow_scripts.{script}; sys.exit(bool({{'torch', 'matplotlib.pyplot'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
