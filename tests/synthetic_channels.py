"""Tables of shuffled channels and of coupled neurons with planted numbers: what the tests of claims and figures read."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from tests.synthetic import ARCHITECTURES
from workflow_scripts.diffeo.coupling_averages import coupling_statistics
from workflow_scripts.diffeo.variables import variable

Planted = Mapping[str, tuple[float, float]]
VARIANTS = ["shuffled", "shuffled_recalibrated", "standard"]
KINDS = ["input", "convolution", "activation", "convolution", "activation", "logits", "softmax"]
# log10 R_f of trained networks, as they are and shuffled; at initialisation both are 0
SHUFFLED: Planted = {"simple_cnn": (-0.1, -0.1), "lenet": (-0.5, -0.4), "vgg11_bn_narrow": (-1.0, -0.2)}
# partial correlation of trained networks, for rotations and translations; at initialisation both are 0
COUPLED: Planted = {"simple_cnn": (0.3, 0.0), "lenet": (0.2, 0.0), "vgg11_bn_narrow": (0.1, -0.1)}


def make_shuffle_table(
    planted: Planted = SHUFFLED, datasets: tuple[str, ...] = ("fashion_mnist",), *, error: float = 0.01, initial: float = 0.0
) -> xr.Dataset:
    """Epochs 0 and 2: log10 R_k goes straight from 0 at the input to its value at the logits; D is R/10.

    A convolution alone changes log10 R_f by half of what all do; `initial` is the change at initialisation.
    """
    labels = [(dataset, network, epoch) for dataset in datasets for network in planted for epoch in (0, 2)]
    depths = np.minimum(np.arange(len(KINDS)) / (len(KINDS) - 2), 1)
    logarithms = np.zeros((len(labels), len(VARIANTS), len(KINDS)))
    for row, (_, network, epoch) in enumerate(labels):
        standard, shuffled = planted[network] if epoch else (0.0, initial)
        logarithms[row] = np.array([shuffled, shuffled, standard])[:, None] * depths
    standard = logarithms[:, -1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(standard < -2 * error, logarithms / standard, np.nan)
    change = logarithms - standard
    numbers = {"D": 10**logarithms / 10, "G": 0.1 + 0 * change, "R": 10**logarithms, "change": change}
    numbers |= {"balance": logarithms - standard / 2, "spatial_share": share, "channel_share": 1 - share}
    variables = with_errors(("checkpoint", "variant", "layer"), numbers, error)
    alone = np.repeat(change[:, 1, -1:] / 2, 2, axis=1)
    variables |= with_errors(("checkpoint", "convolution"), {"single_change": alone}, error)
    rows = len(labels)
    variables["operation"] = variable(("checkpoint", "layer"), [KINDS] * rows, "operation")
    variables["relative_depth"] = variable(("checkpoint", "layer"), [depths] * rows, "depth")
    variables["convolution_depth"] = variable(("checkpoint", "convolution"), [[0.3, 0.6]] * rows, "depth")
    dims = {"variant": VARIANTS, "layer": np.arange(len(KINDS)), "convolution": [0, 1]}
    return xr.Dataset(variables, coords=dims | of_checkpoints(labels))


def with_errors(dims: tuple[str, ...], numbers: Mapping[str, np.ndarray], error: float) -> dict[str, xr.Variable]:
    """Variables, and standard errors `error` times the level of D, G and R, or as they are."""
    found = {}
    for name, values in numbers.items():
        errors = error * values * np.log(10) if name in "DGR" else error + 0 * values
        found[name] = variable(dims, values, name)
        found[f"{name}_standard_error"] = variable(dims, errors, f"standard error of {name}")
    return found


def make_coupling_table(
    planted: Planted = COUPLED, datasets: tuple[str, ...] = ("fashion_mnist",), *, error: float = 0.02
) -> xr.Dataset:
    """Epochs 0 and 2 of three convolutions, the null of standard deviation 0.05 about 0; LeNet has too few channels."""
    labels = [(dataset, network, epoch) for dataset in datasets for network in planted for epoch in (0, 2)]
    rows = []
    for _, network, epoch in labels:
        correlation = np.array(planted[network] if epoch else (0.0, 0.0))[:, None] * np.array([np.nan, 1, 1])
        correlation = correlation * (np.nan if network == "lenet" else 1)
        known = 0 * correlation
        numbers = {
            "correlation": correlation,
            "correlation_standard_error": error + known,
            "null_mean": known,
            "null_standard_deviation": 0.05 + known,
            "null_low": -0.1 + known,
            "null_high": 0.1 + known,
            "z": correlation / 0.05,
            "p_value": 0.5 + known,
            "channels": 16 + known,
        }
        measured = xr.Dataset(
            {name: variable(("epoch", "transformation", "layer"), values[None], name) for name, values in numbers.items()},
            coords={
                "epoch": [epoch],
                "transformation": ["rotation", "translation"],
                "layer": np.arange(3),
                "layer_name": ("layer", ["conv0", "conv1", "conv2"]),
                "layer_before": ("layer", ["", "conv0", "conv1"]),
                "reason": ("layer", ["it reads the images", "", ""]),
                "relative_depth": ("layer", [0.1, 0.4, 0.7]),
            },
        )
        rows.append(coupling_statistics(measured).isel(epoch=0, drop=True))
    return xr.concat(rows, dim="checkpoint", data_vars="all").assign_coords(of_checkpoints(labels))


def of_checkpoints(labels: list[tuple[str, str, int]]) -> dict[str, tuple[str, list[object]]]:
    """The labels of rows as coordinates."""
    columns = dict(zip(("dataset", "network", "epoch"), map(list, zip(*labels, strict=True)), strict=True))
    columns |= {"recipe": ["sgd"] * len(labels), "train_size": [100] * len(labels), "seed": [0] * len(labels)}
    columns["architecture"] = [ARCHITECTURES.get(network, "vgg11") for network in columns["network"]]
    return {name: ("checkpoint", column) for name, column in columns.items()}
