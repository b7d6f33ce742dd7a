"""A network as a list of operations, each of which can be observed while the network runs."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from workflow_scripts.diffeo.blur_pool import BlurPool, BlurredMaxPool
from workflow_scripts.diffeo.local_models import LocallyConnected2d
from workflow_scripts.diffeo.networks import not_in_place

Observer = Callable[[int, Tensor], None]

MODULE_OPERATIONS: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], str], ...] = (
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d, LocallyConnected2d), "convolution"),
    (nn.modules.batchnorm._BatchNorm, "batch_norm"),
    (nn.Linear, "linear"),
    ((nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Sigmoid, nn.Tanh), "activation"),
    ((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, BlurredMaxPool), "pool"),
    (BlurPool, "blur"),  # a stride inside a branch of a residual block, where a pooling is a step of the whole network
)
FUNCTION_OPERATIONS: dict[Callable[..., Any], str] = {
    operator.add: "residual_sum",
    torch.add: "residual_sum",
    torch.relu: "activation",
    nn.functional.relu: "activation",
    nn.functional.max_pool2d: "pool",
    nn.functional.avg_pool2d: "pool",
    nn.functional.adaptive_avg_pool2d: "pool",
}


@dataclass(frozen=True)
class Operation:
    """One observed step of a network: its name inside the network and its kind (`convolution`, `batch_norm`, ...)."""

    name: str
    kind: str


class ObservedNetwork:
    """A network whose operations are numbered in the order in which they run.

    Operation 0 is the input, the last but one the logits, the last their softmax. Modules that work in place are made to
    work out of place first, because they would overwrite the activation of the operation before them.

    Args:
        network: a module in the mode (eval) in which it is to be observed. It is changed: its modules no longer work in place.
        every_operation: observe all operations, for which `torch.fx` must be able to trace the network (every one of
            `networks.py` can be traced); or only the input, the logits and the softmax, for which it runs as it is.

    Attributes:
        module: the traced network, which shares parameters and buffers with `network`; or `network` itself.
        operations: name and kind of every observed operation.

    Raises:
        ValueError: every operation is wanted of a network that cannot be traced.
    """

    def __init__(self, network: nn.Module, *, every_operation: bool = True) -> None:
        self.module = not_in_place(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.operations = [Operation("input", "input")]
        self._index: dict[fx.Node, int] = {}  # empty: not traced
        if every_operation:
            self.module = graph = trace(network)
            nodes = list(graph.graph.nodes)
            logits = nodes[-1].args[0]  # what the last node, the output, returns
            named = ((node, operation_of(node, graph)) for node in nodes if node is not logits)
            found = [(node, operation) for node, operation in named if operation]
            self._index = {node: index for index, (node, _) in enumerate(found)} | {logits: len(found)}
            self.operations = [operation for _, operation in found]
        self.operations += [Operation("logits", "logits"), Operation("softmax", "softmax")]

    def __call__(self, images: Tensor, observe: Observer) -> Tensor:
        """Return the logits (B, classes) of `images` (B, ch, n, n); call `observe(index, activation)` at each operation.

        Raises:
            ValueError: the network overwrites the input of an operation, or its images.
        """
        images = images.contiguous(memory_format=torch.channels_last)  # halves the time of convolutions on CPUs
        logits = self._run_traced(images, observe) if self._index else self._run_untraced(images, observe)
        observe(len(self.operations) - 1, torch.softmax(logits, dim=1))
        return logits

    @property
    def nodes(self) -> Mapping[fx.Node, int]:
        """Nodes of the traced graph `module` that are observed, and the index of each's operation; none if it is not traced."""
        return self._index

    def up_to(self, operations: Sequence[int]) -> nn.Module:
        """Return what the traced network does to compute some of its operations, and no more.

        The module maps images (B, ch, n, n) to the tuple of the operations' activations; it shares parameters with the network,
        and takes images of any size that these operations allow: checks of the network's own (`torch._assert`) are left out.
        """
        nodes = {index: node for node, index in self._index.items()}
        part, copies = fx.Graph(), dict[fx.Node, fx.Node]()
        for node in self.module.graph.nodes:
            if node.target is torch._assert:
                continue
            copies[node] = part.node_copy(node, copies.__getitem__)
            if self._index.get(node) == max(operations):
                break
        part.output(tuple(copies[nodes[operation]] for operation in operations))
        module = fx.GraphModule(self.module, part)
        module.graph.eliminate_dead_code()
        module.recompile()
        return module

    @torch.no_grad()
    def activation_sizes(self, image: Tensor) -> list[int]:
        """Numbers in what is observed of each operation for one image (1, ch, n, n)."""
        sizes: list[int] = []
        self(image, lambda _, activation: sizes.append(activation.numel()))
        return sizes

    def largest_activation(self, image: Tensor) -> int:
        """Numbers in the largest output of any module for one image (1, ch, n, n), observed or not: what memory is needed for."""
        return largest_output(self.module, image)

    def _run_traced(self, images: Tensor, observe: Observer) -> Tensor:
        """Observe everything but the softmax."""
        logits: Tensor = _Interpreter(self.module, self._index, observe).run(images)
        return logits

    def _run_untraced(self, images: Tensor, observe: Observer) -> Tensor:
        """Observe the input and the logits."""
        observe(0, images)
        version = images._version
        logits: Tensor = self.module(images)
        if images._version != version:
            raise ValueError("the first operation of the network overwrites the images; write it out of place")
        observe(1, logits)
        return logits


