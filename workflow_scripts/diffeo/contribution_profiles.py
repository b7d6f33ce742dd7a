"""How much each pixel inside its receptive field contributes to a neuron, whatever the weights.

All weights are one positive constant, biases are zero, poolings average, and batch-norm and activations do nothing. The neuron
is then linear, all channels are equal, and the gradient with respect to one channel of the image is the profile. The constant
makes each filter average what it reads, so that the branches of a residual sum weigh the same.

The profile is also what the mean squared gradient is at initialisation, where weights are independent, if activations pass
pixels on with equal probability: squared weights take the place of the constant.

Source: slides "Neurons' receptive field"; Luo et al., NeurIPS 2016 (the effective receptive field).
"""

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from workflow_scripts.diffeo.blur_pool import BlurPool, BlurredMaxPool
from workflow_scripts.diffeo.local_models import LocallyConnected2d
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.receptive_fields import is_position_wise, shapes_of

LARGEST_BATCH = 2**22  # numbers in the gradients that are taken together

Maps = Tensor  # (1, 1, h, w)


class FieldSize(NamedTuple):
    """Centres (..., 2) of profiles, row and column in pixels, and their effective sizes (...) in pixels."""

    centre: Tensor
    effective_size: Tensor


class AveragingNetwork:
    """One channel of a network whose layers average.

    Args:
        observed: a network in eval mode, all operations observed; its weights do not matter.
        input_shape: channels, height and width of an image.

    Attributes:
        maps: size of the maps of each operation that has a profile, by its index. Those without maps (linear layers) have none,
            nor have operations behind a function that is not known here. What multiplies maps (squeeze and excitation) is a
            constant that does not count.

    Raises:
        ValueError: only the outputs of the network are observed.
    """

    def __init__(self, observed: ObservedNetwork, input_shape: tuple[int, int, int]) -> None:
        shapes = shapes_of(observed, input_shape)
        self._image = torch.zeros(1, 1, *input_shape[1:], dtype=torch.float64, requires_grad=True)
        values: dict[fx.Node, Maps] = {}
        for node, shape in shapes.items():
            maps = self._image if node.op == "placeholder" else averaged(node, values, shapes, observed.module)
            if maps is not None and maps.shape[2:] == shape[2:]:
                values[node] = maps
        self._values = {index: values[node] for node, index in observed.nodes.items() if node in values}
        self.maps = {index: (maps.shape[2], maps.shape[3]) for index, maps in self._values.items()}

    def same(self, one: int, other: int) -> bool:
        """Whether two operations have the same profiles because one does nothing to the maps of the other."""
        return self._values[one] is self._values[other]

    def profiles(self, operation: int, positions: Tensor) -> Tensor:
        """Contribution of every pixel of the image to these neurons, scaled to a maximum of 1.

        Args:
            operation: index of an operation of `maps`.
            positions: (P, 2) int64, row and column on its map.

        Returns:
            (P, h, w) float64; NaN for a position that reads padding only.
        """
        maps = self._values[operation]
        found = []
        for part in torch.split(positions, max(1, LARGEST_BATCH // self._image.numel())):
            rows, columns = part.unbind(1)
            chosen = torch.zeros(len(rows), *maps.shape, dtype=maps.dtype)
            chosen[torch.arange(len(rows)), 0, 0, rows, columns] = 1
            if maps is self._image:
                found.append(chosen[:, 0, 0])
                continue
            (gradient,) = torch.autograd.grad(maps, self._image, chosen, retain_graph=True, is_grads_batched=True)
            found.append(gradient[:, 0, 0])
        profiles = torch.cat(found) if len(found) > 1 else found[0]
        return profiles.div_(profiles.amax(dim=(1, 2), keepdim=True))


def contribution_profiles(
    observed: ObservedNetwork, input_shape: tuple[int, int, int], operation: int, positions: Tensor
) -> Tensor:
    """`AveragingNetwork.profiles` of one operation: (P, h, w) for `positions` (P, 2)."""
    return AveragingNetwork(observed, input_shape).profiles(operation, positions)


def field_size(profiles: Tensor) -> FieldSize:
    """Centre ⟨s⟩, weighted with the profile, and effective size √(Σ profile / max profile) of profiles (..., h, w).

    A box of p × p equal pixels has the effective size p; a Gaussian of standard deviation σ has √(2π) σ.
    """
    total = profiles.sum(dim=(-2, -1))
    rows, columns = (torch.arange(edge, dtype=profiles.dtype) for edge in profiles.shape[-2:])
    centre = torch.stack((profiles.sum(dim=-1) @ rows, profiles.sum(dim=-2) @ columns), dim=-1) / total[..., None]
    return FieldSize(centre, (total / profiles.amax(dim=(-2, -1))).sqrt())


def averaged(node: fx.Node, values: dict[fx.Node, Maps], shapes: dict[fx.Node, torch.Size], graph: nn.Module) -> Maps | None:
    """What a node of the traced graph is in one channel of an averaging network; None where that is not known."""
    sources = [source for source in node.all_input_nodes if source in shapes]
    if node.target in (operator.mul, torch.mul, "mul") and len(sources) == 2:
        larger = max(sources, key=lambda source: shapes[source].numel())
        gates = next(source for source in sources if source is not larger)
        return values.get(larger) if shapes[gates][2:] == (1, 1) else None
    if not sources or any(source not in values for source in sources):
        return None
    inputs = [values[source] for source in sources]
    if is_position_wise(node, graph):
        return joined(node, inputs, [shapes[source][1] for source in sources])
    if node.op == "call_module":
        average = averaging_module(graph.get_submodule(str(node.target)))
        return average(inputs[0]) if average else None
    return averaging_function(node, inputs[0])


def joined(node: fx.Node, inputs: list[Maps], channels: list[int]) -> Maps | None:
    """Branches of a node without a window: the only one, their sum, or the mean over the channels of a concatenation."""
    if len(inputs) == 1:
        return inputs[0]
    if any(maps.shape != inputs[0].shape for maps in inputs):
        return None
    if node.target is torch.cat:
        weighed = [count * maps for count, maps in zip(channels, inputs, strict=True)]
        return torch.stack(weighed).sum(dim=0) / sum(channels)
    return torch.stack(inputs).sum(dim=0) if node.target in (operator.add, torch.add, "add") else None


def averaging_module(module: nn.Module) -> Callable[[Maps], Maps] | None:
    """The average that stands for a module with a window; None for one that is not known."""
    match module:
        case nn.Conv2d():
            return averaging_convolution(module)
        case LocallyConnected2d():
            return lambda maps: F.avg_pool2d(F.pad(maps, module.padding), module.patches.kernel_size, 1)
        case nn.MaxPool2d() if module.dilation in (1, (1, 1)):
            return partial(
                average_pool,
                kernel_size=module.kernel_size,
                stride=module.stride,
                padding=module.padding,
                ceil_mode=module.ceil_mode,
            )
        case BlurredMaxPool():
            return lambda maps: module.blur_pool(
                average_pool(maps, 2, 1, 1)[..., 1 : even(maps.shape[2]), 1 : even(maps.shape[3])]
            )
        case nn.AdaptiveMaxPool2d():
            return lambda maps: F.adaptive_avg_pool2d(maps, module.output_size)
        case nn.AvgPool2d() | nn.AdaptiveAvgPool2d() | BlurPool():
            return module
    return None


def averaging_convolution(convolution: nn.Conv2d) -> Callable[[Maps], Maps]:
    """The average over the window of a convolution; padded zeros count, so that neurons at the border see less."""
    zeros = getattr(convolution, "static_padding", nn.Identity())  # of EfficientNet-lite
    kernel_size, stride, padding = convolution.kernel_size, convolution.stride, convolution.padding
    if isinstance(padding, str) or convolution.dilation != (1, 1):
        kernel = torch.full((1, 1, *kernel_size), 1 / math.prod(kernel_size), dtype=torch.float64)
        return lambda maps: F.conv2d(zeros(maps), kernel, None, stride, padding, convolution.dilation)
    pads = (padding[1], padding[1], padding[0], padding[0])
    return lambda maps: F.avg_pool2d(F.pad(zeros(maps), pads), kernel_size, stride)  # faster than a convolution


def averaging_function(node: fx.Node, maps: Maps) -> Maps | None:
    """The average that stands for a pooling function; None for another one."""
    arguments: dict[str, Any] = {name: value for name, value in node.kwargs.items() if name != "return_indices"}
    if node.target is F.max_pool2d:
        arguments |= zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), node.args[1:], strict=False)
        dilated = arguments.pop("dilation", 1) not in (1, (1, 1))
        return None if dilated else average_pool(maps, **arguments)
    if node.target in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        return F.adaptive_avg_pool2d(maps, *node.args[1:], **arguments)  # type: ignore[arg-type]
    return F.avg_pool2d(maps, *node.args[1:], **arguments) if node.target is F.avg_pool2d else None


def average_pool(maps: Maps, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False) -> Maps:
    """Mean where a max-pooling takes the largest: over what is there, without the padding."""
    return F.avg_pool2d(maps, kernel_size, stride, padding, ceil_mode, count_include_pad=False)


def even(number: int) -> int:
    """The number, or the next one, if it is odd."""
    return number + number % 2
