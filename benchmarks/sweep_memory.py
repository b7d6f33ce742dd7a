"""Peak memory of a sweep and of the search for flipped labels, each time in a process of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.timing import DEVICE
from workflow_scripts.diffeo.boundary import flip_norms
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, for_all
from workflow_scripts.diffeo.stability import stability_sweep

ROOT = Path(__file__).parents[1]


class Peak(NamedTuple):
    """Memory in KiB before the sweep, and the most that there was: resident, or allocated on the GPU."""

    before: int
    after: int


def peak(*, strengths: int = 1, draws: int = 1, images: int = 48, layers: int = 11, every_operation: bool) -> Peak:
    """Memory of a sweep of VGG-bn (width 0.5, one batch) of that many layers, with one thread in a process of its own."""
    size = {"strengths": strengths, "draws": draws, "images": images, "layers": layers, "every_operation": every_operation}
    command = [sys.executable, "-m", "benchmarks.sweep_memory", json.dumps(size)]
    allocator = {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | allocator, capture_output=True, text=True, check=True)
    return Peak(*json.loads(done.stdout))


def peak_so_far() -> int:
    """Most memory of this process in KiB so far."""
    if DEVICE.type == "cuda":
        return torch.cuda.max_memory_allocated() // 1024
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found  # Linux says so of every process
    return int(found[1])


def sweep(strengths: int, draws: int, images: int, layers: int, every_operation: bool) -> Peak:
    """Measure in this process."""
    torch.set_num_threads(1)
    probe = torch.randn(images, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    specification = {"architecture": f"vgg{layers}_bn", "width": 0.5}
    network = build_network(specification, input_shape=(3, 32, 32), classes=10, seed=0).to(DEVICE).eval()
    observed = ObservedNetwork(network, every_operation=every_operation)
    amounts = for_all(torch.linspace(0.01, 0.02, strengths, dtype=torch.float64, device=DEVICE), images, draws)
    moved: list[Perturbation] = [Diffeo(amounts, "bilinear", 0, 3, "disc"), Noise(100 * amounts, "gaussian", 0)]
    before = peak_so_far()
    found = stability_sweep(observed, probe, moved, torch.full((2, strengths), torch.inf), draws=draws, batch_size=images)
    flipped = found.read_out.argmax(-1) != found.reference_read_out.argmax(-1)[:, None, :, None]
    if not every_operation:
        flip_norms(observed, probe, moved, flipped, batch_size=images)
    return Peak(before, peak_so_far())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(sweep(**json.loads(sys.argv[1]))))