class _Tracer(fx.Tracer):
    """Takes modules whose kind is known as one step each, also where another package derived them from torch's."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return kind_of(module) is not None or super().is_leaf_module(module, name)


def trace(network: nn.Module) -> fx.GraphModule:
    """The steps of a network as a graph without operations in place.

    Raises:
        ValueError: the network decides by what it computes, so that it has no fixed steps.
    """
    try:
        return out_of_place(fx.GraphModule(network, _Tracer().trace(network)))
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        raise ValueError(f"of {type(network).__name__} only the output can be observed, not every operation: {error}") from error


class _Interpreter(fx.Interpreter):
    """Run a graph node by node, freeing each activation after its last use, and report the observed nodes."""

    def __init__(self, graph: nn.Module, index: dict[fx.Node, int], observe: Observer) -> None:
        super().__init__(graph)
        self._observed, self._observe = index, observe

    def run_node(self, node: fx.Node) -> Any:
        inputs = [value for value in map(self.env.get, node.all_input_nodes) if isinstance(value, Tensor)]
        versions = [value._version for value in inputs]
        result = super().run_node(node)
        if versions != [value._version for value in inputs]:
            raise ValueError(f"operation {node.name!r} of the network overwrites its input; write it out of place")
        if node in self._observed:
            self._observe(self._observed[node], result)
        return result


@torch.no_grad()
def largest_output(network: nn.Module, image: Tensor) -> int:
    """Numbers in the largest output of any module inside a network for one image (1, ch, n, n)."""
    sizes: list[int] = [image.numel()]

    def record(_: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    hooks = [module.register_forward_hook(record) for module in network.modules()]
    try:
        network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return max(sizes)


def out_of_place(graph: fx.GraphModule) -> fx.GraphModule:
    """Replace in-place functions (`relu(inplace=True)`) and operators (`+=`) by ones that keep their input.

    Others (`x.relu_()`) stay and raise a ValueError when the network runs.
    """
    for node in graph.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
        if node.target is operator.iadd:
            node.target = operator.add
    graph.recompile()
    return graph


def operation_of(node: fx.Node, graph: fx.GraphModule) -> Operation | None:
    """Name and kind of a node of the traced graph; `None` for steps that compute nothing (reshaping, dropout)."""
    if node.op == "placeholder":
        return Operation("input", "input")
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        kind = kind_of(module)
        return Operation(repeated_name(node), kind) if kind else None
    if node.op == "call_function" and node.target in FUNCTION_OPERATIONS:
        return Operation(repeated_name(node), FUNCTION_OPERATIONS[node.target])
    return None


def kind_of(module: nn.Module) -> str | None:
    """Kind of the operation that a module is, if it is one."""
    return next((kind for types, kind in MODULE_OPERATIONS if isinstance(module, types)), None)


def repeated_name(node: fx.Node) -> str:
    """Path of the module that a node calls, or the node's own name; `#k` marks the k-th further use of one module."""
    if node.op != "call_module":
        return node.name
    uses = [other for other in node.graph.nodes if other.op == "call_module" and other.target == node.target]
    use = uses.index(node)
    return str(node.target) if use == 0 else f"{node.target}#{use}"
