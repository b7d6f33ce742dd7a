"""The stability sweep over the same number of bare forward passes of the same network on the same images."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, Segment, for_all
from workflow_scripts.diffeo.stability import images_per_batch, stability_sweep

STRENGTHS, DRAWS, SIZE = 6, 2, 32
REFERENCES = 2  # passes over the reference images: their mean, then their activations
MEMORY_MB = 2000  # the default of memory_budget_mb


def perturbations(images: Tensor) -> dict[str, Perturbation]:
    """What the default experiment moves images by, by what a table calls it."""
    shape = (len(images), DRAWS)
    roots = for_all(torch.logspace(-2, -1.25, STRENGTHS, dtype=torch.float64), *shape)
    radii = for_all(torch.logspace(0, 1, STRENGTHS, dtype=torch.float64), *shape)
    fractions = for_all(torch.linspace(0, 1, STRENGTHS, dtype=torch.float64), *shape)
    return {
        "noise": Noise(radii, "bilinear", 0),
        "deformations, bilinear": Diffeo(roots, "bilinear", 0, 3, "disc"),
        "deformations, bicubic": Diffeo(roots, "bicubic", 0, 3, "disc"),
        "deformations, gaussian": Diffeo(roots, "gaussian", 0, 3, "disc"),
        "segment to another image": Segment(fractions, 0, images),
    }


def ratio(slow: Callable[[], object], fast: Callable[[], object], repeats: int) -> float:
    """Median over `repeats` of the time of `slow` over that of `fast`, run one after the other, after one run of each."""
    ratios = []
    for _ in range(repeats + 1):
        times = []
        for function in (slow, fast):
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
        ratios.append(times[0] / times[1])
    return statistics.median(ratios[1:])


def compare(width: float, images: int, every_operation: bool, repeats: int) -> dict[str, float]:
    """Ratios for VGG11-bn of that width, by perturbation."""
    probe = torch.randn(images, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    network = build_network({"architecture": "vgg11_bn", "width": width}, input_shape=(3, SIZE, SIZE), classes=10, seed=0)
    observed = ObservedNetwork(network.eval(), every_operation=every_operation)
    batch_size = images_per_batch(observed, probe[:1], MEMORY_MB)

    @torch.no_grad()
    def bare() -> None:
        for _ in range(STRENGTHS * DRAWS + REFERENCES):
            for batch in torch.split(probe, batch_size):
                observed.module(batch.contiguous(memory_format=torch.channels_last))

    def sweep(perturbation: Perturbation) -> None:
        float32 = torch.full((1, STRENGTHS), torch.inf)
        stability_sweep(observed, probe, [perturbation], float32, draws=DRAWS, batch_size=batch_size)

    return {name: ratio(partial(sweep, moved), bare, repeats) for name, moved in perturbations(probe).items()}


def table(sizes: tuple[tuple[float, int], ...] = ((0.25, 200), (1.0, 64)), repeats: int = 5) -> list[str]:
    """Lines of a table: time of a sweep over that of as many bare forward passes, for (width, images) of VGG11-bn."""
    lines = ["| VGG11-bn of width | observed | " + " | ".join(perturbations(torch.zeros(2, 3, SIZE, SIZE))) + " |"]
    lines.append("|---" * lines[0].count(" | ") + "|---|")
    for width, images in sizes:
        for every_operation in (False, True):
            found = compare(width, images, every_operation, repeats)
            observed = "every operation" if every_operation else "outputs"
            lines.append(f"| {width:g} | {observed} | " + " | ".join(f"{value:.2f}" for value in found.values()) + " |")
    return lines
