"""The configuration: checked in words a person can act on, completed, and expanded into runs. Imports nothing heavy."""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.exceptions import best_match

if TYPE_CHECKING:
    from workflow_scripts.support.image_file import Layout

RUN_KEYS = {"dataset": "datasets", "network": "networks", "recipe": "recipes", "train_size": "train_sizes", "seed": "seeds"}
PARTS = {  # numbers of training and test images
    "fashion_mnist": (60000, 10000),
    "mnist": (60000, 10000),
    "mnist_5k": (5000, 0),
    "cifar10": (50000, 10000),
    "svhn": (73257, 26032),
    "torchvision": (math.inf, math.inf),  # known when they are read
}
IMAGE_EDGE = {"fashion_mnist": 28, "mnist": 28, "mnist_5k": 28, "cifar10": 32, "svhn": 32}  # of others the key `size`
COLOURED = ("cifar10", "svhn", "photographs", "image_folder")
UNTRAINED_COLLECTIONS = ("photographs", "image_folder")  # test images only
PACKAGED_WEIGHTS = ("efficientnet_lite0",)  # architectures whose weights a package ships
IMPORTED_EPOCH = 1  # of the only checkpoint of a pretrained network: epoch 0 is an initialisation everywhere


Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {  # 20000.0 would become part of a path, and .nan passes every bound
            "integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool),
            "number": lambda _, value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
        }
    ),
)


class ConfigurationError(ValueError):
    """One sentence that names the key, its value and what is allowed."""


def load_schema(path: Path) -> dict[str, Any]:
    """Read the JSON schema (written in YAML) of the configuration."""
    schema: dict[str, Any] = yaml.safe_load(path.read_text())
    return schema


