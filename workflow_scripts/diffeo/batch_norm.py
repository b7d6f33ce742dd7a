"""Batch-norm of a network: statistics from clean images, or those of each batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

CALIBRATION_BATCH = 128  # fixed, so that the statistics depend on the images alone and not on the memory at hand


def batch_norm_layers(network: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Every batch-norm module of a network."""
    return [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
def calibrate_batch_norm(network: nn.Module, images: Tensor) -> None:
    """Set all running means and variances to the average over batches of `images` (P, ch, n, n); leave eval mode on.

    Batches have about `CALIBRATION_BATCH` images and equal weight. A network without batch-norm is left as it is.
    """
    network.eval()
    layers = batch_norm_layers(network)
    with collect_statistics(layers):
        for batch in calibration_batches(images) if layers else ():
            network(batch)


@contextmanager
def collect_statistics(layers: Sequence[nn.modules.batchnorm._BatchNorm]) -> Iterator[None]:
    """Take new running statistics, averaged over the batches that are run inside the block; leave eval mode on."""
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # cumulative average over the batches that follow
        layer.train()
    yield
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()


def calibration_batches(images: Tensor) -> tuple[Tensor, ...]:
    """Batches of about `CALIBRATION_BATCH` of the images (P, ch, n, n)."""
    return images.chunk(max(1, round(len(images) / CALIBRATION_BATCH)))


def use_batch_statistics(network: nn.Module) -> None:
    """Make batch-norm normalise with the statistics of each batch it is given, everything else in eval mode."""
    network.eval()
    for layer in batch_norm_layers(network):
        layer.train()


def depends_on_batch(network: nn.Module) -> bool:
    """Whether a batch-norm layer takes the statistics of each batch, told to or having no others: all images must be in one."""
    return any(layer.training or layer.running_mean is None for layer in batch_norm_layers(network))


def prepare_batch_norm(network: nn.Module, images: Tensor, epoch: int, at_initialisation: str = "calibrated") -> None:
    """Put a network in the mode in which it is measured.

    Args:
        network: trained or, at epoch 0, untrained.
        images: probe images (P, ch, n, n), normalised.
        epoch: of the checkpoint.
        at_initialisation: batch-norm of untrained networks, `calibrated` (statistics from the clean images) or `batch` (those of
            each batch).
    """
    if epoch > 0:
        network.eval()
    elif at_initialisation == "calibrated":
        calibrate_batch_norm(network, images)
    else:
        use_batch_statistics(network)
