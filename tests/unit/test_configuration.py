"""The configuration: errors that a person can act on, defaults, and the runs that it stands for."""

import copy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from snakemake.utils import validate

from workflow_scripts import prepare_dataset
from workflow_scripts.support.configuration import (
    ConfigurationError,
    check_references,
    check_schema,
    expand_runs,
    image_shape,
    in_key_order,
    is_training,
    kept_epochs,
    load_schema,
    runs_with,
)
from workflow_scripts.support.images import load_images

ROOT = Path(__file__).parents[2]
SCHEMA_FILE = ROOT / "schemas" / "config.schema.yaml"
SCHEMA = load_schema(SCHEMA_FILE)
ANALYSES: list[str] = SCHEMA["$defs"]["runs"]["properties"]["analyses"]["items"]["enum"]
EXPERIMENTS = [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]
Change = Callable[[dict[str, Any]], object]

MINIMAL = """
datasets:
  digits: {collection: mnist_5k, validation: 500, test: 1000}
  pixels: {collection: scale_detection, train: 3000}
networks:
  fc: {architecture: fully_connected}
  vgg: {architecture: vgg11_bn}
recipes:
  sgd: {epochs: 4}
runs:
  - {datasets: [digits], networks: [fc, vgg], recipes: [sgd], train_sizes: [100], seeds: [0]}
"""


def minimal() -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(MINIMAL)
    return configuration


def check(configuration: dict[str, Any]) -> dict[str, Any]:
    """What the Snakefile does with a configuration."""
    check_schema(configuration, SCHEMA)
    validate(configuration, str(SCHEMA_FILE))
    check_references(configuration)
    return configuration


def put(path: str, value: str) -> Change:
    """Set a key to what is written in YAML."""

    def change(configuration: dict[str, Any]) -> None:
        *blocks, last = (int(key) if key.isdigit() else key for key in path.split("."))
        block: Any = configuration
        for key in blocks:
            block = block.setdefault(key, {}) if isinstance(block, dict) else block[key]
        block[last] = yaml.safe_load(value)

    return change


def drop(key: str) -> Change:
    return lambda configuration: configuration.pop(key)


ARCHITECTURES = ", ".join(SCHEMA["$defs"]["network"]["properties"]["architecture"]["enum"])
COLLECTIONS = ", ".join(SCHEMA["$defs"]["dataset"]["properties"]["collection"]["enum"])
NAMES: list[str] = next(
    branch["then"]["properties"]["name"]["enum"]
    for branch in SCHEMA["$defs"]["dataset"]["allOf"]
    if "name" in branch["then"]["properties"]
)
RECIPE_KEYS = ", ".join(["pretrained", *SCHEMA["$defs"]["recipe"]["then"]["properties"]])
TOP_KEYS = ", ".join(SCHEMA["properties"])
STABILITY_KEYS = ", ".join(SCHEMA["$defs"]["stability"]["properties"])

