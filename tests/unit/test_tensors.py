"""Torch set up for measurements, and data files as tensors."""

import os

import pytest
import torch

from tests.pretend_cuda import deterministic_as_before
from workflow_scripts.support.tensors import prepare_torch


@pytest.fixture
def torch_as_before(monkeypatch: pytest.MonkeyPatch):
    """Undo what `prepare_torch` sets."""
    threads = torch.get_num_threads()
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")  # so that it is undone
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with deterministic_as_before():
        yield
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = flags


@pytest.mark.usefixtures("torch_as_before")
def test_measurements_on_a_gpu_are_in_full_precision_and_deterministic() -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    prepare_torch(1, "cuda")
    assert torch.get_num_threads() == 1
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cudnn.benchmark
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"  # without it products of matrices are not


@pytest.mark.usefixtures("torch_as_before")
def test_the_cpu_needs_no_more_than_threads() -> None:
    prepare_torch(2, "cpu")
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
