"""D_k and G_k of a linear network of box filters, against sums over boxes and closed forms that are derived here."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor, nn

from workflow_scripts.diffeo.interpolation import warp
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Noise, Perturbation, Probe, for_all, per_image
from workflow_scripts.diffeo.stability import Sweep, stability_sweep

Array = NDArray[np.float64]
IMAGES, SIZE, RADIUS = 12, 16, 0.9
# Convolutions without padding: edge of the box, weight of each of its pixels, output channels (all the same).
LAYERS = ((3, 0.7, 2), (5, 0.3, 3), (2, 1.1, 2))


@dataclass(frozen=True)
class WholePixels:
    """Every pixel takes the value of one that is a random whole number of pixels away, the amount times (−2 ... 2)."""

    amounts: Tensor
    kind: str = "diffeo"
    interpolation: str = "bilinear"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        return torch.tensor(displacements(draw))[probe.index]

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        return warp(probe.images, (per_image(amount) * direction).to(probe.images.dtype), self.interpolation)


@dataclass(frozen=True)
class EveryPixel:
    """Noise along one pixel, the draw-th: all draws together have the mean of isotropic noise, exactly."""

    amounts: Tensor
    kind: str = "noise"
    interpolation: str = "bilinear"

    def direction(self, probe: Probe, draw: int) -> Tensor:
        return torch.eye(SIZE**2, dtype=torch.float64)[draw].reshape(1, 1, SIZE, SIZE)

    def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
        return probe.reference + (per_image(amount) * direction).to(probe.reference.dtype)


def displacements(draw: int) -> Array:
    """Rows and columns by which each pixel of each image is moved, (image, 2, row, column)."""
    return np.random.default_rng(draw).integers(-2, 3, size=(IMAGES, 2, SIZE, SIZE)).astype(float)


def probe_images() -> Array:
    """White noise, in float32's numbers."""
    return np.random.default_rng(100).normal(size=(IMAGES, SIZE, SIZE)).astype(np.float32).astype(float)


def swept(perturbation: Perturbation, draws: int) -> tuple[Array, Array, Array]:
    """Mean of |f_k(x') − f_k(x)|² over images and draws, its standard error, and ⟨|f_k(x) − f_k(z)|²⟩, of each layer."""
    network = nn.Sequential()
    inputs = 1
    for edge, weight, outputs in LAYERS:
        network.append(nn.Conv2d(inputs, outputs, edge, dtype=torch.float64))
        nn.init.constant_(network[-1].weight, weight)
        nn.init.constant_(network[-1].bias, 0.4)  # moves no difference
        inputs = outputs
    observed = ObservedNetwork(network.append(nn.Flatten()).append(nn.Linear(inputs * 9**2, 2)).double().eval())
    images = torch.tensor(probe_images()[:, None], dtype=torch.float32)
    options = {"draws": draws, "batch_size": 5, "precision": "float64"}
    sweep: Sweep = stability_sweep(observed, images, [perturbation], torch.ones(1, 1), **options)
    distance = sweep.squared_distance[0, 0, : len(LAYERS) + 1].flatten(1).numpy()
    pairs = 2 * sweep.squared_deviation[0, : len(LAYERS) + 1].sum(dim=1).numpy() / (IMAGES - 1)
    return distance.mean(axis=1), distance.std(axis=1, ddof=1) / np.sqrt(distance.shape[1]), pairs


def box_sums(images: Array) -> list[Array]:
    """The linear part of each layer, (image, channel, row, column): sums over boxes of sums over boxes, weighted."""
    maps = [images[:, None]]
    for edge, weight, outputs in LAYERS:
        boxes = sliding_window_view(maps[-1], (edge, edge), axis=(2, 3)).sum(axis=(1, 4, 5))
        maps.append(np.repeat(weight * boxes[:, None], outputs, axis=1))
    return maps


def squared_frobenius_norms() -> list[float]:
    """‖W_k‖² of the linear map from the image to each layer: every position weighs the image with the same kernel."""
    kernel, gain, channels, found = np.ones(1), 1.0, 1, [float(SIZE**2)]
    for edge, weight, outputs in LAYERS:
        kernel = np.convolve(kernel, np.ones(edge))
        gain *= weight * channels
        channels = outputs
        positions = (SIZE - len(kernel) + 1) ** 2
        found.append(channels * positions * gain**2 * (kernel**2).sum() ** 2)
    return found


def test_d_is_that_of_sums_over_boxes() -> None:
    draws, strength = 3, 1.0
    found, _, pairs = swept(WholePixels(for_all(torch.tensor([strength]), IMAGES, draws)), draws)
    images = probe_images()
    rows, columns = np.mgrid[:SIZE, :SIZE]
    moved = []
    for draw in range(draws):
        for image, (down, right) in zip(images, displacements(draw), strict=True):
            from_row, from_column = (np.clip(at - by, 0, SIZE - 1).astype(int) for at, by in ((rows, down), (columns, right)))
            moved.append(image[from_row, from_column])
    changes = box_sums(np.array(moved) - np.tile(images, (draws, 1, 1)))
    others = box_sums(np.array([x - z for i, x in enumerate(images) for j, z in enumerate(images) if i != j]))
    for layer, (change, other) in enumerate(zip(changes, others, strict=True)):
        numerator, denominator = (float((maps**2).sum(axis=(1, 2, 3)).mean()) for maps in (change, other))
        assert found[layer] / pairs[layer] == pytest.approx(numerator / denominator, rel=1e-10)
        assert pairs[layer] == pytest.approx(denominator, rel=1e-10)


def test_noise_along_every_pixel_grows_by_the_frobenius_norm() -> None:
    found, _, _ = swept(EveryPixel(for_all(torch.tensor([RADIUS], dtype=torch.float64), IMAGES, SIZE**2)), SIZE**2)
    expected = [RADIUS**2 * norm / SIZE**2 for norm in squared_frobenius_norms()]
    assert found == pytest.approx(expected, rel=1e-10)


def test_isotropic_noise_grows_by_the_frobenius_norm_on_average() -> None:
    draws = 40
    found, errors, _ = swept(Noise(for_all(torch.tensor([RADIUS], dtype=torch.float64), IMAGES, draws), "bilinear", 0), draws)
    assert found[0] == pytest.approx(RADIUS**2, rel=1e-10)
    for layer, norm in enumerate(squared_frobenius_norms()[1:], start=1):
        assert abs(found[layer] - RADIUS**2 * norm / SIZE**2) < 5 * errors[layer]
        assert errors[layer] < 0.2 * found[layer]