BAD: list[tuple[Change, str]] = [
    # keys
    (put("stabilty", "{}"), f"stabilty: is not a key; allowed here: {TOP_KEYS}"),
    (drop("recipes"), "the configuration: lacks the key 'recipes'; required here: datasets, networks, recipes, runs"),
    (put("recipes.sgd.learning_rat", "0.1"), f"recipes.sgd.learning_rat: is not a key; allowed here: {RECIPE_KEYS}"),
    (put("stability.cutof", "3"), f"stability.cutof: is not a key; allowed here: {STABILITY_KEYS}"),
    (put("networks.fc.widht", "1"), "networks.fc.widht: is not a key; allowed here: architecture, weights, width, depth"),
    (put("networks.vgg.depth", "3"), "networks.vgg.depth: is not a key; allowed here: architecture, weights, width, antialiased"),
    (
        put("networks.fc.antialiased", "true"),
        "networks.fc.antialiased: is not a key; allowed here: architecture, weights, width, depth",
    ),
    (
        put("networks.new", "{architecture: local_model, depth: 2}"),
        "networks.new.depth: is not a key; allowed here: architecture, weights, width, "
        "channels, filter_size, pool_size, pooling, locally_connected, trained",
    ),
    (
        put("networks.new", "{architecture: simple_cnn, trained: readout}"),
        "networks.new.trained: is not a key; allowed here: architecture, weights, width, depth, filter_size",
    ),
    (
        put("networks.new", "{architecture: local_model, trained: none}"),
        "networks.new.trained: 'none' is not allowed; choose one of all, readout",
    ),
    (
        put("networks.new", "{architecture: local_model, pool_size: 0}"),
        "networks.new.pool_size: 0 is not allowed; it must be at least 1",
    ),
    (put("networks.vgg.antialiased", "1"), "networks.vgg.antialiased: 1 is not of type boolean"),
    (
        put("networks.new", "{architecture: efficientnet_lite0, width: 0.5}"),
        "networks.new.width: is not a key; allowed here: architecture, weights",
    ),
    (
        put("networks.new", "{architecture: torchvision, model: resnet18, width: 0.5}"),
        "networks.new.width: is not a key; allowed here: architecture, weights, model",
    ),
    (put("networks.new", "{architecture: torchvision}"), "networks.new: lacks the key 'model'; required here: model"),
    (
        put("recipes.new", "{pretrained: true, epochs: 3}"),
        "recipes.new.epochs: is not a key; allowed here: pretrained",
    ),
    (
        put("recipes.new", "{pretrained: true, learning_rate: 0.1}"),
        "recipes.new.learning_rate: is not a key; allowed here: pretrained",
    ),
    (put("recipes.new", "{pretrained: false}"), "recipes.new: lacks the key 'epochs'; required here: epochs"),
    (
        put("runs.0.analyses", "[stability, predictr]"),
        f"runs.0.analyses.1: 'predictr' is not allowed; choose one of {', '.join(ANALYSES)}",
    ),
    (put("runs.0.analyses", "[]"), "runs.0.analyses: [] is empty; at least 1 is needed"),
    (
        put("runs.0.analyses", "[predictor, predictor]"),
        "runs.0.analyses: ['predictor', 'predictor'] names something twice; every entry must be different",
    ),
    (
        put("datasets.digits.gap", "2"),
        "datasets.digits.gap: is not a key; allowed here: collection, enlarge, seed, folder, train, validation, test",
    ),
    (
        put("datasets.pixels.folder", "/data"),
        "datasets.pixels.folder: is not a key; allowed here: "
        "collection, enlarge, seed, train, validation, test, size, scale, gap, norm, periodic",
    ),
    (
        put("datasets.new", "{collection: photographs, train: 100}"),
        "datasets.new.train: is not a key; allowed here: "
        "collection, enlarge, seed, test, size, classes, mean, standard_deviation",
    ),
    (
        put("datasets.new", "{collection: image_folder, folder: /data, validation: 100}"),
        "datasets.new.validation: is not a key; allowed here: "
        "collection, enlarge, seed, folder, test, size, classes, mean, standard_deviation",
    ),
    (put("datasets.new", "{collection: image_folder}"), "datasets.new: lacks the key 'folder'; required here: folder"),
    (put("datasets.new", "{collection: netcdf}"), "datasets.new: lacks the key 'file'; required here: file"),
    (
        put("datasets.new", "{collection: netcdf, file: mine.nc, size: 28}"),
        "datasets.new.size: is not a key; allowed here: collection, enlarge, seed, train, validation, test, file",
    ),
    (
        put("datasets.new", "{collection: torchvision, name: KMNIST, size: 28}"),
        "datasets.new: lacks the key 'colour'; required here: name, size, colour",
    ),
    (
        put("datasets.new", "{collection: torchvision, name: KMNIST, size: 28, colour: false, split: balanced}"),
        "datasets.new.split: is not a key; allowed here: collection, enlarge, seed, folder, train, validation, test, "
        "name, size, colour, options, train_options, test_options",
    ),
    (put("recipes.sgd", "{optimizer: adam}"), "recipes.sgd: lacks the key 'epochs'; required here: epochs"),
    (put("networks.new", "{depth: 2}"), "networks.new: lacks the key 'architecture'; required here: architecture"),
    (put("datasets.new", "{collection: scale_detection}"), "datasets.new: lacks the key 'train'; required here: train"),
    # types
    (put("recipes.sgd.learning_rate", "1e-3"), "recipes.sgd.learning_rate: '1e-3' is not of type number; write 0.001"),
    (put("recipes.sgd.weight_decay", "1e-5"), "recipes.sgd.weight_decay: '1e-5' is not of type number; write 1.0e-05"),
    (put("runs.0.train_sizes", "[2e3]"), "runs.0.train_sizes.0: '2e3' is not of type integer; write 2000"),
    (put("runs.0.seeds", "[1.0]"), "runs.0.seeds.0: 1.0 is not of type integer; write 1"),
    (put("recipes.sgd.epochs", "2.5"), "recipes.sgd.epochs: 2.5 is not of type integer"),
    (put("recipes.sgd.epochs", "true"), "recipes.sgd.epochs: True is not of type integer"),
    (put("recipes.sgd.learning_rate", ".nan"), "recipes.sgd.learning_rate: nan is not of type number"),
    (put("recipes.sgd.learning_rate", "fast"), "recipes.sgd.learning_rate: 'fast' is not of type number"),
    (put("recipes.sgd.horizontal_flip", "yes please"), "recipes.sgd.horizontal_flip: 'yes please' is not of type boolean"),
    (put("recipes.sgd.kept_epochs", "all"), "recipes.sgd.kept_epochs: 'all' is not of type array or null"),
    (put("datasets.pixels.train", "null"), "datasets.pixels.train: None is not of type integer"),
    (put("datasets.digits.test", "null"), "datasets.digits.test: None is not of type integer"),
    (
        put("datasets.new", "{collection: image_folder, folder: null}"),
        "datasets.new.folder: None is not of type string",
    ),
    (put("stability", "3"), "stability: 3 is not of type object or boolean"),
    (put("stability", "true"), "stability: True is not allowed; it may be false or a block of keys"),
    # values
    (put("networks.fc.depth", "0"), "networks.fc.depth: 0 is not allowed; it must be at least 1"),
    (
        put("networks.vgg.architecture", "vgg12"),
        f"networks.vgg.architecture: 'vgg12' is not allowed; choose one of {ARCHITECTURES}",
    ),
    (
        put("networks.fc", "{architecture: fc, depth: 2}"),
        f"networks.fc.architecture: 'fc' is not allowed; choose one of {ARCHITECTURES}",
    ),
    (
        put("datasets.digits.collection", "mnst"),
        f"datasets.digits.collection: 'mnst' is not allowed; choose one of {COLLECTIONS}",
    ),
    (
        put("datasets.new", "{collection: torchvision, name: VOCDetection, size: 64, colour: true}"),
        f"datasets.new.name: 'VOCDetection' is not allowed; choose one of {', '.join(NAMES)}",
    ),
    (
        put("datasets.pixels.norm", "l2"),
        "datasets.pixels.norm: 'l2' is not allowed; choose one of euclidean, maximum, manhattan",
    ),
    (put("datasets.digits.enlarge", "0"), "datasets.digits.enlarge: 0 is not allowed; it must be at least 1"),
    (
        put("datasets.new", "{collection: photographs, mean: [0.5]}"),
        "datasets.new.mean: [0.5] is not allowed; it must have 3 entries",
    ),
    (
        put("datasets.new", "{collection: photographs, standard_deviation: [0.5, 0.5, 0]}"),
        "datasets.new.standard_deviation.2: 0 is not allowed; it must be greater than 0",
    ),
    (put("datasets.pixels.size", "3"), "datasets.pixels.size: 3 is not allowed; it must be at least 4"),
    (put("recipes.sgd.learning_rate", "0"), "recipes.sgd.learning_rate: 0 is not allowed; it must be greater than 0"),
    (put("recipes.sgd.momentum", "1"), "recipes.sgd.momentum: 1 is not allowed; it must be less than 1"),
    (put("deformations.cutoffs", "[1]"), "deformations.cutoffs.0: 1 is not allowed; it must be at least 2"),
    (put("deformations.cutoffs", "[3, 3]"), "deformations.cutoffs: [3, 3] names something twice; every entry must be different"),
    (put("deformations.interpolations", "[]"), "deformations.interpolations: [] is empty; at least 1 is needed"),
    (
        put("deformations.interpolations", "[nearest]"),
        "deformations.interpolations.0: 'nearest' is not allowed; choose one of bilinear, bicubic, gaussian",
    ),
    (put("stability.noise_norm", "median"), "stability.noise_norm: 'median' is not allowed; choose one of mean, matched"),
    (put("probe.images", "2"), "probe.images: 2 is not allowed; it must be at least 3"),
    (put("networks", "{}"), "networks: {} is empty; at least 1 is needed"),
    (put("runs", "[]"), "runs: [] is empty; at least 1 is needed"),
    (put("runs.0.seeds", "[-1]"), "runs.0.seeds.0: -1 is not allowed; it must be at least 0"),
    (
        put("networks.a/b", "{architecture: lenet}"),
        "networks: the name 'a/b' is not allowed; use letters, digits, '-' and '_', a letter or digit first",
    ),
    # what one key says of another
    (put("runs.0.networks", "[vgg, resnet]"), "runs.0.networks: 'resnet' is not allowed; choose one of fc, vgg"),
    (put("runs.0.datasets", "[mnist]"), "runs.0.datasets: 'mnist' is not allowed; choose one of digits, pixels"),
    (put("runs.0.recipes", "[adam]"), "runs.0.recipes: 'adam' is not allowed; choose one of sgd"),
    (
        put("runs.0.train_sizes", "[100, 3501]"),
        "runs.0.train_sizes: 3501 is more than the 3500 training images of data set 'digits'",
    ),
    (put("probe.images", "1001"), "probe.images: 1001 is more than the 1000 test images of data set 'digits'"),
    (put("recipes.sgd.kept_epochs", "[1, 5]"), "recipes.sgd.kept_epochs: 5 is not allowed; it must be at most epochs (4)"),
    (put("summary.displacement", "3"), "summary.displacement: 3 is not allowed; choose one of 0.125, 0.25, 0.5, 1.0, 2.0, 4.0"),
    (
        put("summary.interpolation", "bicubic"),
        "summary.interpolation: 'bicubic' is not allowed; choose one of bilinear, gaussian",
    ),
    (put("stability.cutoff", "5"), "stability.cutoff: 5 is not allowed; choose one of 3"),
    (
        put("channel_shuffle.displacement", "3"),
        "channel_shuffle.displacement: 3 is not allowed; choose one of 0.125, 0.25, 0.5, 1.0, 2.0, 4.0",
    ),
    (
        put("channel_shuffle.interpolation", "bicubic"),
        "channel_shuffle.interpolation: 'bicubic' is not allowed; choose one of bilinear, gaussian",
    ),
    (
        put("local_transforms.top", "501"),
        "local_transforms.top: 501 is not allowed; it must be at most local_transforms.selection_images (500)",
    ),
    (
        put("local_transforms.firing_rate", "0.001"),
        "local_transforms.firing_rate: 0.001 is not allowed; "
        "of local_transforms.images (200) random patches it must be one at least",
    ),
    (put("deformations.displacements", "[2, 1]"), "deformations.displacements: [2, 1] must be increasing"),
    (
        put("deconvolution", "{images: 5, patches: 6}"),
        "deconvolution.patches: 6 is not allowed; it must be at most deconvolution.images (5)",
    ),
    (
        put("predictor.largest_radius", "0.3"),
        "predictor.largest_radius: 0.3 is not allowed; it must be greater than predictor.smallest_radius (0.3)",
    ),
    (put("fields.cutoffs", "[3, 31]"), "fields.cutoffs: 31 is not allowed; images of fields.size (32) pixels allow at most 30"),
    (put("fields.size", "20"), "fields.patch_sizes: 32 is not allowed; images of fields.size (20) pixels allow at most 20"),
]


