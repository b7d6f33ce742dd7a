"""Peak memory of a sweep does not grow with strengths or draws: measured in processes of their own."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SWEEP = """
import re, sys
from pathlib import Path
import torch
from workflow_scripts.diffeo.boundary import flip_norms
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, for_all
from workflow_scripts.diffeo.stability import stability_sweep

strengths, draws, every = map(int, sys.argv[1:])
torch.set_num_threads(1)
images = torch.randn(48, 3, 32, 32, generator=torch.Generator().manual_seed(0))
network = build_network({"architecture": "vgg11_bn", "width": 0.5}, input_shape=(3, 32, 32), classes=10, seed=0).eval()
observed = ObservedNetwork(network, every_operation=bool(every))
amounts = for_all(torch.linspace(0.01, 0.02, strengths, dtype=torch.float64), 48, draws)
moved = [Diffeo(amounts, "bilinear", 0, 3, "disc"), Noise(100 * amounts, "gaussian", 0)]


def peak():
    return re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]


before = peak()
sweep = stability_sweep(observed, images, moved, torch.full((2, strengths), torch.inf), draws=draws, batch_size=48)
flipped = sweep.read_out.argmax(-1) != sweep.reference_read_out.argmax(-1)[:, None, :, None]
if not every:
    flip_norms(observed, images, moved, flipped, batch_size=48)
print(before, peak())
"""


def peak(strengths: int, draws: int, every: int) -> tuple[int, int]:
    """Resident memory in KiB before the sweep, and its peak."""
    command = [sys.executable, "-c", SWEEP, *map(str, (strengths, draws, every))]
    allocator = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | allocator, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    return before, after


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read in the unit that Linux gives it in")
@pytest.mark.parametrize("every", [0, 1], ids=["outputs", "every_operation"])
def test_peak_memory_is_that_of_one_strength_and_one_draw(every: int) -> None:
    before, few = peak(1, 1, every)
    _, many = peak(8, 4, every)
    assert few - before > 20_000  # a sweep takes memory that can be seen
    assert many < 1.05 * few
