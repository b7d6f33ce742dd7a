"""Make docs/benchmarks.md and its picture (`make bench`)."""

import os
import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import deformation, files, neuron_stability, plot, receptive_fields, sweep, training, workflow
from benchmarks.timing import DEVICE, Table

PICTURE = Path(__file__).parents[1] / "docs/pictures/benchmarks.svg"


class Section(NamedTuple):
    """A part of the page: its title, what is measured and how, and the measurement."""

    title: str
    about: str
    measure: Callable[[], Table]


SECTIONS = (
    Section(
        "Deformation of a batch",
        f"""Time of deforming {deformation.IMAGES} images of {deformation.SIDE} × {deformation.SIDE} × 3 in float32
(coefficients drawn, fields laid out, images warped) one by one, with numpy and as the formulas read (fields mode by
mode; weights of neighbours; for the gaussian the weights of all pairs of pixels), over that of the batch.
Targets are judged with both in float32; the other ratio has the one by one in numpy's own float64. The gaussian of the
batch weighs 36 pixels where the one by one weighs all 1024: that alone makes 28, two sums of six and the second core the
rest. For 100 it would have to cost three times a bilinear one, which reads 4 pixels.""",
        deformation.measure,
    ),
    Section(
        "A sweep over bare forward passes",
        f"""Time of a stability sweep (deformations or noise drawn and applied, differences reduced) over that of the same
number of forward passes alone, of the same network in channels-last order: 6 strengths, 2 draws, images of
{sweep.SIDE} × {sweep.SIDE} × 3 in float32. A gaussian deformation weighs 36 pixels for each of its own, which is work
comparable to a forward pass of the narrow network, and little beside one of the full network.""",
        sweep.measure,
    ),
    Section(
        "A sweep by its size",
        """The same for bilinear deformations and VGG-bn × 0.25 (50 images, 6 strengths, 2 draws, 11 layers if not said
otherwise). Peak memory is that of a process of its own with VGG-bn × 0.5, 48 images in one batch, one strength and
one draw if not said otherwise. It must stay within 5 % in strengths and draws; with images and layers it grows,
since the activations of the reference images stay.""",
        sweep.measure_series,
    ),
    Section(
        "An epoch of training",
        """Time of an epoch as the workflow trains (images gathered, normalised, forward, backward, optimiser, schedule) over
that of forward, backward and optimiser on float batches that lie ready, and over forward and backward alone: AdamW,
batches of 128 images of 28 × 28.""",
        training.measure,
    ),
    Section(
        "Receptive fields over one-pixel images",
        f"""Time of one-pixel images through VGG11 with constant weights (full width, 32 × 32 × 3, float64, batches of
{receptive_fields.BATCH}) over that of gradients of one channel, which give the same contribution profiles of all
convolutions and poolings. They must be equal to 1e-6. Both on the CPU.""",
        receptive_fields.measure,
    ),
    Section(
        "Stability of neurons over one forward pass for everything",
        f"""Time of one full forward pass for each neuron, transform and patch (measured for a few neurons of each layer and
scaled to all) over that of all neurons at once: α after the ReLUs of VGG11-bn (full width, images of
{neuron_stability.SIZE} × {neuron_stability.SIZE} × 3), all layers, four transforms, 16 images in float32.
Differences of α are relative to α or, where that is larger, to the layer's ⟨[a(x) − a(z)]²⟩; of random patches they
must stay below 1e-5. Both on the CPU.""",
        neuron_stability.measure,
    ),
    Section(
        "Files",
        """Time of writing and reading a stability file of the default experiment (two perturbations, five strengths, all
operations of VGG11-bn, 500 samples; random numbers) with the project's writer, which compresses, notes the
provenance and writes atomically, over that of xarray's `to_netcdf` and `load_dataset`. No target is set.""",
        files.measure,
    ),
    Section(
        "The plan of the largest experiment",
        "`snakemake --dry-run` of [slides.yaml](../configs/slides.yaml), whole and with part of the seeds.",
        workflow.measure_plan,
    ),
    Section(
        "Starting",
        "Before any work is done (median of three, after a first).",
        workflow.measure_starts,
    ),
)


def machine() -> str:
    """What the times were taken on, and when."""
    card = f"GPU {torch.cuda.get_device_name()}" if DEVICE.type == "cuda" else "no GPU"
    threads = f"{torch.get_num_threads()} threads"
    return f"{platform.machine()}, {threads}, {card}, torch {torch.__version__}, {date.today().isoformat()}"


def page(picture: Path, sections: tuple[Section, ...] = SECTIONS) -> str:
    """The page with all tables, measured now on this machine; its picture is written beside."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tables = [section.measure() for section in sections]
    judged = [each for table in tables for each in table.judged]
    missed = [
        f"- {each.name}: {f'{each.value:.3g} {each.unit}'.rstrip()} ({each.cells.replace(' |', ',')})"
        for each in judged
        if not each.met
    ]
    plot.save(plot.draw(judged, [growth for table in tables for growth in table.growths]), picture)
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; every ratio is one of two times measured one after the other in one process, the median of",
        "several such pairs; the time of a short call is that of the calls after a first one, which finds the caches cold.",
        f"Machine: {machine()}.",
        "",
        "![Ratios beside their targets; growth of times with size](pictures/benchmarks.svg)",
        "",
        f"Of {len(judged)} targets {len(judged) - len(missed)} are met{'; missed:' if missed else '.'}",
        "",
        *missed,
        *([""] if missed else []),
    ]
    for section, table in zip(sections, tables, strict=True):
        lines += [f"## {section.title}", "", section.about, "", *table.text, ""]
    return "\n".join(lines[:-1]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(PICTURE))