PHOTOGRAPHS = "{datasets: [photos], networks: [%s], recipes: [%s], train_sizes: [1000], seeds: [0]}"
BAD_PRETRAINED: list[tuple[Change, str]] = [
    (
        put("runs.1", PHOTOGRAPHS % ("lite0", "imported, sgd")),
        "runs.1.recipes: 'sgd' is not allowed; data set 'photos' has no training images and needs a pretrained recipe",
    ),
    (
        put("runs.1", PHOTOGRAPHS % ("lite0", "initial")),
        "runs.1.recipes: 'initial' is not allowed; data set 'photos' has no training images and needs a pretrained recipe",
    ),
    (
        put("runs.1", PHOTOGRAPHS % ("lite0, vgg", "imported")),
        "networks.vgg.weights: None is not a file; the pretrained recipe 'imported' needs one with a state dict",
    ),
    (
        put("networks.lite0.weights", "nowhere.pth"),
        "networks.lite0.weights: 'nowhere.pth' is not a file; the pretrained recipe 'imported' needs one with a state dict",
    ),
]


def with_photographs() -> dict[str, Any]:
    """The minimal configuration with a run of a pretrained network on photographs."""
    configuration = minimal()
    put("datasets.photos", "{collection: photographs}")(configuration)
    put("networks.lite0", "{architecture: efficientnet_lite0}")(configuration)
    put("recipes.imported", "{pretrained: true}")(configuration)
    put("recipes.initial", "{epochs: 0}")(configuration)
    configuration["runs"].append(yaml.safe_load(PHOTOGRAPHS % ("lite0", "imported")))
    return configuration


