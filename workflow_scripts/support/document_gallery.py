"""Make docs/gallery.md and its pictures from finished results (`make gallery`)."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import xarray as xr
from PIL import Image

from workflow_scripts.support.atomic import atomic_path
from workflow_scripts.support.netcdf import read_dataset

COLOURS = 128  # of the palette of a picture
# Figures by name, as they follow each other on the page, with what to see in them.
DEFAULT = {
    "samples_fashion_mnist": "Smooth deformations of one image.",
    "stability_bars": "R_f at initialisation (shaded) and after training (full).",
    "depth": "R after each operation against depth.",
    "operations": "Deformations, noise and their ratio after each operation.",
    "noise_stability": "G/r² against r: the linear regime, its edge and the bump.",
    "misclassification": "The bump is where labels begin to change.",
    "filter_spectra_fashion_mnist": "What training does to the spectra of the filters.",
    "first_layers_fashion_mnist": "Filters of first layers, initial and trained.",
    "activation_spectra": "Power spectra of the activations.",
    "channel_shuffle": "Stability when channels are shuffled: what is left is spatial pooling.",
    "local_models": "Simple local models against their number of channels, filter size and pooling.",
    "antialiasing": "The control: anti-aliased pooling.",
    "field_parts": "A displacement field in local parts.",
    "receptive_field": "What neurons see: boxes, contribution profiles, gradients.",
    "neuron_stability_normalised_displacement": "Stability of neurons to local transforms of equal displacement.",
}
RELATION = {
    "error_against_stability": "Test error against R, D and G.",
    "learning_curves": "R and the test error against the size of the training set.",
}
HEAD = """\
# Gallery

Figures and verdicts of real runs, made by one command (`make gallery`: it runs what is stale, and writes this page):
{machine}. Commit of the results: {commit}.

On one machine a run gives the same numbers each time. On another processor, or with another number of threads, sums are rounded
differently, and training makes other networks of that, as another seed does: numbers of trained networks then move, by more than
their standard error where only one seed was trained.

## The default experiment

`snakemake --cores all`, [config.yaml](../config.yaml).
"""
SECOND = """
## A run on the test error

`snakemake --cores all --configfile configs/error_relation.yaml`, [error_relation.yaml](../configs/error_relation.yaml).
"""


def main(default: Path, relation: Path, pictures: Path) -> None:
    """Write the pictures and print the page, from the folders of results of config.yaml and configs/error_relation.yaml."""
    commit = read_dataset(default / "summary.nc").attrs["git_commit"]
    parts = [HEAD.format(machine=machine(), commit=commit), *section(default, DEFAULT, pictures)]
    parts += [SECOND, *section(relation, RELATION, pictures)]
    print("\n".join(parts))


def machine() -> str:
    """Processor, cores and version of Python of this machine."""
    models = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return (
        f"{models[0] if models else platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}"
    )


def section(results: Path, figures: Mapping[str, str], pictures: Path) -> Iterator[str]:
    """Lines with the figures of one experiment, whose pictures are copied, and with the verdicts on the claims."""
    for name, caption in figures.items():
        copy_picture(results / "figures" / f"{name}.png", pictures / f"{name}.png")
        yield f"**{caption}**\n\n![{caption}]({pictures.name}/{name}.png)\n"
    yield "What was measured says of the claims of the slides:\n"
    yield "| claim | log10 of the measured number | verdict |\n|---|---|---|"
    yield from verdicts(read_dataset(results / "claims.nc"))


def verdicts(claims: xr.Dataset) -> Iterator[str]:
    """A row for each claim with a measured value."""
    measured = claims.isel(claim=claims.value.notnull().values)
    for name in measured.claim:
        claim = measured.sel(claim=name)
        number = f"{claim.value.item():.3f} ± {claim.standard_error.item():.3f}".replace("-", "−")
        yield f"| {claim.statement.item()} | {number} | **{claim.verdict.item()}** |"


def copy_picture(source: Path, target: Path) -> None:
    """Copy a figure with a palette of colours, which makes it a third as large."""
    with Image.open(source) as figure, atomic_path(target) as partial:
        figure.convert("RGB").quantize(COLOURS).save(partial, format="png", optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
