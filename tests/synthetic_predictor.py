"""Predictor files of networks whose function is known in closed form: what the tests of their reduction read."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.variables import variable

KINDS = {
    "diffeo_bicubic": ("diffeo", "bicubic"),
    "diffeo_bilinear": ("diffeo", "bilinear"),
    "diffeo_gaussian": ("diffeo", "gaussian"),
    "noise": ("noise", "bilinear"),
    "noise_smoothed": ("noise", "gaussian"),
    "segment": ("segment", "bilinear"),
    "towards": ("towards", "bilinear"),
}
OUTPUTS = ("logits", "softmax")
NORM = "normalised image"
SAMPLES, CLASSES, PIXELS = 21, 4, 6
WEIGHTS = np.random.default_rng(5).normal(size=(PIXELS, CLASSES))
IMAGES = np.random.default_rng(6).normal(size=(SAMPLES, PIXELS))
RADII = np.geomspace(0.1, 100, 12)
Logits = Callable[[np.ndarray], np.ndarray]


def linear(images: np.ndarray) -> np.ndarray:
    """A linear network."""
    return images @ WEIGHTS


def bent(images: np.ndarray) -> np.ndarray:
    """A network that saturates."""
    return np.tanh(images) @ WEIGHTS


def make_predictor_file(
    logits: Logits,
    images: np.ndarray,
    labels: Sequence[int] | None = None,
    *,
    perturbations: Sequence[str] = tuple(KINDS),
    radii: np.ndarray = RADII,
    draws: int = 3,
    seed: int = 0,
) -> xr.Dataset:
    """What `measure_predictor` writes of a network, without the dims of the run.

    Args:
        logits: the network, from images (..., d) to (..., classes).
        images: the probe images (P, d); a smoothed image is half of it.
        labels: true classes (P,), -1 where unknown; those that the network predicts, if left out.
        perturbations: some of `KINDS`, in the order of their names. A diffeo of displacement δ adds 5 δ in a random direction,
            the same for every interpolation.
        radii: norms of noise and of steps.
        draws: directions per image.
        seed: of the directions.
    """
    steps, samples = len(radii), len(images)
    amounts = {
        "noise": radii,
        "towards": radii,
        "segment": np.linspace(0, 1, steps),
        "diffeo": 5 * np.geomspace(0.125, 8, steps),
    }
    references = {"original": images, "smoothed": images / 2}
    named = {name: "smoothed" if KINDS[name][1] == "gaussian" else "original" for name in perturbations}
    true = logits(images).argmax(-1) if labels is None else np.array(labels)
    rows = [
        along(logits, references[named[name]], direction(KINDS[name][0], images, draws, seed), amounts[KINDS[name][0]], true)
        for name in perturbations
    ]
    cell = ("perturbation", "strength", "sample", "draw")
    dims = {"squared_distance": (*cell[:2], "output", *cell[2:]), "flip_norm": ("perturbation", "sample", "draw")}
    kinds = {"predicted_class": np.int16}
    variables = {
        name: variable(dims.get(name, cell), np.stack([row[name] for row in rows]).astype(kinds.get(name, np.float32)), name)
        for name in rows[0]
    }
    used = sorted(set(named.values()))
    still = [outputs(logits, references[name], true) for name in used]
    deviation = [[((value - value.mean(0)) ** 2).sum(-1) for value in answer["values"]] for answer in still]
    variables["squared_deviation"] = variable(("reference", "output", "sample"), deviation, "squared deviation")
    variables["reference_class"] = variable(
        ("reference", "sample"), np.stack([answer["predicted_class"] for answer in still]).astype(np.int16), "label"
    )
    for name in ("displacement", "temperature", "radius", "segment_fraction"):
        scale = {"displacement": amounts["diffeo"] / 5, "temperature": amounts["diffeo"] ** 2 / 1e4, "radius": radii}
        values = scale.get(name, amounts["segment"])
        variables[name] = variable(("strength",), values, name, {"displacement": "pixel", "radius": NORM}.get(name, "1"))
    variables["label"] = variable(("sample",), true.astype(np.int16), "true class")
    variables["image_norm"] = variable(("sample",), np.linalg.norm(images, axis=1).astype(np.float32), "norm", NORM)
    variables["pixels"] = variable((), np.int32(images.shape[1]), "numbers in an image")
    return xr.Dataset(
        variables,
        coords={
            "perturbation": list(perturbations),
            "kind": ("perturbation", [KINDS[name][0] for name in perturbations]),
            "interpolation": ("perturbation", [KINDS[name][1] for name in perturbations]),
            "reference_images": ("perturbation", list(named.values())),
            "reference": used,
            "output": list(OUTPUTS),
            "strength": np.arange(steps),
            "sample": np.arange(samples),
            "draw": np.arange(draws),
        },
    )


def direction(kind: str, images: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Vectors (P, draw, d), of norm 1 but for segments."""
    generator = np.random.default_rng([seed, *kind.encode()])
    if kind in ("towards", "segment"):
        shift = 1 + generator.integers(len(images) - 1, size=(len(images), draws))
        other = images[(np.arange(len(images))[:, None] + shift) % len(images)]
        vectors = other - images[:, None]
    else:
        vectors = generator.normal(size=(len(images), draws, images.shape[1]))
    return vectors if kind == "segment" else vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def along(logits: Logits, still: np.ndarray, vectors: np.ndarray, amounts: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """What one perturbation does to the images `still` (P, d) that are moved by `amounts` times `vectors` (P, draw, d)."""

    def moved(amount: np.ndarray) -> np.ndarray:
        return still[:, None] + amount[..., None] * vectors

    grid = np.broadcast_to(amounts[:, None, None], (len(amounts), *vectors.shape[:2]))
    reference, answer = outputs(logits, still, true), outputs(logits, moved(grid), true[:, None])
    steps = [after - before[:, None] for after, before in zip(answer["values"], reference["values"], strict=True)]
    label = reference["predicted_class"][:, None]
    flipped = answer["predicted_class"] != label
    of_reference = np.broadcast_to(label[..., None], (*flipped.shape, 1))
    first = flipped.argmax(0)[None]
    high = np.take_along_axis(grid, first, 0)[0]
    low = np.where(first > 0, np.take_along_axis(grid, np.maximum(first - 1, 0), 0), 0)[0]
    for _ in range(40):
        middle = (low + high) / 2
        beyond = logits(moved(middle)).argmax(-1) != label
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    length = np.linalg.norm(vectors, axis=-1)
    return {
        "squared_distance": np.stack([(step**2).sum(-1) for step in steps], axis=1),
        "norm": grid * length,
        "predicted_class": answer["predicted_class"],
        "probability_true": answer["probability_true"],
        "probability_reference": np.take_along_axis(answer["values"][1], of_reference, -1)[..., 0],
        "entropy": answer["entropy"],
        "flip_norm": np.where(flipped.any(0), high * length, np.nan),
    }


def outputs(logits: Logits, images: np.ndarray, true: np.ndarray) -> dict[str, np.ndarray]:
    """Logits and softmax as `values`, label, probability of the class `true` (NaN if -1) and entropy."""
    values = logits(images)
    exponentials = np.exp(values - values.max(-1, keepdims=True))
    probability = exponentials / exponentials.sum(-1, keepdims=True)
    chosen = np.broadcast_to(np.maximum(true, 0)[..., None], (*probability.shape[:-1], 1))
    of_true = np.take_along_axis(probability, chosen, -1)[..., 0]
    return {
        "values": (values, probability),
        "predicted_class": values.argmax(-1),
        "probability_true": np.where(true >= 0, of_true, np.nan),
        "entropy": -(probability * np.log(np.maximum(probability, 1e-300))).sum(-1),
    }
