"""The file of shuffled channels against stability files of the same and of shuffled networks."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from tests.synthetic_images import write_dots
from workflow_scripts import measure_channel_shuffle
from workflow_scripts.calibrate_deformations import main as calibrate
from workflow_scripts.diffeo.batch_norm import calibrate_batch_norm
from workflow_scripts.diffeo.channel_shuffle import shuffle_channels, shuffled_convolutions
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.measure_channel_shuffle import main, one_strength
from workflow_scripts.measure_stability import main as measure_stability
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset
from workflow_scripts.support.tensors import load_probe

SIZE, IMAGES, DRAWS = 16, 24, 2
RUN = {"dataset": "dots", "network": "tiny", "recipe": "short", "train_size": 50, "seed": 0}
ENSEMBLE = {"mode_rule": "disc", "seed": 3}
PROBE = {"images": IMAGES, "draws": DRAWS}
SWEEP = {"cutoff": 3, "noise_norm": "matched", "batchnorm_at_init": "calibrated", "operations": "every", "precision": "float64"}
SETTINGS = {"permutations": 2, "displacement": 1.0, "interpolation": "gaussian", "first_layer": False, "seed": 9}
VGG = {"architecture": "vgg11_bn", "width": 0.0625}
CNN = {"architecture": "simple_cnn", "depth": 2, "filter_size": 3, "width": 0.0625}
ONE_CHANNEL = CNN | {"width": 1 / 64}
FC = {"architecture": "fully_connected", "depth": 2, "width": 0.01}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    data, calibration = folder / "dots.nc", folder / "cutoff3.nc"
    write_dots(data, SIZE, test=40)
    deformations = {"displacements": [0.5, 1.0], "delta_convention": "asymptotic", "interpolations": ["bilinear", "gaussian"]}
    calibrate(data, calibration, "dots", 3, deformations | ENSEMBLE, PROBE, 500, "cpu", 1)
    return data, calibration


def checkpoint(folder: Path, specification: dict[str, Any], epoch: int, network: nn.Module | None = None) -> Path:
    built = build_network(specification, input_shape=(1, SIZE, SIZE), classes=2, seed=epoch)
    described = {"network": specification, "input_shape": (1, SIZE, SIZE), "classes": 2, "run": RUN}
    path = folder / f"epoch{epoch:04d}.pt"
    save_checkpoint(path, checkpoint_content(network or built, described, epoch=epoch))
    return path


def stability_of(inputs: tuple[Path, Path], path: Path, epoch: int, **changes: Any) -> Path:
    out = path.with_suffix(".nc")
    measure_stability(*inputs, path, out, RUN | {"epoch": epoch}, SWEEP | changes, ENSEMBLE, PROBE, 500, "cpu", 1)
    return out


def shuffled(
    inputs: tuple[Path, Path], folder: Path, specification: dict[str, Any], single_permutations: int = 1, **changes: Any
) -> xr.Dataset:
    """The file of a run with the checkpoints 0 and 1; `changes` to the settings of the sweep."""
    settings = SETTINGS | {"single_permutations": single_permutations}
    folder.mkdir(exist_ok=True)
    checkpoints = [checkpoint(folder, specification, epoch) for epoch in (0, 1)]
    files = [stability_of(inputs, path, epoch, **changes) for epoch, path in enumerate(checkpoints)]
    out = folder / "channel_shuffle.nc"
    main(*inputs, checkpoints, files, out, RUN, settings, SWEEP | changes, ENSEMBLE, PROBE, 500, "cpu", 1)
    return read_dataset(out)


@pytest.fixture(scope="module")
def measured(inputs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return shuffled(inputs, tmp_path_factory.mktemp("run"), VGG)


def test_dims_labels_and_layers(measured: xr.Dataset) -> None:
    assert measured.squared_distance.dims[:6] == (*RUN_DIMENSIONS, "epoch")
    sizes = {"epoch": 2, "permutation": 2, "variant": 2, "perturbation": 2, "sample": IMAGES, "draw": DRAWS}
    assert {name: measured.sizes[name] for name in sizes} == sizes
    assert measured.epoch.values.tolist() == [0, 1]
    assert measured.variant.values.tolist() == ["shuffled", "shuffled_recalibrated"]
    assert measured.kind.values.tolist() == ["diffeo", "noise"]
    assert measured.layer_name.dims == ("network", "layer")
    assert measured.layer_name.values[0, :3].tolist() == ["input", "features.0", "features.1"]
    assert measured.operation.values[0, -2:].tolist() == ["logits", "softmax"]


def test_standard_numbers_are_those_of_the_stability_file(
    inputs: tuple[Path, Path], measured: xr.Dataset, tmp_path: Path
) -> None:
    stability = read_dataset(stability_of(inputs, checkpoint(tmp_path, VGG, 1), 1)).squeeze([*RUN_DIMENSIONS, "epoch"])
    expected = stability.isel(strength=1).sel(perturbation=["diffeo_gaussian", "noise_gaussian"], reference="smoothed")
    here = measured.squeeze(RUN_DIMENSIONS).sel(epoch=1)
    np.testing.assert_array_equal(here.standard_squared_distance, expected.squared_distance)
    np.testing.assert_array_equal(here.standard_squared_deviation, expected.squared_deviation)
    np.testing.assert_array_equal(here.r, expected.r)


def test_shuffled_numbers_are_those_of_a_stability_sweep_of_the_shuffled_network(
    inputs: tuple[Path, Path], measured: xr.Dataset, tmp_path: Path
) -> None:
    network = build_network(VGG, input_shape=(1, SIZE, SIZE), classes=2, seed=1)
    path = checkpoint(tmp_path, VGG, 1, shuffle_channels(network, SETTINGS["seed"], 1))
    stability = read_dataset(stability_of(inputs, path, 1)).squeeze([*RUN_DIMENSIONS, "epoch"])
    expected = stability.isel(strength=1).sel(perturbation=["diffeo_gaussian", "noise_gaussian"], reference="smoothed")
    here = measured.squeeze(RUN_DIMENSIONS).sel(epoch=1, permutation=1, variant="shuffled")
    np.testing.assert_allclose(here.squared_distance, expected.squared_distance, rtol=1e-5)
    np.testing.assert_allclose(here.squared_deviation, expected.squared_deviation, rtol=1e-5, atol=1e-12)


def test_convolutions_shuffled_alone_are_those_of_a_stability_sweep_of_such_a_network(
    inputs: tuple[Path, Path], measured: xr.Dataset, tmp_path: Path
) -> None:
    network = build_network(VGG, input_shape=(1, SIZE, SIZE), classes=2, seed=1)
    names = list(shuffled_convolutions(network))
    here = measured.squeeze(RUN_DIMENSIONS)
    assert here.convolution_name.values.tolist() == names
    depths = dict(zip(here.layer_name.values.tolist(), here.relative_depth.values.tolist(), strict=True))
    assert here.convolution_depth.values.tolist() == [depths[name] for name in names]
    alone = copy.deepcopy(network)
    alone.get_submodule(names[3]).weight = shuffle_channels(network, SETTINGS["seed"], 0).get_submodule(names[3]).weight
    calibrate_batch_norm(alone, load_probe(inputs[0], IMAGES, "cpu")[0])
    stability = read_dataset(stability_of(inputs, checkpoint(tmp_path, VGG, 1, alone), 1)).squeeze([*RUN_DIMENSIONS, "epoch"])
    expected = stability.isel(strength=1, layer=-2).sel(perturbation=["diffeo_gaussian", "noise_gaussian"], reference="smoothed")
    here = here.sel(epoch=1, single_permutation=0, convolution=3)
    np.testing.assert_allclose(here.single_squared_distance, expected.squared_distance, rtol=1e-5)
    np.testing.assert_allclose(here.single_squared_deviation, expected.squared_deviation, rtol=1e-5)


def test_the_only_convolution_that_is_shuffled_is_the_same_alone_and_with_all(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """Of two convolutions the second is the only one that is shuffled: alone or with all others is the same."""
    found = shuffled(inputs, tmp_path, CNN).squeeze(RUN_DIMENSIONS)
    whole = found.squared_distance.isel(layer=-2, permutation=0).sel(variant="shuffled_recalibrated")
    alone = found.single_squared_distance.isel(convolution=0, single_permutation=0)
    np.testing.assert_allclose(alone.transpose(*whole.dims), whole, rtol=1e-6)


def test_without_a_permutation_nothing_changes(
    inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_channel_shuffle, "shuffle_channels", lambda network, *_, **__: copy.deepcopy(network))
    here = shuffled(inputs, tmp_path, VGG).squeeze(RUN_DIMENSIONS)
    for name in ("squared_distance", "squared_deviation"):
        same = here[name].sel(variant="shuffled").isel(permutation=0)
        np.testing.assert_array_equal(same, here[f"standard_{name}"])
    initial = here.sel(epoch=0).isel(permutation=0)  # calibrated already
    np.testing.assert_allclose(
        initial.squared_distance.sel(variant="shuffled_recalibrated"), initial.standard_squared_distance, rtol=1e-5, atol=1e-12
    )
    trained = here.sel(epoch=1).isel(permutation=0, layer=-1)
    assert not np.allclose(trained.squared_distance.sel(variant="shuffled_recalibrated"), trained.standard_squared_distance)


def test_images_and_the_first_layer_are_not_touched_and_the_rest_is(measured: xr.Dataset) -> None:
    shuffled_first = measured.squared_distance.isel(permutation=0)
    for layer, same in ((0, True), (1, True), (-2, False)):
        here, standard = (part.isel(layer=layer) for part in (shuffled_first, measured.standard_squared_distance))
        assert np.allclose(here.transpose(*standard.dims, "variant"), standard.values[..., None]) == same
    logits = measured.squared_distance.isel(layer=-2)
    assert not np.allclose(logits.isel(permutation=0), logits.isel(permutation=1))


def test_without_batch_norm_of_its_own_recalibration_changes_nothing(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    for name, specification, changes in (("cnn", CNN, {}), ("vgg", VGG, {"batchnorm_at_init": "batch"})):
        found = shuffled(inputs, tmp_path / name, specification, **changes).sel(epoch=0)
        plain, calibrated = (found.squared_distance.sel(variant=variant) for variant in ("shuffled", "shuffled_recalibrated"))
        np.testing.assert_array_equal(plain, calibrated)
        assert np.isfinite(plain).all()


def test_the_file_of_a_network_without_channels_to_shuffle_says_why_it_is_empty(
    inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    found = shuffled(inputs, tmp_path, FC)
    assert not found.data_vars
    assert found.note == "no convolution has several input channels to shuffle"


def test_a_network_of_one_channel_in_each_layer_is_not_changed(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    assert not shuffled(inputs, tmp_path, ONE_CHANNEL).data_vars
    network = build_network(ONE_CHANNEL, input_shape=(1, SIZE, SIZE), classes=2, seed=1).eval()
    assert network.conv2.weight.shape[:2] == (1, 1)
    images = load_probe(inputs[0], IMAGES, "cpu")[0]
    assert torch.equal(shuffle_channels(network, 0, 0, first_layer=True)(images), network(images))


def test_convolutions_alone_are_left_out_where_they_are_not_asked_for(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    found = shuffled(inputs, tmp_path, CNN | {"depth": 3}, single_permutations=0)
    assert found.single_squared_distance.isnull().all()
    assert found.squared_distance.notnull().all()
    assert found.convolution_name.values.tolist() == [["conv2", "conv3"]]


def test_outputs_only(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    found = shuffled(inputs, tmp_path, CNN | {"depth": 3}, operations="output")
    assert found.operation.values.tolist() == [["input", "logits", "softmax"]]
    assert found.squared_distance.notnull().all()
    assert found[["single_squared_distance", "convolution_depth"]].isnull().all().to_array().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"displacement": 2.0}, r"channel_shuffle.displacement: 2.0 is not allowed; choose one of 0.5, 1"),
        (
            {"interpolation": "bicubic"},
            "channel_shuffle.interpolation: 'bicubic' is not allowed; choose one of bilinear, gaussian",
        ),
    ],
)
def test_strengths_that_were_not_calibrated_are_refused(inputs: tuple[Path, Path], changes: dict[str, Any], message: str) -> None:
    calibration = read_dataset(inputs[1]).squeeze("dataset")
    with pytest.raises(ValueError, match=message):
        one_strength(calibration, SETTINGS | changes)