@pytest.mark.parametrize(("change", "sentence"), BAD_PRETRAINED)
def test_runs_without_the_weights_or_the_images_that_they_need_are_refused(change: Change, sentence: str) -> None:
    configuration = with_photographs()
    change(configuration)
    with pytest.raises(ConfigurationError) as error:
        check(configuration)
    assert str(error.value) == sentence


def test_a_pretrained_recipe_has_no_other_key_and_one_checkpoint(tmp_path: Path) -> None:
    configuration = with_photographs()
    (tmp_path / "vgg.pth").touch()
    put("networks.vgg.weights", str(tmp_path / "vgg.pth"))(configuration)
    put("runs.1.networks", "[lite0, vgg]")(configuration)
    completed = check(configuration)
    assert completed["recipes"]["imported"] == {"pretrained": True}
    assert completed["recipes"]["sgd"]["pretrained"] is False
    assert kept_epochs(completed["recipes"]["imported"]) == [1]
    assert [is_training(completed["recipes"][name]) for name in ("imported", "initial", "sgd")] == [False, False, True]
    assert completed["networks"]["lite0"] == {"architecture": "efficientnet_lite0", "weights": None}
    assert check(copy.deepcopy(completed)) == completed


def test_the_size_of_the_probe_is_looked_at_for_stability_only_and_train_sizes_for_what_is_trained() -> None:
    configuration = minimal()
    put("probe.images", "1001")(configuration)
    put("runs.0.analyses", "[predictor]")(configuration)
    assert check(configuration)["runs"][0]["analyses"] == ["predictor"]
    configuration = with_photographs()
    put("runs.1.train_sizes", "[1281167]")(configuration)
    check(configuration)


