"""Only what is stale reruns: for every configuration key and every source file, the exact set of rules of a dry run."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, run_snakemake
from workflow_scripts.support.configuration import load_schema

DryRun = Callable[..., set[str]]

# What follows each rule, itself included.
AT_ONE_STRENGTH = {"draw_stability_bars", "draw_depth", "draw_operations", "draw_local_models", "draw_antialiasing"}
FIGURES_OF_SUMMARY = {"draw_stability_curves"} | AT_ONE_STRENGTH
OF_DIFFEOS = {"draw_interpolations", "draw_interpolation_stability"}
PANELS_OF_PREDICTOR = {"draw_noise_stability", "draw_misclassification", "draw_directions"} | OF_DIFFEOS
FIGURES_OF_PREDICTOR = {"draw_boundary", "draw_noisy_samples", "draw_image_size"} | PANELS_OF_PREDICTOR
DECIDE = {"decide_claims"}
FIGURES_OF_RELATION = {"draw_error_against_stability", "draw_learning_curves"}
RELATE = {"summarise_error_relation"} | DECIDE | FIGURES_OF_RELATION
SUMMARISE = {"summarise"} | RELATE | FIGURES_OF_SUMMARY
FIGURES_OF_SHUFFLE = {"draw_channel_shuffle", "draw_channel_shares"}
SUMMARISE_SHUFFLE = {"summarise_channel_shuffle"} | DECIDE | FIGURES_OF_SHUFFLE
SHUFFLE = {"measure_channel_shuffle"} | SUMMARISE_SHUFFLE
ONLY_SWEEP = {"measure_stability"} | SUMMARISE
SWEEP = ONLY_SWEEP | SHUFFLE  # shuffled networks are compared with it
SUMMARISE_PREDICTOR = {"summarise_predictor"} | DECIDE | FIGURES_OF_PREDICTOR
PREDICT = {"measure_predictor"} | SUMMARISE_PREDICTOR
SUMMARISE_FILTERS = {"summarise_filter_spectra", "draw_filter_spectra", "draw_local_model_filters"} | DECIDE
FIGURES_OF_ACTIVATIONS = {"draw_activation_spectra", "draw_activation_depth"}
SUMMARISE_ACTIVATIONS = {"summarise_activation_spectra"} | DECIDE | FIGURES_OF_ACTIVATIONS
OF_FIRST_LAYERS = {"draw_first_layers", "draw_gabor"}
FILTERS = {"measure_filter_spectra"} | SUMMARISE_FILTERS | OF_FIRST_LAYERS
ACTIVATIONS = {"measure_activation_spectra"} | SUMMARISE_ACTIVATIONS
SUMMARISE_COUPLING = {"summarise_channel_coupling", "draw_channel_coupling"} | DECIDE
COUPLING = {"measure_channel_coupling"} | SUMMARISE_COUPLING
SUMMARISE_DECONVOLUTION = {"summarise_deconvolution", "draw_deconvolution"}
DECONVOLVE = {"measure_deconvolution", "draw_deconvolution_pictures"} | SUMMARISE_DECONVOLUTION
SUMMARISE_RECEPTIVE_FIELDS = {"summarise_receptive_fields", "draw_receptive_field_sizes"} | DECIDE
EFFECTIVE_FIELDS = {"measure_effective_receptive_fields", "draw_receptive_field"} | SUMMARISE_RECEPTIVE_FIELDS
BOXES = {"measure_receptive_fields", "draw_receptive_field"} | SUMMARISE_RECEPTIVE_FIELDS  # without data or weights
FIGURES_OF_LOCAL = {"draw_neuron_stability", "draw_neuron_firing", "draw_transform_displacement"}
SUMMARISE_LOCAL = {"summarise_local_transforms"} | DECIDE | FIGURES_OF_LOCAL
LOCAL = {"measure_local_transforms"} | SUMMARISE_LOCAL
OF_MAPS = FILTERS | ACTIVATIONS | COUPLING | DECONVOLVE | EFFECTIVE_FIELDS | LOCAL
TRAIN = {"train_short", "draw_training_curves"} | SWEEP | PREDICT | OF_MAPS
INITIALISE = {"initialise_network"} | TRAIN
FIGURES_OF_CALIBRATION = {"draw_samples", "draw_calibration"}
CALIBRATE = {"calibrate_deformations"} | FIGURES_OF_CALIBRATION | SWEEP
OTHER_FIGURES = {
    "draw_training_curves",
    "draw_filter_spectra",
    "draw_deconvolution",
    "draw_deconvolution_pictures",
    "draw_receptive_field",
    "draw_receptive_field_sizes",
}
OTHER_FIGURES |= OF_FIRST_LAYERS | FIGURES_OF_ACTIVATIONS | FIGURES_OF_LOCAL
OF_RUNS = {"draw_filter_spectra", "draw_channel_coupling"} | FIGURES_OF_SHUFFLE  # figures that average over runs
IMPORT = {"import_network"} | PREDICT
FIGURES_OF_FIELDS = {"draw_field_norms", "draw_field_patches", "draw_field_parts"}
FIELDS = {"measure_fields"} | DECIDE | FIGURES_OF_FIELDS
EVERYTHING = {"prepare_dataset"} | INITIALISE | CALIBRATE | IMPORT
SHARED = EVERYTHING | FIELDS | BOXES
OF_DIGITS = EVERYTHING - {"import_network"}
OF_DOTS = {"prepare_dataset", "initialise_network"} | CALIBRATE - (SHUFFLE - DECIDE)  # untrained networks, without the predictor
OF_LOCAL_MODELS = {"initialise_network", "train_short", "measure_filter_spectra"} | SUMMARISE_FILTERS | ONLY_SWEEP
OF_PHOTOGRAPHS = {"prepare_dataset"} | IMPORT  # pretrained networks, without stability
NOTHING: set[str] = set()

# Key of the smoke experiment: (a new value, the rules that must run again). Names of people's own stand for any name.
KEYS: dict[str, tuple[Any, set[str]]] = {
    "datasets.mnist_5k.collection": ("mnist", OF_DIGITS),
    "datasets.mnist_5k.enlarge": (2, OF_DIGITS | BOXES),
    "datasets.mnist_5k.folder": ("/nowhere", OF_DIGITS),
    "datasets.mnist_5k.train": (2000, OF_DIGITS),
    "datasets.mnist_5k.validation": (210, OF_DIGITS),
    "datasets.mnist_5k.test": (210, OF_DIGITS),
    "datasets.mnist_5k.seed": (1, OF_DIGITS),
    "datasets.scale_detection.size": (17, OF_DOTS),
    "datasets.scale_detection.scale": (8, OF_DOTS),
    "datasets.scale_detection.gap": (2, OF_DOTS),
    "datasets.scale_detection.norm": ("maximum", OF_DOTS),
    "datasets.scale_detection.periodic": (True, OF_DOTS),
    "datasets.photographs.classes": (999, OF_PHOTOGRAPHS),
    "datasets.photographs.mean": ([0.4, 0.4, 0.4], OF_PHOTOGRAPHS),
    "datasets.photographs.standard_deviation": ([0.2, 0.2, 0.2], OF_PHOTOGRAPHS),
    "networks.vgg11_bn_tiny.architecture": ("vgg13_bn", INITIALISE | BOXES),
    "networks.vgg11_bn_tiny.width": (0.125, INITIALISE | BOXES),
    "networks.vgg11_bn_tiny.antialiased": (True, INITIALISE | BOXES),
    "networks.fc2.depth": (3, (INITIALISE | BOXES) - {"draw_receptive_field"}),  # which shows another network
    "networks.conv_tiny.channels": (5, OF_LOCAL_MODELS),
    "networks.conv_tiny.filter_size": (5, OF_LOCAL_MODELS),
    "networks.conv_tiny.pool_size": (2, OF_LOCAL_MODELS),
    "networks.conv_tiny.pooling": ("average", OF_LOCAL_MODELS),
    "networks.conv_tiny.locally_connected": (True, OF_LOCAL_MODELS),
    "networks.conv_tiny.trained": ("readout", OF_LOCAL_MODELS),
    "networks.simple_cnn_9x9.filter_size": (
        5,
        {"initialise_network", "train_short", "draw_training_curves"} | SUMMARISE | FILTERS,  # nothing else is measured of it
    ),
    "filter_spectra": (False, DECIDE),
    "activation_spectra.images": (30, ACTIVATIONS),
    "channel_shuffle.permutations": (3, SHUFFLE),
    "channel_shuffle.single_permutations": (0, SHUFFLE),
    "channel_shuffle.first_layer": (True, SHUFFLE),
    "channel_shuffle.displacement": (0.5, SHUFFLE),
    "channel_shuffle.interpolation": ("gaussian", SHUFFLE),
    "channel_shuffle.seed": (1, SHUFFLE),
    "channel_coupling.permutations": (99, COUPLING),
    "channel_coupling.reflections": (False, COUPLING),
    "channel_coupling.seed": (1, COUPLING),
    "networks.fc2.weights": ("a_file.pth", NOTHING),  # not looked at: it is not imported
    "networks.efficientnet_lite0.weights": (str(ROOT / "README.md"), IMPORT),
    "recipes.short.optimizer": ("adam", TRAIN),
    "recipes.short.learning_rate": (0.002, TRAIN),
    "recipes.short.momentum": (0.8, TRAIN),
    "recipes.short.weight_decay": (0.001, TRAIN),
    "recipes.short.schedule": ("cosine", TRAIN),
    "recipes.short.batch_size": (64, TRAIN),
    "recipes.short.loss": ("hinge", TRAIN),
    "recipes.short.crop_padding": (2, TRAIN),
    "recipes.short.horizontal_flip": (True, TRAIN),
    "recipes.short.epochs": (3, TRAIN),
    "recipes.short.kept_epochs": ([0, 2], TRAIN),
    "recipes.initial.learning_rate": (0.5, NOTHING),
    "deformations.cutoffs": ([2, 3, 4], {"calibrate_deformations"} | FIGURES_OF_CALIBRATION),
    "deformations.displacements": ([0.25, 0.5, 1.0], CALIBRATE),
    "deformations.mode_rule": ("padded", CALIBRATE | PREDICT),
    "deformations.delta_convention": ("exact", CALIBRATE | PREDICT),
    "deformations.interpolations": (["bilinear", "bicubic"], CALIBRATE),
    "deformations.seed": (1, CALIBRATE | PREDICT),
    "probe.images": (60, CALIBRATE),
    "probe.draws": (2, CALIBRATE),
    "stability.cutoff": (2, SWEEP),
    "stability.noise_norm": ("matched", SWEEP),
    "stability.batchnorm_at_init": ("batch", SWEEP),
    "stability.operations": ("output", SWEEP),
    "stability.precision": ("float64", SWEEP),
    "predictor.directions": (["noise"], PREDICT - OF_DIFFEOS),
    "predictor.steps": (7, PREDICT),
    "predictor.smallest_radius": (0.5, PREDICT),
    "predictor.largest_radius": (50.0, PREDICT),
    "predictor.interpolations": (["bilinear"], PREDICT),
    "predictor.cutoff": (2, PREDICT),
    "predictor.images": (30, PREDICT),
    "predictor.draws": (3, PREDICT),
    "predictor.epochs": ("kept", PREDICT),
    "local_transforms.images": (50, LOCAL),
    "local_transforms.selection_images": (40, LOCAL),
    "local_transforms.top": (3, LOCAL),
    "local_transforms.draws": (2, LOCAL),
    "local_transforms.frobenius": ([0.5], LOCAL),
    "local_transforms.displacements": ([0.5], LOCAL),
    "local_transforms.firing_rate": (0.1, LOCAL),
    "local_transforms.epochs": ("kept", LOCAL),
    "local_transforms.seed": (1, LOCAL),
    "fields.size": (17, FIELDS),
    "fields.cutoffs": ([2, 3, 4], FIELDS),
    "fields.temperatures": (4, FIELDS),
    "fields.draws": (41, FIELDS),
    "fields.patch_sizes": ([2, 4, 8], FIELDS),
    "fields.seed": (1, FIELDS),
    "deconvolution.images": (60, DECONVOLVE),
    "deconvolution.channels": (3, DECONVOLVE),
    "deconvolution.patches": (3, DECONVOLVE),
    "deconvolution.seed": (1, DECONVOLVE),
    "summary.displacement": (0.5, RELATE | AT_ONE_STRENGTH),
    "receptive_fields.images": (30, EFFECTIVE_FIELDS),
    "receptive_fields.draws": (2, EFFECTIVE_FIELDS),
    "receptive_fields.seed": (1, EFFECTIVE_FIELDS),
    "summary.interpolation": ("gaussian", RELATE | FIGURES_OF_SUMMARY | {"draw_samples"}),
    "memory_budget_mb": (500, NOTHING),
}

# Keys of architectures and collections that the smoke experiment does not have.
NOT_IN_THE_SMOKE_EXPERIMENT = {
    "datasets.colour",
    "datasets.file",
    "datasets.name",
    "datasets.options",
    "datasets.test_options",
    "datasets.train_options",
    "networks.factory",
    "networks.model",
    "networks.options",
    "recipes.pretrained",
}

# Source file: the rules that must run again when what it does changes (comments and docstrings do not count).
MODULES: dict[str, set[str]] = {
    "diffeo/__init__.py": NOTHING,
    "diffeo/activation_averages.py": SUMMARISE_ACTIVATIONS,
    "diffeo/activation_claims.py": DECIDE,
    "diffeo/activation_spectra.py": ACTIVATIONS | DECONVOLVE,
    "diffeo/affine.py": LOCAL,
    "diffeo/antialiasing_claims.py": DECIDE,
    "diffeo/augmentation.py": TRAIN,
    "diffeo/batch_norm.py": SWEEP | PREDICT | LOCAL | DECONVOLVE | ACTIVATIONS | EFFECTIVE_FIELDS,
    "diffeo/batches.py": CALIBRATE | PREDICT | LOCAL | DECONVOLVE | ACTIVATIONS | EFFECTIVE_FIELDS,
    "diffeo/blur_pool.py": INITIALISE | {"import_network", "measure_receptive_fields"},
    "diffeo/bootstrap.py": SUMMARISE_PREDICTOR | RELATE,
    "diffeo/boundary.py": PREDICT,
    "diffeo/bump.py": SUMMARISE_PREDICTOR,
    "diffeo/calibration.py": CALIBRATE,
    "diffeo/channel_claims.py": DECIDE,
    "diffeo/channel_coupling.py": COUPLING,
    "diffeo/channel_shuffle.py": SHUFFLE,
    "diffeo/claims.py": DECIDE,
    "diffeo/configured_pairs.py": DECIDE | {"draw_antialiasing", "draw_local_models"},
    "diffeo/contribution_profiles.py": LOCAL | BOXES,
    "diffeo/convolution_pairs.py": COUPLING,
    "diffeo/coupling_averages.py": SUMMARISE_COUPLING,
    "diffeo/deconvolution.py": DECONVOLVE,
    "diffeo/deconvolution_averages.py": SUMMARISE_DECONVOLUTION,
    "diffeo/deformation.py": CALIBRATE | PREDICT | LOCAL | FIELDS,
    "diffeo/depth_changes.py": SUMMARISE,
    "diffeo/depth_profiles.py": SUMMARISE | FIGURES_OF_ACTIVATIONS | FIGURES_OF_SHUFFLE | {"draw_channel_coupling"},
    "diffeo/effective_fields.py": EFFECTIVE_FIELDS,
    "diffeo/enlargement.py": EVERYTHING,
    "diffeo/error_points.py": RELATE,
    "diffeo/error_relation.py": RELATE,
    "diffeo/error_relation_claims.py": DECIDE,
    "diffeo/field_claims.py": DECIDE,
    "diffeo/field_norms.py": FIELDS,
    "diffeo/field_statistics.py": FIELDS,
    "diffeo/filter_claims.py": DECIDE,
    "diffeo/filter_spectra.py": FILTERS,
    "diffeo/gabor.py": FILTERS,
    "diffeo/gabor_averages.py": SUMMARISE_FILTERS | {"draw_gabor"},
    "diffeo/interpolation.py": CALIBRATE | PREDICT | LOCAL,
    "diffeo/local_model_averages.py": {"draw_local_models"},
    "diffeo/local_model_claims.py": DECIDE,
    "diffeo/local_models.py": INITIALISE | {"import_network", "measure_receptive_fields"},
    "diffeo/network_options.py": SUMMARISE | {"draw_filter_spectra", "draw_local_model_filters"},
    "diffeo/networks.py": INITIALISE | {"import_network", "measure_receptive_fields"},
    "diffeo/neuron_averages.py": SUMMARISE_LOCAL,
    "diffeo/neuron_claims.py": DECIDE,
    "diffeo/neuron_stability.py": LOCAL,
    "diffeo/noise.py": CALIBRATE | PREDICT | LOCAL,
    "diffeo/operation_claims.py": DECIDE,
    "diffeo/operations.py": SWEEP
    | PREDICT
    | LOCAL
    | DECONVOLVE
    | ACTIVATIONS
    | BOXES
    | COUPLING
    | {"measure_effective_receptive_fields"},
    "diffeo/own_networks.py": INITIALISE | {"import_network", "measure_receptive_fields"},
    "diffeo/patch_norms.py": FIELDS,
    "diffeo/patches.py": LOCAL | DECONVOLVE,
    "diffeo/perturbations.py": SWEEP | PREDICT | LOCAL,
    "diffeo/power_laws.py": RELATE,
    "diffeo/predictor.py": SUMMARISE_PREDICTOR,
    "diffeo/predictor_averages.py": FIGURES_OF_PREDICTOR,
    "diffeo/predictor_claims.py": DECIDE,
    "diffeo/randomness.py": INITIALISE | FIELDS | CALIBRATE | {"import_network", "measure_receptive_fields"},
    "diffeo/read_outs.py": PREDICT,
    "diffeo/receptive_field_averages.py": EFFECTIVE_FIELDS,
    "diffeo/receptive_field_claims.py": DECIDE,
    "diffeo/receptive_fields.py": LOCAL | DECONVOLVE | BOXES,
    "diffeo/run_averages.py": FIGURES_OF_PREDICTOR
    | FIGURES_OF_SUMMARY
    | OF_RUNS
    | FIGURES_OF_LOCAL
    | FIGURES_OF_ACTIVATIONS
    | RELATE
    | {"draw_deconvolution", "draw_local_model_filters", "draw_receptive_field_sizes"},
    "diffeo/scale_detection.py": EVERYTHING,
    "diffeo/shuffle_averages.py": SUMMARISE_SHUFFLE,
    "diffeo/single_shuffles.py": SHUFFLE,
    "diffeo/stability.py": SWEEP | PREDICT | LOCAL,
    "diffeo/stability_claims.py": DECIDE,
    "diffeo/statistics.py": SUMMARISE_PREDICTOR
    | SUMMARISE
    | FILTERS
    | EFFECTIVE_FIELDS
    | FIELDS
    | SUMMARISE_LOCAL
    | SUMMARISE_ACTIVATIONS
    | SUMMARISE_SHUFFLE,
    "diffeo/training.py": TRAIN,
    "diffeo/transform_displacement.py": LOCAL,
    "diffeo/variables.py": SHARED,
    "support/__init__.py": NOTHING,
    "support/atomic.py": SHARED,
    "support/checkpoints.py": INITIALISE | {"import_network"},
    "support/code_digest.py": NOTHING,
    "support/configuration.py": NOTHING,
    "support/document_configuration.py": NOTHING,
    "support/document_gallery.py": NOTHING,
    "support/document_networks.py": NOTHING,
    "support/document_results.py": NOTHING,
    "support/field_panels.py": {"draw_field_norms", "draw_field_patches"},
    "support/filter_panels.py": OF_FIRST_LAYERS,
    "support/image_file.py": EVERYTHING,
    "support/image_folder.py": EVERYTHING,
    "support/images.py": EVERYTHING,
    "support/jobs.py": SHARED,
    "support/netcdf.py": SHARED,
    "support/observed.py": LOCAL | DECONVOLVE | ACTIVATIONS | EFFECTIVE_FIELDS,
    "support/operation_panels.py": FIGURES_OF_ACTIVATIONS
    | FIGURES_OF_SHUFFLE
    | {"draw_antialiasing", "draw_channel_coupling", "draw_operations"},
    "support/packages.py": EVERYTHING,
    "support/photographs.py": EVERYTHING,
    "support/plotting.py": OTHER_FIGURES
    | FIGURES_OF_PREDICTOR
    | FIGURES_OF_SUMMARY
    | FIGURES_OF_RELATION
    | FIGURES_OF_FIELDS
    | OF_RUNS
    | FIGURES_OF_CALIBRATION
    | {"draw_local_model_filters"},
    "support/predictor_panels.py": PANELS_OF_PREDICTOR,
    "support/readers.py": EVERYTHING,
    "support/sources.py": EVERYTHING,
    "support/splits.py": EVERYTHING,
    "support/tables.py": SUMMARISE_PREDICTOR
    | SUMMARISE
    | OF_RUNS
    | SUMMARISE_LOCAL
    | SUMMARISE_ACTIVATIONS
    | SUMMARISE_DECONVOLUTION
    | SUMMARISE_RECEPTIVE_FIELDS
    | SUMMARISE_FILTERS
    | {"summarise_channel_coupling", "summarise_channel_shuffle"},
    "support/tensors.py": TRAIN | CALIBRATE,
    "support/torchvision_sets.py": EVERYTHING,
    "support/transform_panels.py": {"draw_neuron_firing", "draw_neuron_stability"},
    "support/weights.py": IMPORT,
    "calibrate_deformations.py": CALIBRATE,
    "decide_claims.py": DECIDE,
    "import_network.py": IMPORT,
    "initialise_network.py": INITIALISE,
    "measure_effective_receptive_fields.py": EFFECTIVE_FIELDS,
    "measure_fields.py": FIELDS,
    "measure_filter_spectra.py": FILTERS,
    "measure_activation_spectra.py": ACTIVATIONS,
    "measure_channel_coupling.py": COUPLING,
    "measure_channel_shuffle.py": SHUFFLE,
    "measure_deconvolution.py": DECONVOLVE,
    "measure_local_transforms.py": LOCAL,
    "measure_predictor.py": PREDICT,
    "measure_receptive_fields.py": BOXES,
    "measure_stability.py": SWEEP,
    "prepare_dataset.py": EVERYTHING,
    "summarise.py": SUMMARISE,
    "summarise_activation_spectra.py": SUMMARISE_ACTIVATIONS,
    "summarise_channel_coupling.py": SUMMARISE_COUPLING,
    "summarise_channel_shuffle.py": SUMMARISE_SHUFFLE,
    "summarise_deconvolution.py": SUMMARISE_DECONVOLUTION,
    "summarise_error_relation.py": RELATE,
    "summarise_filter_spectra.py": SUMMARISE_FILTERS,
    "summarise_local_transforms.py": SUMMARISE_LOCAL,
    "summarise_predictor.py": SUMMARISE_PREDICTOR,
    "summarise_receptive_fields.py": SUMMARISE_RECEPTIVE_FIELDS,
    "train_network.py": TRAIN,
}
MODULES |= {script.name: {script.stem} for script in (ROOT / "workflow_scripts").glob("draw_*.py")}
MODULES["draw_filter_spectra.py"] |= {"draw_local_model_filters"}


def changed_configuration(key: str, value: Any) -> dict[str, Any]:
    """The smoke experiment with one key changed."""
    configuration: dict[str, Any] = yaml.safe_load((ROOT / "configs/smoke.yaml").read_text())
    *path, last = key.split(".")
    block = configuration
    for name in path:
        block = block.setdefault(name, {})
    block[last] = value
    return configuration


@pytest.mark.parametrize("key", KEYS)
def test_a_key_reruns_what_uses_it(key: str, smoke_run: Path, tmp_path: Path, rules_to_run: DryRun) -> None:
    value, expected = KEYS[key]
    experiment = tmp_path / "changed.yaml"
    experiment.write_text(yaml.safe_dump(changed_configuration(key, value)))
    assert rules_to_run(smoke_run, str(experiment)) == expected


@pytest.mark.parametrize(
    ("line", "addition", "expected"),
    [
        ("seeds", 3, {"initialise_network"} | ONLY_SWEEP),
        ("networks", "fc2", {"initialise_network"} | ONLY_SWEEP),
        ("train_sizes", 399, {"initialise_network"} | ONLY_SWEEP),
        ("recipes", "short", INITIALISE - PREDICT - OF_MAPS - SHUFFLE | ONLY_SWEEP),
        ("datasets", "mnist_5k", {"initialise_network"} | ONLY_SWEEP),
        ("analyses", "predictor", PREDICT),
    ],
)
def test_a_new_run_makes_only_its_own_files(
    line: str, addition: Any, expected: set[str], smoke_run: Path, tmp_path: Path, rules_to_run: DryRun
) -> None:
    configuration = yaml.safe_load((ROOT / "configs/smoke.yaml").read_text())
    untrained = next(runs for runs in configuration["runs"] if runs["networks"] == ["vgg11_bn_tiny"])
    untrained[line].append(addition)
    experiment = tmp_path / "changed.yaml"
    experiment.write_text(yaml.safe_dump(configuration))
    assert rules_to_run(smoke_run, str(experiment)) == expected


@pytest.mark.parametrize("module", MODULES)
def test_a_changed_module_reruns_what_imports_it(module: str, smoke_copy: Path, rules_to_run: DryRun) -> None:
    with (smoke_copy / "workflow_scripts" / module).open("a") as source:
        source.write("\nEDITED = True\n")
    assert rules_to_run(smoke_copy) == MODULES[module]


def test_the_matrix_holds_every_module() -> None:
    package = ROOT / "workflow_scripts"
    files = {str(path.relative_to(package)) for path in package.rglob("*.py")} - {"__init__.py"}
    assert set(MODULES) == files


def test_the_matrix_holds_every_key() -> None:
    schema = load_schema(ROOT / "schemas/config.schema.yaml")
    assert {without_name(key) for key in KEYS} == set(leaves(schema, schema)) - {"runs", *NOT_IN_THE_SMOKE_EXPERIMENT}


def without_name(key: str) -> str:
    """A key without the name of the data set, network or recipe that it belongs to."""
    parts = key.split(".")
    return ".".join([parts[0], *parts[2:]]) if parts[0] in ("datasets", "networks", "recipes") else key


def leaves(block: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of all keys of the schema that hold a value rather than further keys."""
    block = {**block, **schema["$defs"].get(block.get("$ref", "").removeprefix("#/$defs/"), {})}
    branches = [block, block.get("then", {}), *(part["then"] for part in block.get("allOf", []))]
    inner = [branch["properties"] for branch in branches if "properties" in branch]
    if "$ref" in block.get("then", {}):
        yield from leaves(block["then"], schema, prefix)
    elif isinstance(block.get("additionalProperties"), Mapping):
        yield from leaves(block["additionalProperties"], schema, prefix)
    elif inner:
        for properties in inner:
            for name, entry in properties.items():
                yield from leaves(entry, schema, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix


def test_a_second_run_has_nothing_to_do(smoke_copy: Path) -> None:
    again = run_snakemake(smoke_copy, "--cores", "1", "--configfile", "configs/smoke.yaml")
    assert "Nothing to be done" in again.stdout


def test_comments_and_docstrings_rerun_nothing(smoke_copy: Path, rules_to_run: DryRun) -> None:
    for source in (smoke_copy / "workflow_scripts").rglob("*.py"):
        source.write_text("# a new first line\n" + source.read_text().replace('"""', '"""Edited. ', 1) + "\n\n# a last one\n")
    assert rules_to_run(smoke_copy) == NOTHING


def test_a_touch_of_the_sources_reruns_nothing(smoke_copy: Path, rules_to_run: DryRun) -> None:
    for source in smoke_copy.rglob("*"):
        if source.is_file() and not {"results", ".snakemake"} & set(source.relative_to(smoke_copy).parts):
            os.utime(source)
    assert rules_to_run(smoke_copy) == NOTHING


def test_an_edit_of_the_layout_of_a_rule_file_reruns_nothing(smoke_copy: Path, rules_to_run: DryRun) -> None:
    for rules in (smoke_copy / "rules").glob("*.smk"):
        rules.write_text("# moved\n\n" + rules.read_text())
    assert rules_to_run(smoke_copy) == NOTHING


def test_a_lost_result_is_made_again_with_what_follows(smoke_copy: Path, rules_to_run: DryRun) -> None:
    (smoke_copy / "results" / "summary.nc").unlink()
    assert rules_to_run(smoke_copy) == SUMMARISE


def test_scripts_do_not_read_the_configuration_behind_the_rules() -> None:
    for source in (ROOT / "workflow_scripts").rglob("*.py"):
        assert "snakemake.config" not in source.read_text(), f"{source.name} reads a key that no rule declares"
