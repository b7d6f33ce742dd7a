"""A device that answers to the name of CUDA and computes on the CPU: what would fail or wait on a GPU is found on any machine.

Tensors of the device hold a CPU tensor. Inside `pretend_cuda()` every operation runs on the CPU, so that its numbers are those of
the CPU to the last bit, after the checks that CUDA would make: operands on one device (but for single numbers), no products of
matrices of integers, no NumPy. What makes the host wait for the device is counted by the line of the project that asked for it:
copies from one to the other, and numbers or shapes that depend on values. What it cannot show is anything about speed, rounding,
and operations that CUDA lacks for other reasons.
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map_only

CUDA = torch.device("cuda", 0)
PROJECT = Path(__file__).parents[1] / "workflow_scripts"
aten = torch.ops.aten
COPIES = (aten._to_copy, aten.copy_)
INDEXING = (aten.index, aten.index_put, aten.index_put_)
MATRIX_PRODUCTS = (aten.mm, aten.bmm, aten.addmm, aten.mv, aten.dot, aten.baddbmm)
WAITING = (aten._local_scalar_dense, aten.nonzero, aten.equal, aten._unique2, aten.unique_dim, aten.masked_select, aten.bincount)


class CudaTensor(Tensor):
    """A tensor that says that it is on `CUDA` and holds its numbers on the CPU."""

    value: Tensor

    @staticmethod
    def __new__(cls, value: Tensor) -> "CudaTensor":
        return Tensor._make_wrapper_subclass(  # type: ignore[attr-defined, no-any-return]
            cls, value.shape, value.stride(), value.storage_offset(), dtype=value.dtype, device="meta"
        )

    def __init__(self, value: Tensor) -> None:
        self.value = value

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """What Python code sees. Torch's own code takes the tensor for one of the device `meta`, which needs no driver.

        So inside `pretend_cuda()` what asks for the device `meta` gets the pretended one.
        """
        return CUDA

    def new_tensor(self, data: Any) -> Tensor:  # type: ignore[override]
        """A tensor of the same type, copied to the device."""
        return torch.tensor(data, dtype=self.dtype).to(CUDA)

    def tolist(self) -> Any:
        """Numbers of the tensor, for which torch has no operation."""
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError("a tensor of the pretended device is used outside of pretend_cuda()")


class PretendCuda(TorchDispatchMode):
    """Runs operations on the pretended device.

    Attributes:
        waits: how often each line of the project waited for the device, and by which operation.
        memory: largest number of elements of a new tensor for which there is memory; copies from the CPU always fit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self.memory = float("inf")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
        pretended = [tensor for tensor in tensors if isinstance(tensor, CudaTensor)]
        target = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
        if func.overloadpacket is aten.scalar_tensor:  # an operand that torch makes of a Python number
            kwargs["device"] = torch.device("cpu")
            return func(*args, **kwargs)
        if not pretended and (target is None or target.type == "cpu"):
            return func(*args, **kwargs)
        to_cuda = target is None or target.type != "cpu"  # `meta` stands for the device, see `CudaTensor.device`
        packet = func.overloadpacket
        if pretended:
            check_operands(func, args, tensors)
        if waits(packet, args, tensors, to_cuda=to_cuda):
            self.waits[f"{line_of_project()} ({packet})"] += 1
        if target is not None:
            kwargs["device"] = torch.device("cpu")
        values = tree_map_only(CudaTensor, lambda tensor: tensor.value, (args, kwargs))
        result = func(*values[0], **values[1])
        if packet is aten.copy_:
            return args[0]
        if not to_cuda:
            return result
        self._allocate(packet, result, values)
        wrapped = tree_map_only(Tensor, CudaTensor, result)
        return return_and_correct_aliasing(func, args, kwargs, wrapped) if pretended else wrapped

    def _allocate(self, packet: Any, result: Any, values: Any) -> None:
        """Raises torch.OutOfMemoryError if there is no memory for a result that is neither a view nor a copy."""
        known = {leaf.data_ptr() for leaf in tree_flatten(values)[0] if isinstance(leaf, Tensor)}
        new = isinstance(result, Tensor) and packet not in COPIES and result.data_ptr() not in known
        if new and result.numel() > self.memory:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {result.numel()} numbers")


def check_operands(func: Any, args: Any, tensors: list[Tensor]) -> None:
    """What CUDA refuses.

    Raises:
        RuntimeError: operands on two devices, or a product of matrices of integers.
    """
    packet = func.overloadpacket
    if packet in MATRIX_PRODUCTS and not tensors[0].is_floating_point():
        raise RuntimeError(f"{func} is not implemented on CUDA for {tensors[0].dtype}")
    elsewhere = any(tensor.ndim for tensor in tensors if not isinstance(tensor, CudaTensor))
    indexed_there = packet in INDEXING and isinstance(args[0], CudaTensor)  # indices may be on the CPU
    if elsewhere and packet not in COPIES and not indexed_there:
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, but found cuda:0 and cpu")


def waits(packet: Any, args: Any, tensors: list[Tensor], *, to_cuda: bool) -> bool:
    """Whether the host has to wait for the device before it goes on."""
    if packet in INDEXING:
        indices = [index for index in args[1] if isinstance(index, Tensor)]
        return any(index.dtype in (torch.bool, torch.uint8) or not isinstance(index, CudaTensor) for index in indices)
    on_cuda = {isinstance(tensor, CudaTensor) for tensor in tensors}
    return packet in WAITING or (packet in COPIES and on_cuda | {to_cuda} == {True, False})


def line_of_project() -> str:
    """The innermost line of the project that is running; empty if there is none."""
    frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(str(PROJECT))]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""


GPU = {
    "get_rng_state": lambda device: torch.get_rng_state(),
    "set_rng_state": lambda state, device: torch.set_rng_state(state),
    "_initialized": True,  # or torch looks for a driver
}


@contextmanager
def pretend_cuda() -> Iterator[PretendCuda]:
    """Run the block on a machine that seems to have a GPU."""
    torch._C._ensureCUDADeviceGuardSet()
    with (
        patch.multiple(torch.cuda, **GPU),
        patch.object(torch, "inference_mode", torch.no_grad),  # which such tensors do not know
        torch.backends.cudnn.flags(enabled=False),  # operations by their common names
        PretendCuda() as mode,
    ):
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") is a copy from the CPU
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # a parameter cannot change its class
        try:
            yield mode
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
            torch._C._set_only_lift_cpu_tensors(False)


@contextmanager
def deterministic_as_before() -> Iterator[None]:
    """Undo what `prepare_torch` sets for a GPU."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
