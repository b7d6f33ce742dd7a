"""The stability sweep over the same number of bare forward passes of the same network on the same images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.sweep_memory import peak
from benchmarks.timing import DEVICE, Growth, Judged, Ratio, Table, ratio, table
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, Segment, for_all
from workflow_scripts.diffeo.stability import images_per_batch, stability_sweep

SIDE = 32
REFERENCES = 2  # passes over the reference images: their mean, then their activations
MEMORY_MB = 2000  # the default of memory_budget_mb
TARGETS = {(0.25, False): 1.2, (0.25, True): 2.0, (1.0, False): 1.1, (1.0, True): 1.5}  # by width and whether all is observed
MEMORY_TARGET = 1.05  # over the memory of the smallest number
OBSERVED = {False: "outputs", True: "every operation"}


@dataclass(frozen=True)
class Size:
    """How large a sweep is: images, strengths and draws, layers and width of VGG-bn, and whether every operation is observed."""

    images: int
    strengths: int = 6
    draws: int = 2
    layers: int = 11
    width: float = 0.25
    every_operation: bool = False


def perturbations(images: Tensor, size: Size) -> dict[str, Perturbation]:
    """What the default experiment moves images by, by what a table calls it."""

    def amounts(numbers: Tensor) -> Tensor:
        return for_all(numbers.double().to(images.device), len(images), size.draws)

    roots = amounts(torch.logspace(-2, -1.25, size.strengths))
    return {
        "noise": Noise(amounts(torch.logspace(0, 1, size.strengths)), "bilinear", 0),
        "deformations, bilinear": Diffeo(roots, "bilinear", 0, 3, "disc"),
        "deformations, bicubic": Diffeo(roots, "bicubic", 0, 3, "disc"),
        "deformations, gaussian": Diffeo(roots, "gaussian", 0, 3, "disc"),
        "segment to another image": Segment(amounts(torch.linspace(0, 1, size.strengths)), 0, images),
    }


def over_bare(size: Size, repeats: int, names: Sequence[str] = ("deformations, bilinear",)) -> dict[str, Ratio]:
    """Time of a sweep over that of as many forward passes, by perturbation."""
    probe = torch.randn(size.images, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    specification = {"architecture": f"vgg{size.layers}_bn", "width": size.width}
    network = build_network(specification, input_shape=(3, SIDE, SIDE), classes=10, seed=0).to(DEVICE)
    observed = ObservedNetwork(network.eval(), every_operation=size.every_operation)
    batch_size = images_per_batch(observed, probe, MEMORY_MB)
    moved = perturbations(probe, size)

    @torch.no_grad()
    def bare() -> None:
        for _ in range(size.strengths * size.draws + REFERENCES):
            for batch in torch.split(probe, batch_size):
                observed.module(batch.contiguous(memory_format=torch.channels_last))

    def sweep(name: str) -> Callable[[], object]:
        float32 = torch.full((1, size.strengths), torch.inf)
        return lambda: stability_sweep(observed, probe, [moved[name]], float32, draws=size.draws, batch_size=batch_size)

    return {name: ratio(sweep(name), bare, repeats) for name in names}


def measure(sizes: Sequence[tuple[float, int]] = ((0.25, 200), (1.0, 64)), repeats: int = 3) -> Table:
    """A row for each (width, images) of VGG11-bn and what is observed, a column for each perturbation."""
    names = tuple(perturbations(torch.zeros(2, 3, SIDE, SIDE), Size(2)))
    judged: list[Judged] = []
    rows = []
    for width, images in sizes:
        for every_operation, observed in OBSERVED.items():
            found = over_bare(Size(images, width=width, every_operation=every_operation), repeats, names)
            target = TARGETS[width, every_operation]
            of_row = {name: Judged(f"sweep × {width:g}, {observed}, {name}", found[name].value, target) for name in names}
            judged += of_row.values()
            missed = "; ".join(f"{name} {each.verdict}" for name, each in of_row.items() if not each.met)
            ratios = (f"{each.value:.2f}" for each in found.values())
            rows.append([f"{width:g}", observed, *ratios, f"≤ {target:g}", missed or "met"])
    return Table(table(["VGG11-bn of width", "observed", *names, "target", ""], rows), judged, [])


SERIES: Mapping[str, Sequence[int]] = {
    "strengths": (1, 2, 4, 8),
    "draws": (1, 2, 4, 8),
    "images": (25, 50, 100, 200),
    "layers": (11, 13, 16, 19),
}


def measure_series(series: Mapping[str, Sequence[int]] = SERIES, images: int = 50, repeats: int = 3) -> Table:
    """A row for each number of strengths, draws, images or layers: time over bare passes, and peak memory in MiB."""
    judged: list[Judged] = []
    rows, growths = [], []
    for what, numbers in series.items():
        seconds, memory = [], []
        for number in numbers:
            sizes = [Size(**{"images": images, what: number}, every_operation=every) for every in OBSERVED]
            times = [next(iter(over_bare(size, repeats).values())) for size in sizes]
            memory.append([peak(**{what: number}, every_operation=every).after / 1024 for every in OBSERVED])
            seconds.append(times[0].slow)
            growing = [after / before for after, before in zip(memory[-1], memory[0], strict=True)]
            cells = "— | — | —"
            if what in ("strengths", "draws") and number > numbers[0]:
                found = Judged(f"peak memory, {number} {what} over {numbers[0]}", max(growing), MEMORY_TARGET)
                judged += [found] if number == numbers[-1] else []
                cells = f"{found.value:.3f} | {found.cells}"
            ratios, mebibytes = (f"{time.value:.2f}" for time in times), (f"{each:.0f}" for each in memory[-1])
            rows.append([f"{what}: {number}", *ratios, *mebibytes, cells])
        if what != "layers":
            growths.append(Growth("a sweep of the outputs", f"number of {what}", numbers, seconds))
    observed = OBSERVED.values()
    head = ["sweep with", *(f"time, {each}" for each in observed), *(f"peak MiB, {each}" for each in observed)]
    return Table(table([*head, "memory over that of the first", "target", ""], rows), judged, growths)
