"""Work in batches: cut in half where memory does not suffice, whatever runs out of it."""

import logging
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from tests.conftest import ROOT
from workflow_scripts.diffeo.batches import in_batches, number_that_fits


def out_of_memory_above(limit: int, seen: list[int]) -> object:
    """Work that takes no more than `limit` items, and notes how many it was given."""

    def work(batch: Tensor) -> list[int]:
        seen.append(len(batch))
        if len(batch) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return batch.tolist()

    return work


@pytest.mark.parametrize(
    ("memory_mb", "bytes_each", "at_most", "expected"),
    [(1, 1024, 2000, 1024), (1, 1024, 100, 100), (1, 2**21, 100, 1), (3, 2**20 * 0.75, 100, 4), (0, 8, 100, 1)],
)
def test_as_many_fit_as_the_memory_holds(memory_mb: int, bytes_each: float, at_most: int, expected: int) -> None:
    assert number_that_fits(memory_mb, bytes_each, at_most) == expected


def test_all_items_in_order_and_one_step_of_progress_for_each_batch() -> None:
    steps = []

    def progress(batches):
        for batch in batches:
            steps.append(len(batch))
            yield batch

    assert list(in_batches(lambda batch: batch.tolist(), torch.arange(7), 3, progress=progress)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert steps == [3, 3, 1]


def test_nothing_is_one_batch_of_nothing() -> None:
    assert list(in_batches(len, torch.arange(0), 3)) == [0]


def test_batches_are_halved_where_memory_does_not_suffice_and_stay_so(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    with caplog.at_level(logging.WARNING):
        found = list(in_batches(out_of_memory_above(3, seen), torch.arange(20), 10))
    assert seen == [10, 5, 3, 3, 3, 1, 3, 3, 3, 1]
    assert [item for batch in found for item in batch] == list(range(20))
    assert [record.getMessage() for record in caplog.records] == [
        "out of memory with a batch of 10: going on with batches of 5",
        "out of memory with a batch of 5: going on with batches of 3",
    ]


def test_one_item_that_does_not_fit_is_an_error() -> None:
    seen: list[int] = []
    with pytest.raises(torch.OutOfMemoryError, match=r"Tried to allocate 20\.00 GiB"):
        list(in_batches(out_of_memory_above(0, seen), torch.arange(4), 4))
    assert seen == [4, 2, 1]


def test_no_batch_is_smaller_than_the_smallest() -> None:
    seen: list[int] = []
    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(out_of_memory_above(2, seen), torch.arange(8), 8, smallest=3))
    assert seen == [8, 4, 3]


def test_other_errors_are_not_taken_for_it() -> None:
    def work(batch: Tensor) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(in_batches(work, torch.arange(4), 4))


@pytest.mark.parametrize(
    "message", ["cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"]
)
def test_libraries_of_a_gpu_run_out_of_memory_too(message: str) -> None:
    def work(batch: Tensor) -> int:
        if len(batch) > 1:
            raise RuntimeError(message)
        return len(batch)

    assert list(in_batches(work, torch.arange(4), 4)) == [1, 1, 1, 1]


LIMITED = """
import resource, torch
from pathlib import Path
from workflow_scripts.diffeo.batches import in_batches
torch.set_num_threads(1)
def work(batch):
    return torch.ones(len(batch), 2**20).sum(dim=1).mean().item()
work(torch.arange(1))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
print(*in_batches(work, torch.arange(256), 256))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the memory of a process in this way")
def test_memory_of_a_cpu_that_is_really_too_small() -> None:
    """256 rows of 4 MiB within 256 MiB."""
    done = subprocess.run([sys.executable, "-c", LIMITED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "out of memory with a batch of 256: going on with batches of 128" in done.stderr
    sums = [float(number) for number in done.stdout.split()]
    assert len(sums) >= 4
    assert set(sums) == {2.0**20}
