"""How many items go through a device at once, and what to do where that was too many."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")
Progress = Callable[[Iterable[Tensor]], Iterable[Tensor]]
"""Wraps an iterable of batches, for a progress bar."""

logger = logging.getLogger(__name__)


def number_that_fits(memory_mb: int, bytes_each: float, at_most: int) -> int:
    """How many items of `bytes_each` bytes fit in `memory_mb` MiB: at least 1 and no more than `at_most`."""
    return max(1, min(at_most, int(memory_mb * 2**20 / bytes_each)))


def in_batches(
    work: Callable[[Tensor], Result], items: Tensor, size: int, *, smallest: int = 1, progress: Progress = iter
) -> Iterator[Result]:
    """Yield what `work` makes of consecutive batches of items; where memory does not suffice, of halves of a batch from then on.

    Args:
        work: takes a batch; called again with a part of it after it ran out of memory, so it must not have added to anything.
        items: their indices (N,), or the items along the first dimension.
        size: of a batch.
        smallest: batches are not cut to fewer items.
        progress: wraps the iterable of batches, for a progress bar.

    Raises:
        RuntimeError: the memory does not suffice for the smallest batch.
    """
    for batch in progress(torch.split(items, size)):
        parts = list(torch.split(batch, size))
        while parts:
            results = _attempt(work, parts[0], smallest)
            if results:
                yield results[0]
                parts = parts[1:]
            else:
                size = max(smallest, (len(parts[0]) + 1) // 2)
                logger.warning("out of memory with a batch of %d: going on with batches of %d", len(parts[0]), size)
                parts = list(torch.split(torch.cat(parts), size))


def _attempt(work: Callable[[Tensor], Result], batch: Tensor, smallest: int) -> list[Result]:
    """What `work` makes of a batch, alone in a list, which is empty if memory does not suffice and the batch may be smaller."""
    try:
        return [work(batch)]
    except RuntimeError as error:
        if len(batch) <= smallest or not is_out_of_memory(error):
            raise
    torch.cuda.empty_cache()  # here, where the error no longer holds on to tensors; does nothing where there is no GPU
    return []


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error of torch means that memory did not suffice: on a GPU, in its libraries, or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error) for words in ("ALLOC_FAILED", "can't allocate memory")
    )