def test_a_run_on_several_lines_gets_the_analyses_of_all() -> None:
    line = {"datasets": ["a"], "networks": ["x"], "recipes": ["r"], "train_sizes": [10], "seeds": [0, 1]}
    both = {**line, "seeds": [2], "analyses": ["stability", "predictor"]}
    lines = {"runs": [{**line, "analyses": ["stability"]}, {**line, "seeds": [1, 1], "analyses": ["predictor"]}, both]}
    seeds = {name: [run["seed"] for run in runs_with(lines, name)] for name in ("stability", "predictor")}
    assert seeds == {"stability": [0, 1, 2], "predictor": [1, 2]}
    assert [run["seed"] for run in expand_runs(lines)] == [0, 1, 2]


@pytest.mark.parametrize(("change", "sentence"), BAD, ids=[sentence.split(":")[0] for _, sentence in BAD])
def test_every_error_is_one_sentence_with_key_value_and_what_is_allowed(change: Change, sentence: str) -> None:
    configuration = minimal()
    if sentence.startswith("deformations.displacements"):
        put("summary.displacement", "2")(configuration)
    change(configuration)
    with pytest.raises(ConfigurationError) as error:
        check(configuration)
    assert str(error.value) == sentence


def test_the_minimal_configuration_is_good_and_its_defaults_are_complete() -> None:
    configuration = check(minimal())
    definitions = SCHEMA["$defs"]
    for block in ("deformations", "probe", "stability", "fields", "summary"):
        expected = {key: value["default"] for key, value in definitions[block]["properties"].items()}
        assert configuration[block] == expected
    assert set(configuration) == set(SCHEMA["properties"])
    assert set(configuration["recipes"]["sgd"]) == set(RECIPE_KEYS.split(", "))
    assert configuration["runs"][0]["analyses"] == ANALYSES
    assert set(ANALYSES) < set(configuration)
    digits, pixels = configuration["datasets"]["digits"], configuration["datasets"]["pixels"]
    assert digits == {
        "collection": "mnist_5k",
        "enlarge": 1,
        "folder": None,
        "train": None,
        "validation": 500,
        "test": 1000,
        "seed": 0,
    }
    assert pixels == {
        "collection": "scale_detection",
        "enlarge": 1,
        "size": 28,
        "scale": 14,
        "gap": 2,
        "norm": "euclidean",
        "periodic": False,
        "train": 3000,
        "validation": 2000,
        "test": 2000,
        "seed": 0,
    }
    assert configuration["networks"] == {
        "fc": {"architecture": "fully_connected", "weights": None, "width": 1.0, "depth": 2},
        "vgg": {"architecture": "vgg11_bn", "weights": None, "width": 1.0, "antialiased": False},
    }