def check_schema(configuration: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Check types, ranges and names of keys.

    Raises:
        ConfigurationError: for the most telling violation of the schema.
    """
    errors = list(Validator(schema).iter_errors(configuration))
    error = best_match(error for error in errors if not is_consequence(error, errors))
    if error is not None:
        raise ConfigurationError(explain(error))


def is_consequence(error: ValidationError, errors: list[ValidationError]) -> bool:
    """Whether keys of a block look unknown only because something else in the block is wrong."""
    path = list(error.absolute_path)
    others = (other for other in errors if other.validator != "unevaluatedProperties")
    return error.validator == "unevaluatedProperties" and any(list(other.absolute_path)[: len(path)] == path for other in others)


def explain(error: ValidationError) -> str:
    """Say in one sentence which key has which value and what is allowed."""
    key = ".".join(map(str, error.absolute_path)) or "the configuration"
    value: Any = error.instance
    allowed: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "additionalProperties" | "unevaluatedProperties":
            known = allowed_keys(schema, value)
            unknown = sorted(set(value) - set(known))
            prefix = "" if key == "the configuration" else f"{key}."
            return f"{prefix}{unknown[0]}: is not a key; allowed here: {', '.join(known)}"
        case "required":
            missing = [name for name in allowed if name not in value]
            return f"{key}: lacks the key {missing[0]!r}; required here: {', '.join(allowed)}"
        case "enum":
            return f"{key}: {value!r} is not allowed; choose one of {', '.join(map(str, allowed))}"
        case "type":
            kinds = " or ".join([allowed] if isinstance(allowed, str) else allowed)
            return f"{key}: {value!r} is not of type {kinds}{number_hint(value, kinds)}"
        case "const":
            return f"{key}: {value!r} is not allowed; it may be {str(allowed).lower()} or a block of keys"
        case "pattern":
            if key.endswith(".factory"):
                return f"{key}: {value!r} is not allowed; write package.module:callable"
            return f"{key}: the name {value!r} is not allowed; use letters, digits, '-' and '_', a letter or digit first"
        case "uniqueItems":
            return f"{key}: {value!r} names something twice; every entry must be different"
        case "minItems" | "minProperties" if not value:
            return f"{key}: {value!r} is empty; at least {allowed} is needed"
        case "minItems" | "maxItems":
            return f"{key}: {value!r} is not allowed; it must have {allowed} entries"
    bounds = {"minimum": "at least", "exclusiveMinimum": "greater than", "maximum": "at most", "exclusiveMaximum": "less than"}
    return f"{key}: {value!r} is not allowed; it must be {bounds.get(str(error.validator), error.validator)} {allowed}"


def number_hint(value: Any, kinds: str) -> str:
    """YAML 1.1 reads `1e-3` as a string, and 20000.0 is no integer: tell people how to write it."""
    if isinstance(value, str | float) and ("number" in kinds or "integer" in kinds):
        try:
            number = float(value)
        except ValueError:
            return ""
        if not math.isfinite(number):
            return ""
        if "number" not in kinds:
            return f"; write {int(number)}" if number.is_integer() else ""
        return f"; write {number!r}" if "e" not in repr(number) else f"; write {number:.1e}"
    return ""


def allowed_keys(schema: Mapping[str, Any], instance: Mapping[str, Any]) -> list[str]:
    """Keys that a block may have, those that depend on another key's value included."""
    keys = list(schema.get("properties", {}))
    for branch in [schema, *schema.get("allOf", [])]:
        if "if" in branch and Draft202012Validator(branch["if"]).is_valid(instance):
            keys += [key for key in branch["then"].get("properties", {}) if key not in keys]
    return keys


def check_references(configuration: Mapping[str, Any]) -> None:
    """Check what one key says of another, on a configuration completed with its defaults.

    Raises:
        ConfigurationError: for the first contradiction.
    """
    for number, line in enumerate(configuration["runs"]):
        check_line(f"runs.{number}", line, configuration)
    for name, recipe in configuration["recipes"].items():
        kept = recipe.get("kept_epochs")
        if kept and max(kept) > recipe["epochs"]:
            allowed = f"it must be at most epochs ({recipe['epochs']})"
            raise ConfigurationError(f"recipes.{name}.kept_epochs: {max(kept)} is not allowed; {allowed}")
    deformations, summary, stability = (configuration[key] for key in ("deformations", "summary", "stability"))
    must_be_one_of("summary.displacement", summary["displacement"], deformations["displacements"])
    must_be_one_of("summary.interpolation", summary["interpolation"], deformations["interpolations"])
    if sorted(deformations["displacements"]) != deformations["displacements"]:
        raise ConfigurationError(f"deformations.displacements: {deformations['displacements']} must be increasing")
    if stability:
        must_be_one_of("stability.cutoff", stability["cutoff"], deformations["cutoffs"])
    shuffle = configuration["channel_shuffle"]
    if shuffle and stability:
        must_be_one_of("channel_shuffle.displacement", shuffle["displacement"], deformations["displacements"])
        must_be_one_of("channel_shuffle.interpolation", shuffle["interpolation"], deformations["interpolations"])
    if configuration["fields"]:
        check_fields(configuration["fields"])
    predictor = configuration["predictor"]
    if predictor and predictor["largest_radius"] <= predictor["smallest_radius"]:
        allowed = f"it must be greater than predictor.smallest_radius ({predictor['smallest_radius']!r})"
        raise ConfigurationError(f"predictor.largest_radius: {predictor['largest_radius']!r} is not allowed; {allowed}")
    deconvolution = configuration["deconvolution"]
    if deconvolution and deconvolution["patches"] > deconvolution["images"]:
        allowed = f"it must be at most deconvolution.images ({deconvolution['images']})"
        raise ConfigurationError(f"deconvolution.patches: {deconvolution['patches']} is not allowed; {allowed}")
    local = configuration["local_transforms"]
    if local and local["top"] > local["selection_images"]:
        allowed = f"it must be at most local_transforms.selection_images ({local['selection_images']})"
        raise ConfigurationError(f"local_transforms.top: {local['top']} is not allowed; {allowed}")
    if local and round(local["firing_rate"] * local["images"]) < 1:
        allowed = f"of local_transforms.images ({local['images']}) random patches it must be one at least"
        raise ConfigurationError(f"local_transforms.firing_rate: {local['firing_rate']!r} is not allowed; {allowed}")


def check_fields(fields: Mapping[str, Any]) -> None:
    """Check that the image resolves the cutoffs and holds the patches."""
    for key, most in (("cutoffs", fields["size"] - 2), ("patch_sizes", fields["size"])):
        if max(fields[key]) > most:
            allowed = f"images of fields.size ({fields['size']}) pixels allow at most {most}"
            raise ConfigurationError(f"fields.{key}: {max(fields[key])} is not allowed; {allowed}")


def check_line(key: str, line: Mapping[str, Any], configuration: Mapping[str, Any]) -> None:
    """Check that what a line of `runs` names exists, and that its recipes have the weights or the images that they need."""
    for plural in ("datasets", "networks", "recipes"):
        for name in line[plural]:
            must_be_one_of(f"{key}.{plural}", name, configuration[plural])
    pretrained = [name for name in line["recipes"] if configuration["recipes"][name]["pretrained"]]
    others = [name for name in line["recipes"] if name not in pretrained]
    for name in line["networks"] if pretrained else []:
        check_weights(name, configuration["networks"][name], pretrained[0])
    for name in line["datasets"]:
        if others and configuration["datasets"][name]["collection"] in UNTRAINED_COLLECTIONS:
            needed = f"data set {name!r} has no training images and needs a pretrained recipe"
            raise ConfigurationError(f"{key}.recipes: {others[0]!r} is not allowed; {needed}")
        check_sizes(key, name, configuration, max(line["train_sizes"]) if others else 0, "stability" in line["analyses"])


def check_weights(name: str, network: Mapping[str, Any], recipe: str) -> None:
    """Check that the weights of a network that the pretrained `recipe` imports are there, or shipped by a package."""
    weights = network["weights"]
    if weights is None and network["architecture"] in PACKAGED_WEIGHTS:
        return
    if weights is None or not Path(weights).expanduser().is_file():
        needed = f"the pretrained recipe {recipe!r} needs one with a state dict"
        raise ConfigurationError(f"networks.{name}.weights: {weights!r} is not a file; {needed}")


def check_sizes(key: str, name: str, configuration: Mapping[str, Any], train_size: int, probed: bool) -> None:
    """Check that a data set has as many training images, and test images if it is `probed`, as its runs ask for."""
    dataset = configuration["datasets"][name]
    if dataset["collection"] == "netcdf":
        check_file(name, dataset)
    training, test = available_images(dataset)
    if train_size > training:
        allowed = f"{train_size} is more than the {training} training images of data set {name!r}"
        raise ConfigurationError(f"{key}.train_sizes: {allowed}")
    images = configuration["probe"]["images"]
    if probed and images > test:
        raise ConfigurationError(f"probe.images: {images} is more than the {test} test images of data set {name!r}")


def check_file(name: str, dataset: Mapping[str, Any]) -> None:
    """Check that the file of images of the data set `name` is there and holds what it must; its images are not read."""
    file = dataset["file"]
    if not Path(file).expanduser().is_file():
        raise ConfigurationError(f"datasets.{name}.file: {file!r} is not a file; the collection netcdf needs one with images")
    try:
        test = file_layout(file).test
    except ValueError as error:
        raise ConfigurationError(f"datasets.{name}.file: {error}") from error
    if dataset["test"] is None and not test:
        needed = f"{file} has no variable 'part', so that the number of test images is needed"
        raise ConfigurationError(f"datasets.{name}.test: None is not allowed; {needed}")


@cache
def file_layout(file: str) -> "Layout":
    """Shape of the images in a file of people's own, and the sizes of its parts."""
    from workflow_scripts.support.image_file import layout

    return layout(Path(file).expanduser())


def available_images(dataset: Mapping[str, Any]) -> tuple[float, float]:
    """Training and test images that a data set will have; infinity where their number does not matter, or is not known yet."""
    collection = dataset["collection"]
    if collection in UNTRAINED_COLLECTIONS:
        return 0, math.inf
    if collection == "scale_detection":
        return dataset["train"], dataset["test"]
    training, tested = file_layout(dataset["file"])[1:] if collection == "netcdf" else PARTS[collection]
    test = dataset["test"] if dataset["test"] is not None else tested
    training = max(training - dataset["validation"] - (0 if tested else test), 0)
    return min(training, dataset["train"] or training), min(test, tested or test)


def image_shape(dataset: Mapping[str, Any]) -> tuple[int, int, int]:
    """Channels, height and width that the images of a data set will have."""
    collection = dataset["collection"]
    if collection == "netcdf":
        channels, edge, _ = file_layout(dataset["file"]).shape
    else:
        channels = 3 if dataset.get("colour", collection in COLOURED) else 1
        edge = IMAGE_EDGE.get(collection) or dataset["size"]
    return channels, edge * dataset["enlarge"], edge * dataset["enlarge"]


def must_be_one_of(key: str, value: Any, allowed: Any) -> None:
    """Raise a ConfigurationError unless `value` is among `allowed`."""
    if value not in allowed:
        raise ConfigurationError(f"{key}: {value!r} is not allowed; choose one of {', '.join(map(str, allowed))}")


def in_key_order(value: Any) -> Any:
    """The same configuration with the keys of every block sorted, so that their order in the file makes nothing stale."""
    if isinstance(value, Mapping):
        return {key: in_key_order(value[key]) for key in sorted(value)}
    return [in_key_order(item) for item in value] if isinstance(value, list) else value


def expand_runs(configuration: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List every run once, in the order of the configuration, as `{dataset, network, recipe, train_size, seed}`."""
    lines = (dict(zip(RUN_KEYS, labels, strict=True)) for line in configuration["runs"] for labels in products(line))
    return list({tuple(run.values()): run for run in lines}.values())


def runs_with(configuration: Mapping[str, Any], analysis: str) -> list[dict[str, Any]]:
    """List every run for which some line names the analysis (`stability`, `predictor`, ...), each once."""
    return expand_runs({"runs": [line for line in configuration["runs"] if analysis in line["analyses"]]})


def products(line: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """All combinations of the lists of one line of `runs`."""
    return product(*(line[plural] for plural in RUN_KEYS.values()))


def is_training(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe trains: it neither imports weights nor stops at the initialisation."""
    return not recipe["pretrained"] and recipe["epochs"] > 0


def kept_epochs(recipe: Mapping[str, Any]) -> list[int]:
    """Epochs whose checkpoints are kept: as configured, or 0, the powers of 2 and the last; 0 and the last always.

    A pretrained recipe has one checkpoint only.
    """
    if recipe["pretrained"]:
        return [IMPORTED_EPOCH]
    last = recipe["epochs"]
    chosen = recipe["kept_epochs"]
    powers = [2**power for power in range(last.bit_length())]
    return sorted({0, last, *(powers if chosen is None else chosen)})
