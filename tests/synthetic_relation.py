"""Summaries in which the test error is a planted function of the stability of the networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from tests.synthetic import make_summary
from workflow_scripts.diffeo.run_averages import at_strength, output
from workflow_scripts.diffeo.statistics import fraction_standard_error
from workflow_scripts.diffeo.variables import variable

SETTINGS: dict[str, Any] = {"displacement": 1.0, "interpolation": "bilinear"}
COLLECTIONS = {"a": "mnist", "b": "cifar10", "dots": "scale_detection", "fashion_mnist": "fashion_mnist"}
# R_f, from fully connected to residual networks.
NETWORKS = {
    "fc2": 0.9,
    "simple_cnn": 0.5,
    "lenet": 0.3,
    "vgg11": 0.1,
    "vgg11_bn_narrow": 0.05,
    "resnet18_narrow": 0.02,
}
MANY = {f"network{place}": 10 ** (-(place * 7 % 16) / 8) for place in range(16)}  # in no order
ARCHITECTURES = {"vgg11": "vgg11", "fc4": "fully_connected"}
Law = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of R, D and G


def square_root(relative: np.ndarray, deformations: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The law of the paper."""
    return 0.2 * relative**0.5


def make_related_summary(
    law: Law = square_root,
    stabilities: Mapping[str, float] | None = None,
    *,
    datasets: Sequence[str] = ("a",),
    train_sizes: Sequence[int] = (1000,),
    train_size_exponent: float = 0.0,
    images: int = 2000,
    networks: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> xr.Dataset:
    """Trained networks with R_f as planted times (P/largest P)^exponent and the test error that the law gives them.

    `networks` are blocks of the configuration; `options` are those of `make_summary`.
    """
    stabilities = NETWORKS if stabilities is None else stabilities
    blocks = {name: {"architecture": kind} for name, kind in ARCHITECTURES.items()} | dict(networks or {})
    parts = []
    for size in train_sizes:
        factor = (size / max(train_sizes)) ** train_size_exponent
        planted = {name: (1.0, value * factor) for name, value in stabilities.items()}
        part = make_summary(datasets, planted, networks=blocks, **{"initial_seeds": 0, **options})
        parts.append(part.assign_coords(train_size=("checkpoint", [size] * part.sizes["checkpoint"])))
    summary = xr.concat(parts, "checkpoint")
    at = at_strength(summary, **SETTINGS)
    error = law(*(output(at, name).values for name in ("R", "D", "G")))
    return with_test_errors(summary, np.where(summary.epoch > 0, error, 0.9), images)


def with_test_errors(summary: xr.Dataset, error: np.ndarray, images: int = 2000) -> xr.Dataset:
    """The summary with these errors (checkpoint) on so many test images; those of the other splits are missing."""
    errors = xr.DataArray(np.full((len(error), 3), np.nan), {"split": ["test", "train", "validation"]}, ("checkpoint", "split"))
    errors[:, 0] = error
    number = xr.full_like(errors, images).where(errors.notnull())
    columns = {"error": errors, "error_images": number, "error_standard_error": fraction_standard_error(errors, number)}
    return summary.assign({name: variable(values.dims, values.values, name) for name, values in columns.items()}).assign_coords(
        split=errors.split
    )
