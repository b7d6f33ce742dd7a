"""The pixels that a neuron can see: the exact box of every operation of a network.

Position p of an operation sees the pixels from `offset + p · jump`, `size` of them, along each axis. A layer whose
position p reads k positions of its input from `start + p · step` turns this into size `size + (k − 1) · jump`, jump
`step · jump`, offset `offset + start · jump`. The box sticks out of the image where padding was seen.

Source: slides "Neurons' receptive field"; Araujo, Norris and Sim, Distill 2019 (the recursion).
"""

import copy
import operator
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from workflow_scripts.diffeo.blur_pool import BlurPool, BlurredMaxPool
from workflow_scripts.diffeo.local_models import LocallyConnected2d
from workflow_scripts.diffeo.operations import ObservedNetwork, kind_of

Pair = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """Pixels that the positions of an operation see, rows before columns.

    Position p sees `offset + p · jump` to `offset + p · jump + size − 1`; a jump of 0 means that all positions see the same.
    """

    size: Pair
    jump: Pair
    offset: Pair

    def clipped(self, position: Pair, image_size: Pair) -> tuple[slice, slice]:
        """Rows and columns of the image that `position` sees."""
        first = [offset + p * jump for offset, p, jump in zip(self.offset, position, self.jump, strict=True)]
        ends = zip(first, self.size, image_size, strict=True)
        rows, columns = (slice(max(start, 0), min(start + size, edge)) for start, size, edge in ends)
        return rows, columns


class Window(NamedTuple):
    """What one position of a layer reads: `size` positions of its input from `start + p · step`, rows and columns."""

    size: Pair
    step: Pair
    start: Pair


POSITION_WISE_MODULES = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Softmax)
POSITION_WISE_FUNCTIONS = frozenset(
    {operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, torch.add, torch.sub, torch.mul, torch.cat}
    | {torch.relu, torch.sigmoid, torch.tanh, F.relu, F.relu6, F.silu, F.gelu, F.hardswish, F.hardsigmoid, F.leaky_relu}
    | {F.dropout, F.dropout2d, F.batch_norm}
)
POSITION_WISE_METHODS = frozenset({"add", "sub", "mul", "relu", "sigmoid", "tanh", "contiguous"})
# Functions that pool, with the names of their arguments after the maps.
POOLS: dict[Callable[..., Any], tuple[str, ...]] = {
    F.max_pool2d: ("kernel_size", "stride", "padding", "dilation"),
    F.avg_pool2d: ("kernel_size", "stride", "padding"),
}
ADAPTIVE_POOLS = (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)


def receptive_boxes(observed: ObservedNetwork, input_shape: tuple[int, int, int]) -> dict[int, Box]:
    """Box of every operation, by its index.

    Operations whose positions do not see a regular grid of equal boxes have the whole image as the box of all their positions:
    linear layers, means over the map and what they multiply, adaptive pooling into unequal squares, sums of unlike grids, and
    functions that are not known here. A box is what the network's structure allows, whatever the weights; a strided layer
    may leave pixels near the lower and right edges unread, which boxes of later layers with padding can hold all the same.

    Args:
        observed: a network in eval mode, all operations observed.
        input_shape: channels, height and width of an image.

    Raises:
        ValueError: only the outputs of the network are observed.
    """
    shapes = shapes_of(observed, input_shape)
    finder = _BoxFinder(observed.module, shapes, Box(size=input_shape[1:], jump=(0, 0), offset=(0, 0)))
    softmax = {len(observed.operations) - 1: finder.whole}
    return {index: finder.boxes[node] for node, index in observed.nodes.items()} | softmax


def shapes_of(observed: ObservedNetwork, input_shape: tuple[int, int, int]) -> dict[fx.Node, torch.Size]:
    """Shapes, for one image, of all tensors of a traced network in the order in which they are computed.

    Raises:
        ValueError: only the outputs of the network are observed.
    """
    if not isinstance(observed.module, fx.GraphModule):
        raise ValueError("receptive fields need a network of which every operation is observed")
    weights = (*observed.module.parameters(), *observed.module.buffers())
    shells = {id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), requires_grad=False) for weight in weights}
    reader = _ShapeReader(copy.deepcopy(observed.module, shells), graph=observed.module.graph)
    with torch.no_grad():
        reader.run(torch.zeros(1, *input_shape, device="meta", dtype=weights[0].dtype))
    return reader.shapes


def map_sizes(observed: ObservedNetwork, input_shape: tuple[int, int, int]) -> dict[int, Pair]:
    """Rows and columns of the maps of each operation that has maps, by its index. Raises as `shapes_of`."""
    shapes = shapes_of(observed, input_shape)
    return {index: as_pair(shapes[node][2:]) for node, index in observed.nodes.items() if len(shapes[node]) == 4}


class _ShapeReader(fx.Interpreter):
    """Note the shapes of all tensors of a graph. Tensors without values (`meta`) have them too, and cost nothing."""

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.shapes: dict[fx.Node, torch.Size] = {}

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if isinstance(result, Tensor) and node.op != "output":
            self.shapes[node] = result.shape
        return result


