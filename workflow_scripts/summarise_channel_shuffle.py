"""Reduce the stabilities of shuffled networks of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

from workflow_scripts.diffeo.shuffle_averages import shuffle_statistics
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import run_table


def main(channel_shuffle: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the averages of every checkpoint; `architectures` maps names of networks."""
    table = run_table(channel_shuffle, shuffle_statistics, architectures, text=("layer_name", "operation", "convolution_name"))
    write_dataset(table, summary, title="Shuffled channels, all checkpoints", configuration={"networks": architectures})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
