"""The networks of a run's checkpoints, ready to be observed."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from workflow_scripts.diffeo.batch_norm import prepare_batch_norm
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.support.checkpoints import load_network


def observed_checkpoints(checkpoints: Iterable[Path], images: Tensor, device: str) -> Iterator[tuple[int, ObservedNetwork]]:
    """Epoch and observed network of each checkpoint, on `device`, in eval mode.

    Batch-norm of untrained networks takes its statistics from `images` (P, ch, n, n), normalised, on `device`.
    """
    for checkpoint in checkpoints:
        network, content = load_network(checkpoint)
        prepare_batch_norm(network.to(device), images, content["epoch"])
        yield content["epoch"], ObservedNetwork(network)