def is_position_wise(node: fx.Node, graph: nn.Module) -> bool:
    """Whether each position of a node depends on this position of its inputs alone, if they are as large."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        return isinstance(module, POSITION_WISE_MODULES) or kind_of(module) in ("activation", "batch_norm")
    if node.target is torch.cat:
        return bool((node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")) == 1)
    known: Container[Any] = POSITION_WISE_FUNCTIONS if node.op == "call_function" else POSITION_WISE_METHODS
    return node.target in known


class _BoxFinder:
    """Boxes of the nodes of a graph, each from those of its inputs."""

    def __init__(self, graph: nn.Module, shapes: dict[fx.Node, torch.Size], whole: Box) -> None:
        self.graph, self.shapes, self.whole = graph, shapes, whole
        self.boxes: dict[fx.Node, Box] = {}
        for node in shapes:
            self.boxes[node] = self.box_of(node)

    def size_of(self, node: fx.Node) -> Pair:
        """Rows and columns of the maps of a node."""
        return as_pair(self.shapes[node][2:])

    def box_of(self, node: fx.Node) -> Box:
        """Box of a node whose inputs have theirs."""
        if node.op == "placeholder":
            return Box(size=(1, 1), jump=(1, 1), offset=(0, 0))
        inputs = [source for source in node.all_input_nodes if source in self.boxes]
        if not inputs or any(len(self.shapes[each]) != 4 for each in (node, *inputs)):
            return self.whole
        if is_position_wise(node, self.graph):
            same = all(self.size_of(source) == self.size_of(node) for source in inputs)
            return reduce(self.union, (self.boxes[source] for source in inputs)) if same else self.whole
        window = self.window_of(node, self.size_of(inputs[0])) if len(inputs) == 1 else None
        return seen_through(window, self.boxes[inputs[0]]) if window else self.whole

    def window_of(self, node: fx.Node, input_size: Pair) -> Window | None:
        """Window of a layer or pooling function; None if it has no regular one."""
        if node.op == "call_module":
            return window_of_module(self.graph.get_submodule(str(node.target)), input_size, self.size_of(node))
        if node.target in ADAPTIVE_POOLS:
            return adaptive_window(input_size, self.size_of(node))
        if node.target in POOLS:
            named = dict(zip(POOLS[node.target], node.args[1:], strict=False)) | node.kwargs
            return regular_window(**{name: named[name] for name in POOLS[node.target] if name in named})
        return None

    def union(self, one: Box, other: Box) -> Box:
        """The smallest box around two; the whole image if their grids differ."""
        if one.jump != other.jump:
            return self.whole
        offset = pairwise(min, one.offset, other.offset)
        end = pairwise(max, *(pairwise(operator.add, box.offset, box.size) for box in (one, other)))
        return Box(size=pairwise(operator.sub, end, offset), jump=one.jump, offset=offset)


def seen_through(window: Window, box: Box) -> Box:
    """Box of a layer with this window on an operation with this box."""
    size = tuple(size + (count - 1) * jump for size, count, jump in zip(box.size, window.size, box.jump, strict=True))
    offset = tuple(first + start * jump for first, start, jump in zip(box.offset, window.start, box.jump, strict=True))
    return Box(size=as_pair(size), jump=pairwise(operator.mul, window.step, box.jump), offset=as_pair(offset))


def window_of_module(module: nn.Module, input_size: Pair, output_size: Pair) -> Window | None:
    """Window of a module that maps maps of `input_size` to maps of `output_size`; None if it has no regular one."""
    match module:
        case nn.Conv2d():
            return convolution_window(module)
        case LocallyConnected2d():
            return regular_window(module.patches.kernel_size, 1, (module.padding[2], module.padding[0]))
        case nn.MaxPool2d():
            return regular_window(module.kernel_size, module.stride, module.padding, module.dilation)
        case nn.AvgPool2d():
            return regular_window(module.kernel_size, module.stride, module.padding)
        case nn.AdaptiveAvgPool2d() | nn.AdaptiveMaxPool2d():
            return adaptive_window(input_size, output_size)
        case BlurPool():
            return regular_window(3, 2, 1)
        case BlurredMaxPool():  # two pixels at stride 1, then three maxima at stride 2
            return regular_window(4, 2, 1)
    return None


def convolution_window(convolution: nn.Conv2d) -> Window:
    """Window of a convolution, `same` padding and that of EfficientNet-lite's convolutions (`static_padding`) included."""
    before: Any = convolution.padding
    if before == "valid":
        before = 0
    elif before == "same":
        reach = zip(convolution.dilation, convolution.kernel_size, strict=True)
        before = tuple(dilation * (kernel - 1) // 2 for dilation, kernel in reach)
    zeros = getattr(convolution, "static_padding", None)
    if isinstance(zeros, nn.ZeroPad2d):
        left, _, top, _ = zeros.padding
        before = pairwise(operator.add, as_pair(before), (top, left))
    return regular_window(convolution.kernel_size, convolution.stride, before, convolution.dilation)


def regular_window(kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Window:
    """Window of a convolution or pooling; a dilated kernel counts with its holes, the stride is the kernel's size if None."""
    kernel, padding, dilation = map(as_pair, (kernel_size, padding, dilation))
    extent = tuple(step * (number - 1) + 1 for step, number in zip(dilation, kernel, strict=True))
    start = pairwise(operator.sub, (0, 0), padding)
    return Window(size=as_pair(extent), step=kernel if stride in (None, ()) else as_pair(stride), start=start)


def adaptive_window(input_size: Pair, output_size: Pair) -> Window | None:
    """Window of adaptive pooling into equal rectangles; None for a pooling of all positions, or into unequal ones."""
    divisible = all(before % after == 0 for before, after in zip(input_size, output_size, strict=True))
    if not divisible or (output_size == (1, 1) and input_size != (1, 1)):
        return None
    return regular_window(pairwise(operator.floordiv, input_size, output_size))


def as_pair(value: Any) -> Pair:
    """Rows and columns of a number that stands for both, or of two."""
    rows, columns = (value, value) if isinstance(value, int) else value
    return int(rows), int(columns)


def pairwise(function: Callable[[int, int], int], one: Pair, other: Pair) -> Pair:
    """`function` of rows and of columns."""
    return function(one[0], other[0]), function(one[1], other[1])
