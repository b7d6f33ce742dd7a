"""A results/predictor.nc made by hand, with planted bumps: what the tests of its figures and claims read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from tests.synthetic import ARCHITECTURES
from workflow_scripts.diffeo.variables import variable

# Bump position of noise, logits, mean, in the first data set; None: no bump.
PLANTED_BUMPS: dict[str, float | None] = {"fc2": 5.0, "simple_cnn": None, "lenet": 10.0, "vgg11_bn_narrow": 8.0}
DATASETS = ("fashion_mnist", "mnist_5k", "photographs")
# Perturbation: kind, interpolation, bump over that of noise (NaN: never a bump).
PERTURBATIONS = {
    "diffeo_bicubic": ("diffeo", "bicubic", np.nan),
    "diffeo_bilinear": ("diffeo", "bilinear", np.nan),
    "diffeo_gaussian": ("diffeo", "gaussian", np.nan),
    "noise": ("noise", "bilinear", 1.0),
    "noise_smoothed": ("noise", "gaussian", 1.1),
    "segment": ("segment", "bilinear", np.nan),
    "towards": ("towards", "bilinear", 0.5),
}
RESAMPLED = {"diffeo_bicubic": (1.1, 0.04), "diffeo_bilinear": (1.0, 0.1), "diffeo_gaussian": (0.8, 0.0)}  # r over 5 δ, excess
OUTPUT_FACTOR = np.array([[1.0, 0.95], [0.7, 0.65]])  # of the bump position: (logits, softmax) × (mean, median)
HEIGHT = np.array([[3.0, 2.5], [4.0, 2.0]])
SPREAD = 0.5  # of the bump, in ln r
STEEPNESS = 4.0  # of the fraction of changed labels
SCALE_WITHOUT_BUMP = 30.0  # there g/g0 = 1/(1 + (r/30)²)
ONSET_WITHOUT_BUMP = 10.0
PAIRS = (("diffeo_bicubic", "diffeo_bilinear"), ("diffeo_bicubic", "diffeo_gaussian"), ("diffeo_bilinear", "diffeo_gaussian"))
BIN_EDGES = np.logspace(-2, 3, 41)
CURVES = ("checkpoint", "perturbation", "strength")
BUMPS = ("checkpoint", "perturbation", "output", "statistic")
DIRECTIONS = ("checkpoint", "perturbation")


def make_predictor_summary(
    datasets: Sequence[str] = DATASETS,
    planted: Mapping[str, float | None] | None = None,
    *,
    seeds: int = 2,
    initial_seeds: int = 0,
    steps: int = 12,
    relative_error: float = 0.05,
    scatter: float = 0.0,
    onset_over_bump: float = 1.0,
    agreement: float = 0.5,
    perturbations: Sequence[str] = tuple(PERTURBATIONS),
) -> xr.Dataset:
    """A summary of the predictor in which every number follows from the planted bump positions.

    The curve of noise is g/g0 = 1 + (h − 1) exp(−u²/2s²) before the bump, u = ln(r/bump), and h/(1 + (r/bump − 1)²) behind it;
    the bump of data set number k is that of `planted` times 1.1^k 10^(scatter (−1)^seed). Labels change as 1/(1 + (half/r)^4),
    a tenth of them at `onset_over_bump` times the bump of the logits' mean, and flip norms have that distribution. Networks at
    initialisation and those planted with None have no bump. Λ = λ²(3 − 2λ). D/r² of gaussian is 1e-4 k/(1 + δ²/100), k counts the
    networks by name; the other interpolations agree with it from δ = `agreement` (bilinear), 0.63 `agreement` (bicubic) on.
    `photographs` has one pretrained network and unknown labels.
    """
    rows = make_rows(datasets, PLANTED_BUMPS if planted is None else planted, seeds, initial_seeds, scatter)
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    bump = columns.pop("bump")[:, None] * np.array([entry[2] for entry in PERTURBATIONS.values()])
    gain = 1 + np.unique(columns["network"], return_inverse=True)[1]
    settings, r = make_strengths(columns.pop("pixels"), steps)
    variables = settings | {"r": variable(CURVES, r, "norm of what is added", "normalised image")}
    variables |= make_curves(r, bump, gain, settings, relative_error, agreement)
    variables |= make_bumps(bump, relative_error)
    squares = np.where(r > 0, r, np.nan)[..., None, None] ** 2
    curve = np.stack([variables[name].values for name in ("stability", "stability_median")], axis=-1) / squares
    variables |= make_rises(curve, relative_error)
    variables |= make_relative_stability(r, gain, relative_error)
    variables |= make_labels(r, bump, columns["dataset"] != "photographs", relative_error, onset_over_bump)
    variables |= make_agreement(r, settings["displacement"].values, variables["stability"].values[..., 0])
    coordinates = {name: ("checkpoint", values) for name, values in columns.items()} | {
        "perturbation": list(PERTURBATIONS),
        "kind": ("perturbation", [entry[0] for entry in PERTURBATIONS.values()]),
        "interpolation": ("perturbation", [entry[1] for entry in PERTURBATIONS.values()]),
        "strength": np.arange(steps),
        "output": ["logits", "softmax"],
        "statistic": ["mean", "median"],
        "pair": ["-".join(name.removeprefix("diffeo_") for name in pair) for pair in PAIRS],
        "bin": np.arange(40),
        "bin_low": ("bin", BIN_EDGES[:-1]),
        "bin_high": ("bin", BIN_EDGES[1:]),
    }
    return xr.Dataset(variables, coordinates).sel(perturbation=list(perturbations))


def make_rows(
    datasets: Sequence[str], planted: Mapping[str, float | None], seeds: int, initial_seeds: int, scatter: float
) -> list[dict[str, Any]]:
    """Labels of the checkpoints, their bump (NaN without) and pixels."""
    names = ("dataset", "network", "recipe", "train_size", "seed", "epoch", "architecture", "bump", "pixels")
    rows: list[tuple[Any, ...]] = []
    for place, dataset in enumerate(datasets):
        if dataset == "photographs":
            rows.append((dataset, "efficientnet_lite0", "pretrained", 1000, 0, 1, "efficientnet_lite0", 12.0, 3 * 224 * 224))
            continue
        for network, bump in planted.items():
            common = (ARCHITECTURES.get(network, "vgg11"), 784)
            for seed in range(initial_seeds):
                rows.append((dataset, network, "initial", 1000, seed, 0, common[0], np.nan, common[1]))
            for seed in range(seeds):
                position = np.nan if bump is None else bump * 1.1**place * 10 ** (scatter * (-1) ** seed)
                rows.append((dataset, network, "adamw", 1000, seed, 4, common[0], position, common[1]))
    return [dict(zip(names, row, strict=True)) for row in rows]


def make_strengths(pixels: np.ndarray, steps: int) -> tuple[dict[str, xr.Variable], np.ndarray]:
    """The strengths of every checkpoint, and r (checkpoint, perturbation, strength)."""
    per_strength, shape = ("checkpoint", "strength"), (len(pixels), steps)
    size = np.where(pixels > 784, 224, 28)[:, None]
    displacement = np.geomspace(0.125, np.squeeze(size, 1) / 7, steps, axis=-1)
    radius = np.broadcast_to(np.geomspace(0.3, 100, steps), shape).copy()
    fraction = np.broadcast_to(np.linspace(0, 1, steps), shape).copy()
    norm = np.sqrt(pixels)
    by_kind = {"noise": radius, "towards": radius, "segment": 1.3 * norm[:, None] * fraction}
    r = [
        by_kind[kind] if kind != "diffeo" else 5 * RESAMPLED[name][0] * displacement * norm[:, None] / 28
        for name, (kind, *_) in PERTURBATIONS.items()
    ]
    variables = {
        "displacement": variable(per_strength, displacement, "displacement", "pixel"),
        "temperature": variable(per_strength, 4 * displacement**2 / (np.pi * size**2 * np.log(3)), "temperature"),
        "radius": variable(per_strength, radius, "norm of noise", "normalised image"),
        "segment_fraction": variable(per_strength, fraction, "fraction of the way"),
        "image_norm": variable(("checkpoint",), norm, "mean norm of the images", "normalised image"),
        "pixels": variable(("checkpoint",), pixels, "pixels of an image"),
    }
    return variables, np.stack(r, axis=1)


def make_curves(
    r: np.ndarray,
    bump: np.ndarray,
    gain: np.ndarray,
    settings: Mapping[str, xr.Variable],
    relative_error: float,
    agreement: float,
) -> dict[str, xr.Variable]:
    """`stability`, its median and its worst, with errors: arrays (checkpoint, perturbation, strength, output)."""
    position, radius = bump[:, :, None, None, None] * OUTPUT_FACTOR, r[..., None, None]
    peak = np.exp(-(np.log(np.where(radius > 0, radius, 1) / position) ** 2) / (2 * SPREAD**2))
    peaked = np.where(radius < position, 1 + (HEIGHT - 1) * peak, HEIGHT / (1 + (radius / position - 1) ** 2))
    plain = 1 / (SCALE_WITHOUT_BUMP**2 + radius**2)
    stability = radius**2 * np.where(np.isfinite(position), peaked / (2 * HEIGHT * position**2), plain)
    names = list(PERTURBATIONS)
    for name, (_, excess) in RESAMPLED.items():
        displacement = settings["displacement"].values[..., None, None]
        share = 1e-4 * gain[:, None, None, None] / (1 + (displacement / 10) ** 2) * (1 + excess * (agreement / displacement) ** 2)
        stability[:, names.index(name)] = share * radius[:, names.index(name)] ** 2
    fraction = settings["segment_fraction"].values[..., None, None]
    stability[:, names.index("segment")] = fraction**2 * (3 - 2 * fraction)
    found = {}
    for name, values in (("", stability[..., 0]), ("_median", stability[..., 1]), ("_worst", 1.5 * stability[..., 0])):
        found[f"stability{name}"] = variable((*CURVES, "output"), values, f"stability{name}")
        error = variable((*CURVES, "output"), relative_error * values, f"standard error of stability{name}")
        found[f"stability{name}_standard_error"] = error
    return found


def make_bumps(bump: np.ndarray, relative_error: float) -> dict[str, xr.Variable]:
    """What the curves g(r) are summarised by, exact for the planted shape."""
    position = bump[:, :, None, None] * OUTPUT_FACTOR
    exists = np.isfinite(position)
    edge = position * np.exp(-SPREAD * np.sqrt(2 * np.log(10 * (HEIGHT - 1))))
    right = np.log(1 + np.sqrt(2 * HEIGHT / (1 + HEIGHT) - 1))
    width = (SPREAD * np.sqrt(2 * np.log(2)) + right) / np.log(10)
    values = {
        "linear_edge": np.where(exists, edge, SCALE_WITHOUT_BUMP / 3),
        "bump_position": position,
        "bump_height": np.where(exists, HEIGHT, np.nan),
        "bump_width": np.where(exists, width, np.nan),
    }
    found = {}
    for name, numbers in values.items():
        units = "normalised image" if name in ("linear_edge", "bump_position") else "1"
        error = np.where(np.isfinite(numbers), relative_error, np.nan)
        found[name] = variable(BUMPS, numbers, name.replace("_", " "), units)
        found[f"{name}_standard_error"] = variable(BUMPS, error, f"standard error of {name.replace('_', ' ')}")
    found["bump_probability"] = variable(BUMPS, np.where(exists, 1.0, 0.1), "fraction of resamples with a bump")
    return found


def make_rises(curve: np.ndarray, relative_error: float) -> dict[str, xr.Variable]:
    """How far the curves g (checkpoint, perturbation, strength, output, statistic) rise above their first value."""
    inside, first = curve[:, :, 1:-1], curve[:, :, :1]
    behind = np.flip(np.minimum.accumulate(np.flip(curve, 2), 2), 2)[:, :, 2:]
    found = {}
    for name, base in (("rise", first), ("rise_and_fall", np.maximum(first, behind))):
        values = (inside / base).max(2)
        found[name] = variable(BUMPS, values, name.replace("_", " "))
        found[f"{name}_standard_error"] = variable(BUMPS, np.full(values.shape, relative_error), "standard error of log10")
    return found


def make_relative_stability(r: np.ndarray, gain: np.ndarray, relative_error: float) -> dict[str, xr.Variable]:
    """R = k (1 + p)/(10 + r), k counts the networks by name, p the deformations; none of other perturbations."""
    diffeo = np.array([entry[0] == "diffeo" for entry in PERTURBATIONS.values()])
    number = np.where(diffeo, 1.0 + np.arange(len(diffeo)), np.nan)
    values = gain[:, None, None] * number[:, None] / (10 + r)
    values = np.broadcast_to(values[:, :, None, None], (*values.shape[:2], 2, 2, values.shape[2])).copy()
    name, dims = "relative_stability", (*BUMPS, "strength")
    error = variable(dims, relative_error * values, "standard error")
    return {name: variable(dims, values, name), f"{name}_standard_error": error}


def make_labels(
    r: np.ndarray, bump: np.ndarray, known: np.ndarray, relative_error: float, onset_over_bump: float
) -> dict[str, xr.Variable]:
    """Labels, probabilities, onset and flips."""
    onset = np.where(np.isfinite(bump), onset_over_bump * bump, ONSET_WITHOUT_BUMP)
    half = onset * 9 ** (1 / STEEPNESS)
    changed = flipped(r, half[..., None])
    true = np.where(known, 1.0, np.nan)[:, None, None]
    curves = {
        "label_changed": changed,
        "wrong_label": true * (0.1 + 0.8 * changed),
        "probability_true": true * (0.9 - 0.8 * changed),
        "probability_reference": 0.95 - 0.85 * changed,
        "entropy": 0.1 + 2 * changed,
    }
    directions = {"onset": onset, "half": half, "flip_median": np.where(half < r[..., -1], half, np.nan)}
    found = {"flip_fraction": variable(DIRECTIONS, changed[..., -1], "fraction of directions that flip the label")}
    found["flip_fraction_standard_error"] = variable(DIRECTIONS, 0.1 * changed[..., -1], "standard error")
    for name, values in curves.items():
        units = "nat" if name == "entropy" else "1"
        found[name] = variable(CURVES, values, name.replace("_", " "), units)
        found[f"{name}_standard_error"] = variable(CURVES, 0.03 * values, "standard error", units)
    for name, values in directions.items():
        found[name] = variable(DIRECTIONS, values, name.replace("_", " "), "normalised image")
        found[f"{name}_standard_error"] = variable(DIRECTIONS, np.where(np.isfinite(values), relative_error, np.nan), "error")
    for name, values in (("onset_over_bump", onset), ("flip_over_bump", directions["flip_median"])):
        ratio = np.log10(values[..., None, None] / (bump[..., None, None] * OUTPUT_FACTOR))
        found[name] = variable(BUMPS, ratio, name.replace("_", " "))
        found[f"{name}_standard_error"] = variable(BUMPS, np.where(np.isfinite(ratio), 1.4 * relative_error, np.nan), "error")
    below = flipped(BIN_EDGES, half[..., None])
    found["flip_histogram"] = variable((*DIRECTIONS, "bin"), np.diff(below), "fraction of directions that flip within the bin")
    return found


def make_agreement(r: np.ndarray, displacement: np.ndarray, stability: np.ndarray) -> dict[str, xr.Variable]:
    """From which strength on the interpolations agree."""
    names = list(PERTURBATIONS)
    first, second = ([names.index(pair[side]) for pair in PAIRS] for side in (0, 1))
    share = stability / np.where(r > 0, r, np.nan) ** 2
    ratio = share[:, first] / share[:, second]
    agree = np.maximum(ratio, 1 / ratio) <= 1.1
    from_here = np.flip(np.logical_and.accumulate(np.flip(agree, -1), -1), -1)
    numbers = {"r": ((r[:, first] + r[:, second]) / 2, "normalised image")}
    numbers["displacement"] = (np.broadcast_to(displacement[:, None], ratio.shape), "pixel")
    found = {"agreement_ratio": variable(("checkpoint", "pair", "strength"), ratio, "ratio of D/r² of two interpolations")}
    for name, (values, units) in numbers.items():
        smallest = np.where(from_here, values, np.inf).min(-1)
        smallest = np.where(np.isfinite(smallest), smallest, np.nan)
        found[f"agreement_{name}"] = variable(("checkpoint", "pair"), smallest, f"smallest usable {name}", units)
    return found


def flipped(r: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Fraction of labels that have changed at r."""
    return r**STEEPNESS / (r**STEEPNESS + half**STEEPNESS)
