"""Make docs/benchmarks.md (`make bench`)."""

import os
import platform
import sys
from datetime import date

import torch

from benchmarks import receptive_fields, sweep


def page() -> str:
    """The page with all tables, measured now on this machine."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today().isoformat()}"
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; every figure is a ratio of two times measured one after the other in one process, the median of",
        f"several such pairs. Machine: {machine}.",
        "",
        "## A sweep over bare forward passes",
        "",
        "Time of a stability sweep (deformations or noise drawn and applied, differences reduced) over that of the",
        f"same number of forward passes alone, of the same network in channels-last order: {sweep.STRENGTHS} strengths,",
        f"{sweep.DRAWS} draws, images of {sweep.SIZE} × {sweep.SIZE} × 3 in float32. Targets (bilinear, noise):",
        "1.2 (outputs) and 2.0 (every operation) at width 0.25; 1.1 and 1.5 at full width.",
        "",
        *sweep.table(),
        "",
        "## Receptive fields over one-pixel images",
        "",
        "Time of one-pixel images through VGG11 with constant weights (full width, 32 × 32 × 3, float64, batches of",
        f"{receptive_fields.BATCH}) over that of gradients of one channel, which give the same contribution profiles of all",
        "convolutions and poolings. Target: 20, equal to 1e-6.",
        "",
        *receptive_fields.table(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
