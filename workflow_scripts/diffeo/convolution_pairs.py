"""Consecutive convolutions of a network: which one reads the channels of which, and their weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import fx, nn

from workflow_scripts.diffeo.operations import operation_of, repeated_name, trace

CHANNELWISE = ("batch_norm", "activation", "pool")  # operations that keep channels apart
PASSIVE = (nn.Dropout, nn.Dropout2d, nn.Identity)


@dataclass(frozen=True)
class ConvolutionPair:
    """A convolution and the one whose channels it reads.

    Attributes:
        name, before: of the convolution and of the one before it inside the network; `before` is empty where `reason` says why.
        filters: those of the one before, (channel, input channel, k, k), turned over where batch-norm changes their sign.
        weights: of the convolution, (neuron, channel, k, k).
    """

    name: str
    before: str = ""
    filters: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    reason: str = ""


def convolution_pairs(network: nn.Module) -> list[ConvolutionPair]:
    """Each convolution of a network, in the order in which they run, with the one before it.

    That one must be reached by batch-norm, activation functions, pooling and dropout alone: behind a sum of two branches there
    is none, so that in a residual network pairs lie within blocks. A channel has a filter of its own only without groups.

    Raises:
        ValueError: the network decides by what it computes, so that it has no fixed steps.
    """
    graph = trace(network)
    kinds = {node: kind_of_node(node, graph) for node in graph.graph.nodes}
    return [convolution_pair(node, kinds, graph) for node, kind in kinds.items() if kind == "convolution"]


def convolution_pair(node: fx.Node, kinds: dict[fx.Node, str], graph: fx.GraphModule) -> ConvolutionPair:
    """The pair that ends at a convolution."""
    name, passed = repeated_name(node), list[nn.Module]()
    before = node.all_input_nodes[0]
    while kinds[before] in (*CHANNELWISE, "passive"):
        if kinds[before] == "batch_norm":
            passed.append(graph.get_submodule(str(before.target)))
        before = before.all_input_nodes[0]
    if kinds[before] != "convolution":
        behind = {"input": "it reads the images", "residual_sum": "it reads a sum of branches"}
        return ConvolutionPair(name, reason=behind.get(kinds[before], "no convolution is before it"))
    first, second = (graph.get_submodule(str(one.target)) for one in (before, node))
    reason = why_unfit(first, second)
    if reason:
        return ConvolutionPair(name, reason=reason)
    filters = array(first.weight)
    for norm in passed:
        if norm.weight is not None:
            filters = filters * np.where(array(norm.weight) < 0, -1.0, 1.0)[:, None, None, None]
    return ConvolutionPair(name, repeated_name(before), filters, array(second.weight))


def why_unfit(first: Any, second: Any) -> str:
    """Why the filters of two convolutions cannot be compared up to a transformation; empty if they can."""
    if not (isinstance(first, nn.Conv2d) and isinstance(second, nn.Conv2d)):
        return "it is not a convolution of images"
    if first.groups > 1 or second.groups > 1:
        return "one of the two convolutions works in groups"
    if first.kernel_size[0] != first.kernel_size[1] or first.kernel_size[0] == 1:
        return "the filters before it are not squares of several pixels"
    return ""


def kind_of_node(node: fx.Node, graph: fx.GraphModule) -> str:
    """Kind of an operation, `passive` for what leaves maps alone in eval mode, `other` for all else."""
    operation = operation_of(node, graph)
    if operation:
        return operation.kind
    passive = node.op == "call_module" and isinstance(graph.get_submodule(str(node.target)), PASSIVE)
    return "passive" if passive else "other"


def array(values: Any) -> NDArray[np.float64]:
    """A tensor as an array of float64."""
    found: NDArray[np.float64] = values.detach().double().cpu().numpy()
    return found
