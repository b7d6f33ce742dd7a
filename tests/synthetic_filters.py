"""A made-up `results/filter_spectra.nc`."""

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.filter_spectra import eigenvalues, mode_indices
from workflow_scripts.diffeo.variables import variable

ARCHITECTURES = {"simple_cnn": "simple_cnn", "simple_cnn_9x9": "simple_cnn", "lenet": "lenet", "vgg11": "vgg11"}
KERNELS = {"simple_cnn": [3, 3], "simple_cnn_9x9": [9], "lenet": [5, 5], "vgg11": [3, 3, 3]}


def make_filter_spectra(
    planted: float = 0.3,
    seeds: int = 1,
    error: float = 0.01,
    datasets: tuple[str, ...] = ("a", "b"),
    epochs: tuple[int, ...] = (0, 2),
    excess: float = -0.5,
) -> xr.Dataset:
    """Some epochs of each network: log10 ratios go from `planted` at λ = 0 to 0 at the highest eigenvalue, linear in λ.

    `low_pass` is then `planted` in every layer of every trained network, and `pooling` half of it, by decree.
    `gabor_excess` is `excess` where filters are of 5 × 5 pixels or more.
    """
    runs = [
        (dataset, network, seed, epoch)
        for dataset in datasets
        for network in KERNELS
        for seed in range(seeds)
        for epoch in epochs
    ]
    layers = max(map(len, KERNELS.values()))
    modes = max(max(sizes) for sizes in KERNELS.values()) ** 2
    values = np.full((len(runs), layers, modes), np.nan)
    depths = np.full(values.shape[:2], np.nan)
    ratios, sizes = values.copy(), depths.copy()
    for row, (_, network, _, epoch) in enumerate(runs):
        for layer, size in enumerate(KERNELS[network]):
            spectrum = eigenvalues(size)
            values[row, layer, : size**2] = spectrum
            sizes[row, layer] = size
            depths[row, layer] = layer / max(len(KERNELS[network]) - 1, 1)
            ratios[row, layer, : size**2] = 10 ** ((epoch > 0) * planted * (1 - spectrum / spectrum.max()))
    low_pass = np.where(np.isnan(depths), np.nan, planted * np.array([[run[3] > 0] for run in runs]))
    cell = ("checkpoint", "layer", "mode")
    contents = {
        "ratio": ratios,
        "eigenspace_ratio": ratios,
        "low_pass": low_pass,
        "pooling": low_pass / 2,
        "gabor_excess": np.where(sizes[:, 0] >= 5, excess * np.array([run[3] > 0 for run in runs]), np.nan),
    }
    variables = {}
    for name, numbers in contents.items():
        variables[name] = variable(cell[: numbers.ndim], numbers, name)
        errors = error + 0 * numbers
        variables[f"{name}_standard_error"] = variable(cell[: numbers.ndim], errors, f"standard error of {name}")
    labels = dict(zip(("dataset", "network", "seed", "epoch"), map(list, zip(*runs, strict=True)), strict=True))
    labels |= {"recipe": ["sgd"] * len(runs), "train_size": [100] * len(runs)}
    labels["architecture"] = [ARCHITECTURES[network] for network in labels["network"]]
    a, b = mode_indices(9).T
    return xr.Dataset(
        variables
        | {"eigenvalue": variable(cell, values, "eigenvalue"), "kernel_size": variable(cell[:2], sizes, "kernel", "pixel")},
        coords={name: ("checkpoint", values) for name, values in labels.items()}
        | {"relative_depth": (cell[:2], depths), "mode": np.arange(modes), "mode_a": ("mode", a), "mode_b": ("mode", b)},
    )
