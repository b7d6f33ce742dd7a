"""Files of filters, from checkpoints to the table and the figures."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from tests.conftest import ROOT
from tests.synthetic_filters import make_filter_spectra
from workflow_scripts import draw_filter_spectra, draw_first_layers, draw_gabor, measure_filter_spectra, summarise_filter_spectra
from workflow_scripts.diffeo.filter_spectra import filter_spectrum
from workflow_scripts.diffeo.gabor import gabor_fits
from workflow_scripts.diffeo.gabor_averages import gabor_averages
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.randomness import derive_seed
from workflow_scripts.diffeo.run_averages import average_over_runs, log10_with_error
from workflow_scripts.support.checkpoints import checkpoint_content, load_network, save_checkpoint
from workflow_scripts.support.filter_panels import first_layers, pictures
from workflow_scripts.support.netcdf import read_dataset, write_dataset
from workflow_scripts.support.plotting import PAGE_WIDTH

NETWORKS = {
    "lenet": {"architecture": "lenet", "width": 1.0},
    "resnet18": {"architecture": "resnet18", "width": 0.0625},
    "fc2": {"architecture": "fully_connected", "depth": 2, "width": 0.1},
}

SAME = {name: name for name in NETWORKS}  # architectures by network


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
    assert measured.filters.values.tolist() == [6, 96]
    for layer, name in enumerate(filters[0]):
        expected = filter_spectrum(filters[0][name], filters[1][name])
        for statistic in expected:
            np.testing.assert_allclose(measured[statistic].isel(epoch=1, layer=layer), expected[statistic], rtol=1e-12)
    np.testing.assert_allclose(measured.ratio.isel(epoch=1), [[4] + [1] * 24] * 2, rtol=1e-5)


def test_a_filter_is_the_kernel_of_one_pair_of_channels() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Conv2d(2, 4, 5, groups=2), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, (1, 3)))
    found = measure_filter_spectra.filters_of(network)
    assert {name: weights.shape for name, weights in found.items()} == {"0": (2, 3, 3, 3), "1": (4, 1, 5, 5)}
    np.testing.assert_array_equal(found["0"], network[0].weight.detach().numpy())


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


def test_the_file_of_a_network_without_filters_says_why_it_is_empty(runs: dict[str, Path], tmp_path: Path) -> None:
    paths, labels = save_run(tmp_path, "fc2")
    measure_filter_spectra.main(paths, tmp_path / "fc2.nc", labels)
    empty = read_dataset(tmp_path / "fc2.nc")
    assert not empty.data_vars
    assert {name: empty[name].item() for name in labels} == labels
    assert empty.note == "no convolution has filters of 2 x 2 pixels or more that are the same at all positions"
    files = list(map(str, [tmp_path / "fc2.nc", *runs.values()]))
    with xr.open_mfdataset(files, combine="by_coords", join="outer", data_vars="minimal", compat="no_conflicts") as cube:
        assert set(cube.network.values) >= {"fc2", *runs}


def test_at_most_64_filters_of_the_first_layer_are_kept(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(70, 3, 4, 4)).astype(np.float32)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 70, 4))
    network[0].weight = torch.nn.Parameter(torch.from_numpy(weights))
    kept = measure_filter_spectra.about_first_layer(network, seed=0)
    np.testing.assert_array_equal(kept.first_layer_filters, weights[:64])


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


def test_grouped_convolutions_have_input_channels_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(*filters: np.ndarray, groups: int) -> xr.Dataset:
        seen.append((filters[0].shape[:2], groups))
        return filter_spectrum(*filters, groups=groups)

    monkeypatch.setattr(measure_filter_spectra, "filter_spectrum", spy)
    grouped = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2))
    monkeypatch.setattr(measure_filter_spectra, "load_network", lambda path: (grouped, {"epoch": int(path.stem)}))
    labels = {"dataset": "a", "network": "b", "recipe": "c", "train_size": 1, "seed": 0}
    measure_filter_spectra.main([tmp_path / "0", tmp_path / "2"], tmp_path / "f.nc", labels)
    assert seen == 2 * [((4, 1), 1), ((4, 2), 2)]


def test_file_holds_the_first_layer_and_its_gabor_fits(runs: dict[str, Path]) -> None:
    measured = read_dataset(runs["lenet"]).squeeze(["dataset", "network", "recipe", "train_size", "seed"])
    for epoch, number in enumerate((0, 4)):
        weight = load_network(runs["lenet"].with_name(f"lenet{number}.pt"))[0].conv1.weight.detach().double().numpy()
        np.testing.assert_array_equal(measured.first_layer_filters[epoch], weight.astype(np.float32))
        expected = gabor_fits(weight[:, 0], null_draws=measured.attrs["null_draws"], seed=derive_seed(0, "gabor null"))
        for name in expected:
            np.testing.assert_allclose(measured[name][epoch], expected[name])
    small = read_dataset(runs["resnet18"])
    assert small.first_layer_filters.shape[-3:] == (1, 3, 3)
    assert not any(str(name).startswith("gabor") for name in small)


def test_a_first_layer_of_single_pixels_has_no_pictures() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 5))
    assert not measure_filter_spectra.about_first_layer(network, seed=0)


def test_table_holds_the_averages_of_the_fits(runs: dict[str, Path], tmp_path: Path) -> None:
    summarise_filter_spectra.main(list(runs.values()), tmp_path / "table.nc", {"lenet": "lenet", "resnet18": "resnet18"})
    table = read_dataset(tmp_path / "table.nc")
    lenet = read_dataset(runs["lenet"]).squeeze(["dataset", "network", "recipe", "train_size", "seed"])
    for name, expected in gabor_averages(lenet).items():
        np.testing.assert_array_equal(table[name].values[:2], expected.values)
        assert table[name][2:].isnull().all()


def panels_of(figure: Figure, network: str) -> list[Axes]:
    """The four panels of a network."""
    first = next(place for place, axis in enumerate(figure.axes) if axis.get_ylabel().startswith(f"{network}\n"))
    return figure.axes[first : first + 4]


def test_figure_shows_every_layer_against_eigenvalue_depth_and_epoch() -> None:
    spectra = make_filter_spectra(seeds=2, epochs=(0, 1, 4))
    spectra["eigenspace_ratio"] = spectra.eigenspace_ratio * (1 + 0.1 * spectra.seed)
    figure = draw_filter_spectra.draw(spectra, "a")
    spectrum, depth, epoch, index = panels_of(figure, "VGG11")
    rows = np.flatnonzero((spectra.network == "vgg11") & (spectra.dataset == "a"))
    last = spectra.isel(checkpoint=rows[spectra.epoch.values[rows] == 4])
    (mean,) = average_over_runs(*log10_with_error(last.eigenspace_ratio, last.eigenspace_ratio_standard_error)).values()
    order = np.argsort(last.eigenvalue.values[0, 0], kind="stable")[:9]
    lines = [line for line in spectrum.lines if len(line.get_xdata()) == 9]
    assert len(lines) == 3
    np.testing.assert_allclose(lines[0].get_xdata(), last.eigenvalue.values[0, 0, order])
    np.testing.assert_allclose(lines[0].get_ydata(), 10 ** mean.value.values[0, order])
    ends = [line for line in depth.lines if list(line.get_xdata()) == [0, 0.5, 1]]
    for line, mode in zip(ends, order[[0, -1]], strict=True):
        np.testing.assert_allclose(line.get_ydata(), 10 ** mean.value.values[:3, mode])
    assert sum(list(line.get_xdata()) == [0, 1, 4] for line in epoch.lines) == 2 * 3
    indices = [line for line in index.lines if list(line.get_xdata()) == [0, 1, 4]]
    assert [list(line.get_ydata()) for line in indices] == [pytest.approx([0, 0.3, 0.3])] * 3


def test_figure_is_as_wide_as_a_page_and_of_one_data_set(tmp_path: Path) -> None:
    spectra = make_filter_spectra(datasets=("a", "b", "c", "d"))
    kept = ~((spectra.dataset == "b") & (spectra.network != "lenet"))
    write_dataset(spectra.isel(checkpoint=np.flatnonzero(kept)), tmp_path / "m.nc", title="made up", configuration={})
    figure = draw_filter_spectra.draw(read_dataset(tmp_path / "m.nc"), "b")
    assert figure.get_figwidth() == PAGE_WIDTH
    assert [axis.get_ylabel() for axis in figure.axes if "c_t" in axis.get_ylabel()] == ["LeNet\n$c_t/c_0$"]
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    draw_filter_spectra.main(tmp_path / "m.nc", svg, png, "a", local=False)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")


def test_pictures_are_scaled_each_by_its_own_largest_weight() -> None:
    filters = np.random.default_rng(0).normal(size=(4, 3, 5, 5))
    for shown in (pictures(filters), pictures(filters[:, :1]), pictures(np.tile(filters, (1, 2, 1, 1)))):
        np.testing.assert_allclose(abs(shown).reshape(4, -1).max(axis=1), 1)
    np.testing.assert_allclose(pictures(filters)[2, 3, 4], filters[2, :, 3, 4] / abs(filters[2]).max())
    np.testing.assert_allclose(pictures(-2 * filters[:, :1])[1], -filters[1, 0] / abs(filters[1, 0]).max())
    assert not pictures(np.zeros((1, 1, 3, 3))).any()


def test_one_run_of_each_network_is_shown_at_its_ends(runs: dict[str, Path], tmp_path: Path) -> None:
    lenet = read_dataset(runs["lenet"])
    others = [lenet.assign_coords(seed=[1]), lenet.assign_coords(train_size=[50])]
    for number, other in enumerate(others):
        other["first_layer_filters"] = 0 * lenet.first_layer_filters
        write_dataset(other, tmp_path / f"{number}.nc", title="made up", configuration={})
    found = first_layers([tmp_path / "0.nc", tmp_path / "1.nc", *runs.values()], SAME)
    assert list(found) == [("mnist", "lenet"), ("mnist", "resnet18")]
    shown = found["mnist", "lenet"].first_layer_filters
    np.testing.assert_array_equal(shown.values, lenet.first_layer_filters.values.squeeze((0, 1, 2, 3, 4)))


def test_figures_of_first_layers_are_drawn(runs: dict[str, Path], tmp_path: Path) -> None:
    layers = first_layers(runs.values(), SAME)
    large = {group: layer for group, layer in layers.items() if "gabor_phase" in layer}
    for script, panels in ((draw_first_layers, 4), (draw_gabor, 3)):
        svg, png = tmp_path / f"{script.__name__}.svg", tmp_path / f"{script.__name__}.png"
        script.main(list(runs.values()), svg, png, SAME)
        assert png.read_bytes().startswith(b"\x89PNG")
        figure = script.draw(layers if script is draw_first_layers else large)
        assert len(figure.axes) == panels
        assert figure.get_figwidth() == PAGE_WIDTH
        assert len(script.draw({}).axes) == 1


def test_distribution_and_waves_are_those_of_the_fits(runs: dict[str, Path]) -> None:
    layer = first_layers([runs["lenet"]], SAME)["mnist", "lenet"]
    figure = draw_gabor.draw({("mnist", "lenet"): layer})
    steps, waves = figure.axes[1].lines, figure.axes[2].collections
    expected = [layer.gabor_null_explained_variance, layer.gabor_explained_variance]
    for place, line in enumerate(steps):
        np.testing.assert_allclose(line.get_xdata(), np.sort(expected[place % 2][place // 2].values.ravel()))
        assert line.get_ydata()[-1] == 1
    for epoch, points in enumerate(waves):
        place = points.get_offsets()
        np.testing.assert_allclose(place[:, 0] % 180, layer.gabor_orientation[epoch])
        np.testing.assert_allclose(place[:, 1], layer.gabor_frequency[epoch])


@pytest.mark.parametrize("script", ["summarise_filter_spectra", "draw_filter_spectra", "draw_first_layers", "draw_gabor"])
def test_script_imports_no_torch(script: str) -> None:
    check = f"import sys, workflow_scripts.{script}; sys.exit(bool({{'torch', 'matplotlib.pyplot'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
