"""Distance to the decision boundary: the smallest step along a direction that changes the label."""

import torch
from torch import Tensor

from workflow_scripts.diffeo.batches import Progress, in_batches
from workflow_scripts.diffeo.interpolation import smooth
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Perturbation, Probe


@torch.no_grad()
def flip_norms(
    network: ObservedNetwork,
    images: Tensor,
    perturbations: list[Perturbation],
    flipped: Tensor,
    *,
    batch_size: int,
    halvings: int = 6,
    progress: Progress = iter,
) -> Tensor:
    """Smallest norm |x' − x| at which the label of each image changes along each direction, by bisection.

    The first strength of the sweep at which the label differs from that of the reference image, and the strength before it
    (no motion, before the first one), bracket the boundary. Every halving of the bracket is one forward pass for all images at
    once; the norm returned is that in the middle of the last bracket.

    Args:
        network: the observed network, in the mode in which it is measured.
        images: probe images (P, ch, n, n), normalised.
        perturbations: what moves the images, with increasing amounts.
        flipped: whether the label is another one at (perturbation, strength, image, draw), as the sweep found.
        batch_size: images per forward pass.
        halvings: the bracket shrinks by 2 to this power.
        progress: wraps the iterable of batches, for a progress bar.

    Returns:
        (perturbation, image, draw) float64 on the CPU; NaN where no strength of the sweep changes the label.

    Source: slide "Gaussian noise stability around data-points" (the average decision boundary distance).
    """
    flipped = flipped.to(images.device)
    found = images.new_full((len(perturbations), *flipped.shape[2:]), torch.nan, dtype=torch.float64)

    def fill_in(batch: Tensor) -> None:
        for row, perturbation in enumerate(perturbations):
            probe = Probe(images[batch], smooth(images[batch], perturbation.interpolation), batch)
            label = _labels(network, probe.reference)
            for draw in range(flipped.shape[3]):
                norm = _bisect(network, perturbation, probe, label, flipped[row, :, batch, draw], draw, halvings)
                found[row, batch, draw] = norm

    for _ in in_batches(fill_in, torch.arange(len(images), device=images.device), batch_size, progress=progress):
        pass
    return found.cpu()


def _bisect(
    network: ObservedNetwork,
    perturbation: Perturbation,
    probe: Probe,
    label: Tensor,
    flipped: Tensor,
    draw: int,
    halvings: int,
) -> Tensor:
    """Norms (B,) for one direction of each image; `flipped` is (strength, B)."""
    direction = perturbation.direction(probe, draw)
    amounts = perturbation.amounts[:, probe.index, draw]
    first = flipped.int().argmax(dim=0)
    high = amounts.gather(0, first[None])[0]
    low = torch.where(first > 0, amounts.gather(0, (first - 1).clamp(min=0)[None])[0], 0)
    for _ in range(halvings):
        middle = (low + high) / 2
        beyond = _labels(network, perturbation.move(probe, direction, middle)) != label
        low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
    moved = perturbation.move(probe, direction, (low + high) / 2)
    norm = (moved - probe.reference).double().flatten(1).norm(dim=1)
    return torch.where(flipped.any(dim=0), norm, torch.nan)


def _labels(network: ObservedNetwork, images: Tensor) -> Tensor:
    """Class of the largest logit (B,)."""
    return network(images, lambda *_: None).argmax(dim=1)
