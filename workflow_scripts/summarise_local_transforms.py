"""Reduce the neurons' stability to local transforms of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

from workflow_scripts.diffeo.neuron_averages import neuron_statistics
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import run_table


def main(local_transforms: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the averages of every checkpoint; `architectures` maps names of networks."""
    table = run_table(local_transforms, neuron_statistics, architectures, text=("layer_name", "operation"))
    title = "Stability of neurons to local transforms, all checkpoints"
    write_dataset(table, summary, title=title, configuration={"networks": architectures})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
