"""The stability sweep: how far every operation of a network moves when its input is moved, image by image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from workflow_scripts.diffeo.batch_norm import depends_on_batch
from workflow_scripts.diffeo.batches import Progress, Result, in_batches, number_that_fits
from workflow_scripts.diffeo.interpolation import smooth
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Perturbation, Probe, reference_name

FLOAT64_BYTES = 8
SMALL_RADIUS = 1e-2 / 55  # relative to the mean norm of an image: below, float32 rounding would show


@dataclass(frozen=True)
class Sweep:
    """What a sweep measures; P images, K operations (input first, softmax last). All float64, on the CPU.

    Attributes:
        squared_distance: |f_k(x') − f_k(x)|², x' the moved and x the reference image;
            (perturbation, strength, operation, image, draw).
        squared_deviation: |f_k(x) − mean over images of f_k|² of the reference images; (reference, operation, image).
            The mean squared distance of two different images is twice its sum over images / (P − 1).
        read_out: what is kept of the logits of the moved images; (perturbation, strength, image, draw, quantity).
        reference_read_out: the same of the reference images; (reference, image, quantity).
    """

    squared_distance: Tensor
    squared_deviation: Tensor
    read_out: Tensor
    reference_read_out: Tensor


ReadOut = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What to keep of logits (B, classes), given those of the reference images and the index (B,) of the images: (B, quantities)."""


def all_logits(logits: Tensor, reference_logits: Tensor, index: Tensor) -> Tensor:
    """Keep every logit."""
    return logits


@dataclass(frozen=True)
class _Plan:
    """The loops of a sweep: which images go together, and which strengths are run in which precision."""

    images: Tensor
    batch_size: int
    smallest_batch: int
    references: dict[str, str]  # name of a reference -> an interpolation that makes it
    cells: dict[torch.dtype, list[list[int]]]  # precision -> for each perturbation, its strengths

    def in_batches(self, work: Callable[[Tensor], Result], progress: Progress = iter) -> Iterator[Result]:
        """What `work` makes of each batch of positions of the images."""
        index = torch.arange(len(self.images), device=self.images.device)
        return in_batches(work, index, self.batch_size, smallest=self.smallest_batch, progress=progress)


@torch.no_grad()
def stability_sweep(
    network: ObservedNetwork,
    images: Tensor,
    perturbations: list[Perturbation],
    radii: Tensor,
    *,
    draws: int,
    batch_size: int,
    precision: str = "auto",
    read_out: ReadOut = all_logits,
    progress: Progress = iter,
) -> Sweep:
    """Move every image along every perturbation, strength and draw, and measure every operation in the same pass.

    Args:
        network: the observed network, on the device of `images`, in the mode in which it is to be measured.
        images: probe images (P, ch, n, n), normalised; P at least 2.
        perturbations: what moves the images; all have the same number of strengths.
        radii: mean norm of each (perturbation, strength); decides the precision of `auto`. Where it is 0, float32 is exact.
        draws: directions per image.
        batch_size: images per forward pass, all where batch-norm takes the statistics of each batch (`images_per_batch`); changes
            speed and memory, results otherwise only by rounding.
        precision: `auto` (float32, and float64 where r < 1e-2 |x|/55) or `float64`.
        read_out: what is kept of the logits.
        progress: wraps the iterable of batches, for a progress bar.

    Source: slides "Relative stability to diffeomorphisms" and "Stability as a function of the distance".
    """
    plan = _plan(network, images, perturbations, radii, batch_size, precision)
    means = {
        (dtype, name): _mean_activations(network, plan, interpolation, dtype)
        for dtype in plan.cells
        for name, interpolation in plan.references.items()
    }
    example = next(iter(means.values()))[-1][None]  # a softmax, as long as the logits
    quantities = read_out(example, example, torch.zeros(1, dtype=torch.int64, device=images.device)).shape[1]
    shape = (len(perturbations), radii.shape[1], len(network.operations), len(images), draws)
    new = partial(images.new_empty, dtype=torch.float64)
    result = Sweep(
        squared_distance=new(shape),
        squared_deviation=new((len(plan.references), *shape[2:4])),
        read_out=new((*shape[:2], *shape[3:], quantities)),
        reference_read_out=new((len(plan.references), len(images), quantities)),
    )
    for dtype in plan.cells:
        network.module.to(dtype)
        work = partial(_measure, result, network, plan, perturbations, means, dtype, read_out)
        for _ in plan.in_batches(work, progress):
            pass  # the numbers are in `result`
    network.module.to(torch.float32)
    return Sweep(*(getattr(result, name).cpu() for name in Sweep.__dataclass_fields__))


def _plan(
    network: ObservedNetwork, images: Tensor, perturbations: list[Perturbation], radii: Tensor, batch_size: int, precision: str
) -> _Plan:
    in_double = needs_float64(images, radii, precision).tolist()
    cells = {
        dtype: [[strength for strength, double in enumerate(row) if double == (dtype == torch.float64)] for row in in_double]
        for dtype in (torch.float32, torch.float64)
    }
    interpolations = sorted({perturbation.interpolation for perturbation in perturbations})
    return _Plan(
        images=images,
        batch_size=batch_size,
        smallest_batch=len(images) if depends_on_batch(network.module) else 1,
        references=dict(sorted((reference_name(name), name) for name in interpolations)),
        cells={dtype: strengths for dtype, strengths in cells.items() if any(strengths)},
    )


def needs_float64(images: Tensor, radii: Tensor, precision: str) -> Tensor:
    """Whether float32 rounding would show for perturbations of norms `radii` (any shape) of the images, or float64 is wanted.

    Raises:
        ValueError: `precision` is neither `auto` nor `float64`.
    """
    if precision not in ("auto", "float64"):
        raise ValueError(f"precision: {precision!r} is not allowed; choose auto or float64")
    limit = SMALL_RADIUS * images.double().flatten(1).norm(dim=1).mean().to(radii.device)
    needed: Tensor = ((radii > 0) & (radii < limit)) | (precision == "float64")
    return needed


def _mean_activations(network: ObservedNetwork, plan: _Plan, interpolation: str, dtype: torch.dtype) -> list[Tensor]:
    """Mean over all reference images of every operation in that precision of the network, summed in float64, flattened."""
    network.module.to(dtype)

    def totals(batch: Tensor) -> list[Tensor]:
        reference = _Reference(network, smooth(plan.images[batch].to(dtype), interpolation))
        return [activation.sum(dim=0, dtype=torch.float64) for activation in reference.activations]

    sums: list[Tensor] = []
    for found in plan.in_batches(totals):
        sums = found if not sums else [total + more for total, more in zip(sums, found, strict=True)]
    return [total / len(plan.images) for total in sums]


class _Reference:
    """Every operation on a batch of reference images."""

    def __init__(self, network: ObservedNetwork, images: Tensor) -> None:
        self.network, self.activations = network, list[Tensor]()
        self.logits = network(images, lambda _, activation: self.activations.append(flat(activation)))

    def squared_distance_to(self, means: list[Tensor]) -> Tensor:
        """|f_k(x) − mean_k|², (operation, B), float64."""
        pairs = zip(self.activations, means, strict=True)
        return torch.stack([squared_norm(activation - mean.to(activation.dtype)) for activation, mean in pairs]).double()

    def squared_distance_of(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """|f_k(x') − f_k(x)|² of moved images, (operation, B), and their logits (B, classes)."""
        distances: list[Tensor] = []

        def observe(index: int, activation: Tensor) -> None:
            distances.append(squared_norm(flat(activation) - self.activations[index]))

        logits = self.network(images, observe)
        return torch.stack(distances), logits


def _measure(
    result: Sweep,
    network: ObservedNetwork,
    plan: _Plan,
    perturbations: list[Perturbation],
    means: dict[tuple[torch.dtype, str], list[Tensor]],
    dtype: torch.dtype,
    read_out: ReadOut,
    batch: Tensor,
) -> None:
    """Fill in the rows of a batch of images: every reference, and every perturbation of it."""
    originals = plan.images[batch].to(dtype)
    for row, (name, interpolation) in enumerate(plan.references.items()):
        probe = Probe(originals, smooth(originals, interpolation), batch)
        reference = _Reference(network, probe.reference)
        result.squared_deviation[row][:, batch] = reference.squared_distance_to(means[dtype, name])
        kept = read_out(reference.logits, reference.logits, batch)
        result.reference_read_out[row, batch] = kept.double()
        for index, perturbation in enumerate(perturbations):
            if reference_name(perturbation.interpolation) == name:
                _measure_moved(result, index, perturbation, plan.cells[dtype][index], reference, probe, read_out)
        del reference  # before the next one is made: it takes most of the memory


def _measure_moved(
    result: Sweep,
    index: int,
    perturbation: Perturbation,
    strengths: list[int],
    reference: _Reference,
    probe: Probe,
    read_out: ReadOut,
) -> None:
    """Fill in one perturbation's rows for a batch of images: all draws, the given strengths."""
    for draw in range(result.squared_distance.shape[-1] if strengths else 0):
        direction = perturbation.direction(probe, draw)
        for strength in strengths:
            amount = perturbation.amounts[strength, probe.index, draw]
            distance, logits = reference.squared_distance_of(perturbation.move(probe, direction, amount))
            result.squared_distance[index, strength, :, probe.index, draw] = distance.double()
            kept = read_out(logits, reference.logits, probe.index)
            result.read_out[index, strength, probe.index, draw] = kept.double()


def flat(activation: Tensor) -> Tensor:
    """(B, features) view of an activation; features follow the memory order, so that channels-last is not copied."""
    if activation.ndim == 4 and activation.is_contiguous(memory_format=torch.channels_last):
        activation = activation.permute(0, 2, 3, 1)
    return activation.flatten(1)


def squared_norm(vectors: Tensor) -> Tensor:
    """|v|² of each row of (B, features), without a temporary of the square (a dot product per row takes 5 times as long)."""
    norm: Tensor = torch.linalg.vector_norm(vectors, dim=1)
    return norm.square()


def images_per_batch(network: ObservedNetwork, images: Tensor, memory_mb: int) -> int:
    """How many of the images fit in `memory_mb` MiB in float64, with their reference activations and working space, at least 1.

    All of them where batch-norm takes the statistics of each batch.

    Args:
        network: the observed network, in the mode in which it is to be measured.
        images: (P, ch, n, n).
    """
    if depends_on_batch(network.module):
        return len(images)
    numbers = sum(network.activation_sizes(images[:1])) + 4 * network.largest_activation(images[:1])
    return number_that_fits(memory_mb, FLOAT64_BYTES * numbers, len(images))