def test_a_local_model_has_its_own_defaults() -> None:
    configuration = minimal()
    put("networks.local", "{architecture: local_model}")(configuration)
    assert check(configuration)["networks"]["local"] == {
        "architecture": "local_model",
        "weights": None,
        "width": 1.0,
        "channels": 64,
        "filter_size": 5,
        "pool_size": 4,
        "pooling": "max",
        "locally_connected": False,
        "trained": "all",
    }


def test_photographs_have_test_images_only_and_the_constants_of_pretrained_networks() -> None:
    configuration = minimal()
    put("datasets.photos", "{collection: photographs}")(configuration)
    put("datasets.imagenet", "{collection: image_folder, folder: /data}")(configuration)
    common = {"enlarge": 1, "seed": 0, "size": 224, "classes": 1000}
    common |= {"mean": [0.485, 0.456, 0.406], "standard_deviation": [0.229, 0.224, 0.225]}
    datasets = check(configuration)["datasets"]
    assert datasets["photos"] == {"collection": "photographs", "test": 24, **common}
    assert datasets["imagenet"] == {"collection": "image_folder", "folder": "/data", "test": 500, **common}


def test_a_torchvision_set_has_no_options_by_default() -> None:
    configuration = minimal()
    put("datasets.new", "{collection: torchvision, name: KMNIST, size: 28, colour: false}")(configuration)
    options: dict[str, Any] = {"options": {}, "train_options": {}, "test_options": {}}
    assert check(configuration)["datasets"]["new"] == {
        "collection": "torchvision",
        "name": "KMNIST",
        "size": 28,
        "colour": False,
        "enlarge": 1,
        "folder": None,
        "train": None,
        "validation": 2000,
        "test": 2000,
        "seed": 0,
        **options,
    }
    put("runs.0.datasets", "[new]")(configuration)
    put("runs.0.train_sizes", "[1000000]")(configuration)  # how many images there are is known when they are read
    check(configuration)
    put("datasets.new.train", "999999")(configuration)
    with pytest.raises(ConfigurationError, match=r"^runs\.0\.train_sizes: 1000000 is more than the 999999 training images"):
        check(configuration)


def own_file(folder: Path, parts: bool, edge: int = 8) -> Path:
    """A file of 900 grey images, the last 300 for testing where there are `parts`."""
    part = {"part": ("image", ["train"] * 600 + ["test"] * 300)} if parts else {}
    images = np.random.default_rng(0).integers(0, 256, (900, 1, edge, 8), dtype=np.uint8)
    contents = {"images": (("image", "channel", "row", "column"), images), "label": ("image", np.arange(900) % 10), **part}
    path = folder / f"mine{edge}{parts}.nc"
    xr.Dataset(contents).to_netcdf(path)
    return path


def with_own_file(path: Path, sizes: str) -> dict[str, Any]:
    configuration = minimal()
    put("datasets.mine", f"{{collection: netcdf, file: {path}, {sizes}}}")(configuration)
    put("runs.0.datasets", "[mine]")(configuration)
    put("probe.images", "200")(configuration)
    return configuration


