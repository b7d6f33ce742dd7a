"""The output of a network of which one convolution at a time reads its input channels in a random order.

What runs before that convolution is the same for every order and runs once for all of them.

Source: slides "Can we decouple the contribution of the two?", layer by layer.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from workflow_scripts.diffeo.batch_norm import (
    batch_norm_layers,
    calibration_batches,
    collect_statistics,
    depends_on_batch,
)
from workflow_scripts.diffeo.batches import Progress, in_batches
from workflow_scripts.diffeo.interpolation import smooth
from workflow_scripts.diffeo.networks import not_in_place
from workflow_scripts.diffeo.operations import trace
from workflow_scripts.diffeo.perturbations import Perturbation, Probe

Orders = Mapping[str, Tensor]
"""Orders (permutations, channels) of the input channels of convolutions, by name (with groups, of the channels of each group)."""


class SingleShuffles:
    """A network and, for each convolution and order of its channels, a copy with this convolution shuffled.

    Copies share the parameters of the network and have batch-norm layers of their own.

    Args:
        network: in the mode in which it is to be measured.
        orders: at least one convolution, the same number of orders for each.

    Raises:
        ValueError: the network cannot be traced.
    """

    def __init__(self, network: nn.Module, orders: Orders) -> None:
        graph = trace(not_in_place(network).to(memory_format=torch.channels_last))  # type: ignore[call-overload]
        nodes = list(graph.graph.nodes)
        first = {str(node.target): node for node in reversed(nodes) if node.op == "call_module"}
        self._trunk = _Run(graph, {})
        self._branches: dict[fx.Node, list[_Run]] = {}
        for name, rows in orders.items():
            convolution = graph.get_submodule(name)
            shuffled = [{name: partial(read_in_order, convolution, order.to(convolution.weight.device))} for order in rows]
            self._branches[first[name]] = [_Run(graph, replaced) for replaced in shuffled]
        self._before = {node: dict.fromkeys(nodes[: nodes.index(node)]) for node in self._branches}

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (convolution, permutation, B, classes) of images (B, ch, n, n)."""
        images = images.contiguous(memory_format=torch.channels_last)
        found: dict[fx.Node, Tensor] = {}

        def branch(node: fx.Node, known: dict[fx.Node, Any]) -> None:
            if node in self._branches:
                found[node] = torch.stack([run.after(self._before[node] | known, images) for run in self._branches[node]])

        self._trunk.observe = branch
        self._trunk.after({}, images)
        return torch.stack([found[node] for node in self._branches])

    def calibrate(self, images: Tensor) -> None:
        """Take batch-norm statistics from clean images (P, ch, n, n), for each copy as `calibrate_batch_norm` does."""
        runs = [self._trunk, *(run for runs in self._branches.values() for run in runs)]
        with collect_statistics([norm for run in runs for norm in run.norms]):
            for batch in calibration_batches(images):
                self(batch)


class _Run(fx.Interpreter):
    """Runs a graph with batch-norm layers of its own and some modules replaced; `observe` is called before each node."""

    def __init__(self, graph: fx.GraphModule, replaced: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(graph)
        found = {name: layer for name, layer in graph.named_modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)}
        own = {name: copy.deepcopy(layer) for name, layer in found.items()}
        self.norms = list(own.values())
        self.observe: Callable[[fx.Node, dict[fx.Node, Any]], None] = lambda node, known: None
        self._replaced: dict[str, Callable[..., Any]] = {**own, **replaced}

    def after(self, known: dict[fx.Node, Any], images: Tensor) -> Any:
        """The output, where the values of some nodes are known; they are not held on to."""
        result = self.run(images, initial_env=known)
        self.env = {}
        return result

    def run_node(self, node: fx.Node) -> Any:
        self.observe(node, self.env)
        return super().run_node(node)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self._replaced.get(target)
        return module(*args, **kwargs) if module else super().call_module(target, args, kwargs)


def read_in_order(convolution: nn.Module, order: Tensor, maps: Tensor) -> Tensor:
    """A convolution that reads its input channels in another order."""
    weight = convolution.weight[:, order]  # type: ignore[index]
    result: Tensor = functional_call(convolution, {"weight": weight}, (maps,))
    return result


@torch.no_grad()
def single_shuffle_sweep(
    network: nn.Module,
    orders: Orders,
    images: Tensor,
    perturbations: list[Perturbation],
    *,
    draws: int,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
    progress: Progress = iter,
) -> tuple[Tensor, Tensor]:
    """How far the logits move with one convolution shuffled, as `stability_sweep` measures it, at the first strength.

    Batch-norm is recalibrated on the images, unless it takes the statistics of each batch.

    Args:
        network: in the mode in which it is to be measured; it is left in float32.
        orders: of the channels of each convolution.
        images: probe images (P, ch, n, n), normalised.
        perturbations: what moves the images, all with the same interpolation.
        draws: directions per image.
        batch_size: images per forward pass.
        dtype: precision of the network.
        progress: wraps the iterable of batches, for a progress bar.

    Returns:
        Squared distances (convolution, permutation, perturbation, P, draw), and squared deviations of the unmoved images from
        their mean (convolution, permutation, P); float64, on the CPU.
    """
    images = images.to(dtype)
    shuffled = SingleShuffles(network.to(dtype), orders)
    if any(not layer.training for layer in batch_norm_layers(network)):
        shuffled.calibrate(images)

    def measure(batch: Tensor) -> tuple[Tensor, Tensor]:
        originals = images[batch]
        probe = Probe(originals, smooth(originals, perturbations[0].interpolation), batch)
        reference = shuffled(probe.reference)
        rows = [
            torch.stack([distance(shuffled, perturbation, probe, draw, reference) for draw in range(draws)], dim=-1)
            for perturbation in perturbations
        ]
        return reference, torch.stack(rows, dim=2)

    index = torch.arange(len(images), device=images.device)
    smallest = len(images) if depends_on_batch(network) else 1
    parts = in_batches(measure, index, batch_size, smallest=smallest, progress=progress)
    references, distances = zip(*parts, strict=True)
    logits = torch.cat(references, dim=2).double()
    network.to(torch.float32)
    deviations = (logits - logits.mean(dim=2, keepdim=True)).square().sum(dim=-1)
    return torch.cat(distances, dim=3).cpu(), deviations.cpu()


def distance(shuffled: SingleShuffles, perturbation: Perturbation, probe: Probe, draw: int, reference: Tensor) -> Tensor:
    """Squared distance (convolution, permutation, B) of the logits of moved images from those of the unmoved ones."""
    direction = perturbation.direction(probe, draw)
    moved = perturbation.move(probe, direction, perturbation.amounts[0, probe.index, draw])
    return (shuffled(moved) - reference).double().square().sum(dim=-1)
