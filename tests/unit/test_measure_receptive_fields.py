"""Files of receptive fields, from a network and from checkpoints, to the table and the figures."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.patches import Rectangle

from tests.conftest import ROOT
from tests.synthetic_images import write_dots
from tests.synthetic_receptive_fields import EDGE, make_receptive_fields
from workflow_scripts import (
    draw_receptive_field,
    draw_receptive_field_sizes,
    measure_effective_receptive_fields,
    measure_receptive_fields,
    summarise_receptive_fields,
)
from workflow_scripts.diffeo.contribution_profiles import contribution_profiles, field_size
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.receptive_fields import receptive_boxes
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset

SHAPE = (1, 16, 16)
NETWORKS: dict[str, dict[str, Any]] = {
    "lenet": {"architecture": "lenet", "width": 1.0},
    "vgg11": {"architecture": "vgg11", "width": 0.05},
    "fc2": {"architecture": "fully_connected", "depth": 2, "width": 0.1},
}
SCRIPTS = ("summarise_receptive_fields", "draw_receptive_field", "draw_receptive_field_sizes")


def measure(folder: Path, network: str) -> tuple[Path, Path]:
    """The two files of a network, on scale-detection images; at epoch 2 all weights are halved."""
    data = folder / "dots.nc"
    if not data.exists():
        write_dots(data, SHAPE[-1], train=9, validation=5, test=6)
    labels = {"dataset": "dots", "network": network, "recipe": "sgd", "train_size": 9, "seed": 0}
    built = build_network(NETWORKS[network], input_shape=SHAPE, classes=2, seed=0)
    described = {"network": NETWORKS[network], "input_shape": list(SHAPE), "classes": 2, "run": labels}
    checkpoints = [folder / f"{network}{epoch}.pt" for epoch in (0, 2)]
    save_checkpoint(checkpoints[0], checkpoint_content(built, described, 0))
    with torch.no_grad():
        for weight in built.parameters():
            weight /= 2
    save_checkpoint(checkpoints[1], checkpoint_content(built, described, 2))
    files = folder / f"{network}.nc", folder / f"{network}_effective.nc"
    settings = {"images": 5, "draws": 2, "seed": 0}
    measure_effective_receptive_fields.main(data, checkpoints, files[1], labels, settings, 100, "cpu", 1)
    measure_receptive_fields.main(files[0], {"dataset": "dots", "network": network}, NETWORKS[network], list(SHAPE))
    return files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("fields")
    return {network: measure(folder, network) for network in ("lenet", "vgg11")}


def observed(network: str) -> ObservedNetwork:
    return ObservedNetwork(build_network(NETWORKS[network], input_shape=SHAPE, classes=2, seed=1).eval())


@pytest.mark.parametrize("network", ["lenet", "vgg11"])
def test_file_of_a_network_holds_the_boxes_and_profiles_of_all_its_maps(files: dict[str, Any], network: str) -> None:
    found = read_dataset(files[network][0]).squeeze(("dataset", "network"), drop=True)
    graph = observed(network)
    boxes = receptive_boxes(graph, SHAPE)
    kinds = [operation.kind for operation in graph.operations]
    assert (
        found.layer.values.tolist()
        == [index for index, kind in enumerate(kinds[:-2]) if "linear" not in kind][: found.sizes["layer"]]
    )
    for layer in found.layer.values.tolist():
        here = found.sel(layer=layer)
        box = boxes[layer]
        assert (tuple(here.box_size.values), tuple(here.box_jump.values), tuple(here.box_offset.values)) == (
            box.size,
            box.jump,
            box.offset,
        )
        assert here.operation == kinds[layer]
        rows, columns = here.map_size.values.tolist()
        positions = torch.tensor([[rows // 2, column] for column in range(columns)])
        profiles = contribution_profiles(graph, SHAPE, layer, positions)
        centre, size = field_size(profiles)
        np.testing.assert_allclose(here.profile, profiles[columns // 2], atol=1e-6)
        np.testing.assert_allclose(here.row_effective_size[:columns], size, rtol=1e-12)
        np.testing.assert_allclose(here.row_centre[:columns], centre[:, 1], rtol=1e-12)
        np.testing.assert_allclose(here.effective_size, size[columns // 2], rtol=1e-12)
        np.testing.assert_allclose(here.centre, centre[columns // 2], rtol=1e-12)
        assert here.row_effective_size[columns:].isnull().all()


def test_share_of_the_image_counts_pixels_inside_it(files: dict[str, Any]) -> None:
    found = read_dataset(files["lenet"][0]).squeeze(("dataset", "network"), drop=True)
    assert found.box_share.sel(layer=0) == 1 / 256
    assert found.box_share.sel(layer=1) == 25 / 256
    assert found.box_share.sel(layer=4) == 14**2 / 256


def test_operations_without_a_known_profile_keep_their_box(tmp_path: Path) -> None:
    specification = {"architecture": "torchvision", "model": "shufflenet_v2_x0_5"}
    measure_receptive_fields.main(tmp_path / "x.nc", {"dataset": "dots", "network": "shuffle"}, specification, [3, 32, 32])
    found = read_dataset(tmp_path / "x.nc").squeeze(("dataset", "network"), drop=True)
    assert found.profile.isel(layer=1).notnull().all()
    assert found.profile.isel(layer=-1).isnull().all()
    assert found.box_size.isel(layer=-1).values.tolist() == [32, 32]


def test_file_of_a_run_holds_every_convolution_at_every_epoch(files: dict[str, Any]) -> None:
    found = read_dataset(files["vgg11"][1]).squeeze(RUN_DIMENSIONS, drop=True)
    assert found.epoch.values.tolist() == [0, 2]
    graph = observed("vgg11")
    assert found.layer.values.tolist() == [
        index for index, operation in enumerate(graph.operations) if operation.kind == "convolution"
    ]
    np.testing.assert_allclose(found.profile.sum(("row", "column")), found.total.mean("sample"), rtol=1e-5)
    np.testing.assert_allclose(found.profile.max(("row", "column")), found.peak.mean("sample"), rtol=1e-5)
    expected = np.sqrt(found.total.mean("sample") / found.peak.mean("sample"))
    np.testing.assert_allclose(found.effective_size, expected, rtol=1e-5)
    assert (found.effective_size_standard_error > 0).all()
    assert found.example_image.shape == SHAPE
    structure = read_dataset(files["vgg11"][0]).squeeze(("dataset", "network"), drop=True).sel(layer=found.layer)
    rows, columns = structure.map_size.T.values
    for layer in range(found.sizes["layer"]):
        example = found.example_map.isel(epoch=0, layer=layer)
        assert example[: rows[layer], : columns[layer]].notnull().all()
        assert example.notnull().sum() == rows[layer] * columns[layer]
    outside = found.profile.where(structure.profile == 0, 0.0)
    assert abs(outside).max() == 0


def test_files_of_all_runs_combine_by_coordinates(files: dict[str, Any]) -> None:
    for kind in (0, 1):
        paths = [str(pair[kind]) for pair in files.values()]
        options: dict[str, Any] = {"combine": "by_coords", "join": "outer", "data_vars": "minimal", "compat": "no_conflicts"}
        with xr.open_mfdataset(paths, **options) as cube:
            for network, pair in files.items():
                alone = read_dataset(pair[kind])
                chosen = cube.profile.sel(network=[network], layer=alone.layer)
                np.testing.assert_array_equal(chosen.values, alone.profile.values)


def test_files_of_a_network_without_convolutions_say_why_they_are_empty(files: dict[str, Any], tmp_path: Path) -> None:
    empty = measure(tmp_path, "fc2")
    assert [(len(file.data_vars), file.note) for file in map(read_dataset, empty)] == [
        (0, "no operation makes maps of the images"),
        (0, "the network has no convolution"),
    ]
    pairs = [empty, *files.values()]
    out, names = tmp_path / "receptive_fields.nc", {name: str(network["architecture"]) for name, network in NETWORKS.items()}
    summarise_receptive_fields.main([pair[0] for pair in pairs], [pair[1] for pair in pairs], out, names)
    table = read_dataset(out)
    assert set(table.network.values) == set(files)
    assert table.left_out == "fc2 on dots: the network has no convolution"
    summarise_receptive_fields.main([empty[0]], [empty[1]], out, names)
    assert read_dataset(out).sizes["checkpoint"] == 0


@pytest.fixture(scope="module")
def table(files: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "receptive_fields.nc"
    structure, effective = (list(kind) for kind in zip(*files.values(), strict=True))
    summarise_receptive_fields.main(structure, effective, path, {"lenet": "lenet", "vgg11": "vgg11"})
    return path


def test_table_has_a_row_for_every_epoch_beside_what_the_network_says(files: dict[str, Any], table: Path) -> None:
    found = read_dataset(table)
    assert list(zip(found.network.values, found.epoch.values, strict=True)) == [
        (network, epoch) for network in files for epoch in (0, 2)
    ]
    for row, network in ((1, "lenet"), (3, "vgg11")):
        structure, effective = (read_dataset(path).squeeze(drop=True) for path in files[network])
        there = np.flatnonzero(found.layer_name[row] != "")
        layers = found.layer.values[there]
        assert layers.tolist() == effective.layer.values.tolist()
        np.testing.assert_allclose(found.field_size[row, there], effective.effective_size.isel(epoch=1), rtol=1e-5)
        np.testing.assert_array_equal(found.box_size[row, there], structure.box_size.sel(layer=layers).isel(axis=0))
        np.testing.assert_allclose(found.profile_size[row, there], structure.effective_size.sel(layer=layers))
        assert found.box_size[row].notnull().sum() == len(there)
    np.testing.assert_allclose(found.field_change.sel(layer=1), 0, atol=1e-6)  # halved weights, the same field


def test_pictures_show_the_neuron_its_box_and_its_effective_size(files: dict[str, Any], tmp_path: Path) -> None:
    structure, effective = map(read_dataset, files["vgg11"])
    figure = draw_receptive_field.draw(structure, effective)
    assert len(figure.axes) == 4 * 5
    profile = figure.axes[5]
    box, square = (patch for patch in profile.patches if isinstance(patch, Rectangle))
    assert (box.get_width(), box.get_height()) == (3, 3)
    assert box.get_xy() == (8 - 1 - 0.5, 8 - 1 - 0.5)
    assert square.get_width() == pytest.approx(3)
    assert square.get_xy() == pytest.approx((6.5, 6.5))
    draw_receptive_field.main(*files["lenet"], tmp_path / "a.svg", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("seeds", [1, 2])
def test_sizes_are_drawn_against_depth(seeds: int, tmp_path: Path) -> None:
    fields = make_receptive_fields(seeds=seeds)
    figure = draw_receptive_field_sizes.draw(fields)
    assert len(figure.axes) == 2 * 3
    first = figure.axes[2]
    lenet = fields.isel(checkpoint=[0, 1], layer=slice(2))
    for line, epoch in zip(first.lines, (0, 1), strict=False):
        np.testing.assert_allclose(line.get_xdata(), lenet.relative_depth[0])
        np.testing.assert_allclose(line.get_ydata(), lenet.field_size[epoch])
    assert draw_receptive_field_sizes.edge_of_images(fields) == pytest.approx(EDGE)


def test_sizes_are_drawn_of_a_table_with_missing_layers(table: Path, tmp_path: Path) -> None:
    draw_receptive_field_sizes.main(table, tmp_path / "b.svg", tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_imports_no_torch(script: str) -> None:
    check = f"import sys, workflow_scripts.{script}; sys.exit(bool({{'torch', 'matplotlib.pyplot'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