@pytest.mark.parametrize(
    ("parts", "sizes", "train_size", "sentence"),
    [
        (True, "validation: 50", 551, "runs.0.train_sizes: 551 is more than the 550 training images of data set 'mine'"),
        (True, "validation: 50, test: null", 550, ""),
        (True, "validation: 50, test: 100", 550, "probe.images: 200 is more than the 100 test images of data set 'mine'"),
        (False, "validation: 50, test: 250", 600, ""),
        (
            False,
            "validation: 50, test: 250",
            601,
            "runs.0.train_sizes: 601 is more than the 600 training images of data set 'mine'",
        ),
        (
            False,
            "validation: 500, test: 450",
            100,
            "runs.0.train_sizes: 100 is more than the 0 training images of data set 'mine'",
        ),
        (
            False,
            "validation: 50, test: null",
            100,
            "datasets.mine.test: None is not allowed; {path} has no variable 'part', so that the number of test images is needed",
        ),
    ],
)
def test_the_images_of_a_file_are_counted_before_any_job_starts(
    parts: bool, sizes: str, train_size: int, sentence: str, tmp_path: Path
) -> None:
    path = own_file(tmp_path, parts)
    configuration = with_own_file(path, sizes)
    put("runs.0.train_sizes", f"[{train_size}]")(configuration)
    if not sentence:
        assert image_shape(check(configuration)["datasets"]["mine"]) == (1, 8, 8)
        return
    with pytest.raises(ConfigurationError) as error:
        check(configuration)
    assert str(error.value) == sentence.format(path=path)


def test_a_file_that_is_missing_or_does_not_fit_is_refused_before_any_job_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        check(with_own_file(Path("nowhere.nc"), "test: 300"))
    assert str(error.value) == "datasets.mine.file: 'nowhere.nc' is not a file; the collection netcdf needs one with images"
    path = own_file(tmp_path, parts=False, edge=6)
    with pytest.raises(ConfigurationError) as error:
        check(with_own_file(path, "test: 300"))
    assert str(error.value) == f"datasets.mine.file: the images of {path} have 6 × 8 pixels; they must be square"


