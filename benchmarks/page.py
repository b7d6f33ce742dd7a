"""Make docs/benchmarks.md (`make bench`)."""

import os
import platform
import sys
from datetime import date

import torch

from benchmarks import neuron_stability, receptive_fields, sweep, workflow


def page() -> str:
    """The page with all tables, measured now on this machine."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {date.today().isoformat()}"
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; every ratio is one of two times measured one after the other in one process, the median of",
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
        "",
        "## Stability of neurons over one forward pass for everything",
        "",
        "Time of one full forward pass for each neuron, transform and patch (measured for a few neurons of each layer and scaled",
        "to all) over that of all neurons at once: α after the ReLUs of VGG11-bn (full width, images of "
        f"{neuron_stability.SIZE} × {neuron_stability.SIZE} × 3),",
        "all layers, four transforms, 16 images in float32. Differences of α are relative to α or,",
        "where that is larger, to the layer's ⟨[a(x) − a(z)]²⟩.",
        "Target for random patches: 100, equal to 1e-5.",
        "",
        *neuron_stability.table(),
        "",
        "## The plan of the largest experiment",
        "",
        "`snakemake --dry-run` of [slides.yaml](../configs/slides.yaml), whole and with part of the seeds. Target: 60 s, 2 GiB.",
        "",
        *workflow.plan_table(),
        "",
        "## Starting",
        "",
        "Before any work is done (median of three, after a first). Targets: 3 s to the first tensor operation, 1.5 s for scripts",
        "that reduce or draw, 5 s for a run with nothing to do.",
        "",
        *workflow.start_table(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