def test_configurations_are_checked_without_torch() -> None:
    script = (
        "import sys; from workflow_scripts.support import configuration, image_file;"
        "print([name for name in ('torch', 'xarray', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_written_wins_over_the_defaults_and_completing_twice_changes_nothing() -> None:
    configuration = minimal()
    put("stability.precision", "float64")(configuration)
    put("networks.fc.depth", "6")(configuration)
    once = copy.deepcopy(check(configuration))
    assert (once["stability"]["precision"], once["networks"]["fc"]["depth"]) == ("float64", 6)
    assert check(configuration) == once


def test_stability_can_be_switched_off_and_its_cutoff_is_then_not_looked_at() -> None:
    configuration = minimal()
    put("stability", "false")(configuration)
    put("deformations.cutoffs", "[5]")(configuration)
    assert check(configuration)["stability"] is False


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_the_experiments_of_this_project_are_good(path: Path) -> None:
    assert expand_runs(check(yaml.safe_load(path.read_text(encoding="utf-8"))))


def properties_of(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property below a schema, its `$ref` followed."""
    if isinstance(schema, list):
        for item in schema:
            yield from properties_of(item, path)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "if":
                continue
            if key == "properties":
                for name, described in value.items():
                    definition = SCHEMA["$defs"][described["$ref"].rsplit("/", 1)[1]] if "$ref" in described else {}
                    yield f"{path}.{name}", {**definition, **described}
            yield from properties_of(value, f"{path}.{key}" if path else key)


def test_every_property_has_a_description_and_every_one_that_is_not_required_a_default() -> None:
    blocks = {"top": {key: value for key, value in SCHEMA.items() if key != "$defs"}, **SCHEMA["$defs"]}
    count = 0
    for block, schema in blocks.items():
        described = {path.rsplit(".", 1)[1]: value for path, value in properties_of(schema, block) if "description" in value}
        branches = [schema, schema.get("then", {}), *(part["then"] for part in schema.get("allOf", []))]
        required = {name for branch in branches for name in branch.get("required", [])}
        for path, _ in properties_of(schema, block):
            name = path.rsplit(".", 1)[1]
            assert name in described, f"{path} has no description"
            assert described[name]["description"].endswith((".", ")")), path
            assert "default" in described[name] or name in required, f"{path} has no default"
            count += 1
    assert count > 45


def test_every_block_is_closed() -> None:
    for name, schema in {"top": SCHEMA, **SCHEMA["$defs"]}.items():
        if schema["type"] == "object":
            assert schema.get("additionalProperties", schema.get("unevaluatedProperties")) is False, name


def test_expand_runs_is_the_product_of_each_line_in_order_and_names_no_run_twice() -> None:
    line = {"datasets": ["a"], "networks": ["x", "y"], "recipes": ["r"], "train_sizes": [10, 20], "seeds": [0, 1]}
    other = {"datasets": ["b", "a"], "networks": ["y"], "recipes": ["r"], "train_sizes": [20], "seeds": [1, 2]}
    runs = expand_runs({"runs": [line, other]})
    labels = [tuple(run.values()) for run in runs]
    expected = [("a", network, "r", size, seed) for network in "xy" for size in (10, 20) for seed in (0, 1)]
    expected += [("b", "y", "r", 20, 1), ("b", "y", "r", 20, 2), ("a", "y", "r", 20, 2)]
    assert labels == expected
    assert list(runs[0]) == ["dataset", "network", "recipe", "train_size", "seed"]


@pytest.mark.parametrize(
    ("epochs", "kept", "expected"),
    [
        (0, None, [0]),
        (1, None, [0, 1]),
        (4, None, [0, 1, 2, 4]),
        (6, None, [0, 1, 2, 4, 6]),
        (100, None, [0, 1, 2, 4, 8, 16, 32, 64, 100]),
        (6, [3], [0, 3, 6]),
        (6, [6, 2, 0], [0, 2, 6]),
        (6, [], [0, 6]),
    ],
)
def test_kept_epochs(epochs: int, kept: list[int] | None, expected: list[int]) -> None:
    assert kept_epochs({"pretrained": False, "epochs": epochs, "kept_epochs": kept}) == expected


def test_order_of_keys_in_the_file_does_not_matter() -> None:
    backwards = yaml.safe_load(yaml.safe_dump(minimal()))
    backwards = {key: backwards[key] for key in reversed(backwards)}
    assert repr(in_key_order(backwards)) == repr(in_key_order(minimal()))
    assert in_key_order(minimal()) == minimal()


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ({"collection": "fashion_mnist", "enlarge": 1}, (1, 28, 28)),
        ({"collection": "mnist", "enlarge": 2}, (1, 56, 56)),
        ({"collection": "cifar10", "enlarge": 1}, (3, 32, 32)),
        ({"collection": "svhn", "enlarge": 1}, (3, 32, 32)),
        ({"collection": "image_folder", "size": 224, "enlarge": 1}, (3, 224, 224)),
        ({"collection": "torchvision", "size": 64, "colour": True, "enlarge": 1}, (3, 64, 64)),
        ({"collection": "torchvision", "size": 28, "colour": False, "enlarge": 2}, (1, 56, 56)),
    ],
)
def test_shape_of_the_images_follows_from_the_data_set(dataset: dict[str, Any], expected: tuple[int, int, int]) -> None:
    assert image_shape(dataset) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"collection": "mnist_5k", "train": 10, "validation": 5, "test": 5, "folder": None, "enlarge": 1, "seed": 0},
        {"collection": "mnist_5k", "train": 10, "validation": 5, "test": 5, "folder": None, "enlarge": 2, "seed": 0},
        {
            "collection": "scale_detection",
            "size": 16,
            "scale": 7,
            "gap": 1,
            "norm": "euclidean",
            "periodic": False,
            "train": 9,
            "validation": 5,
            "test": 5,
            "enlarge": 1,
            "seed": 0,
        },
        {
            "collection": "photographs",
            "size": 40,
            "test": 3,
            "classes": 10,
            "mean": [0.5] * 3,
            "standard_deviation": [0.5] * 3,
            "enlarge": 1,
            "seed": 0,
        },
    ],
)
def test_shape_of_the_images_is_that_of_the_data_file(settings: dict[str, Any], tmp_path: Path) -> None:
    prepare_dataset.main(tmp_path / "data.nc", "data", settings)
    assert load_images(tmp_path / "data.nc", {}).shape == image_shape(settings)
