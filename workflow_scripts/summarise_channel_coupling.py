"""Reduce the coupling of rotated neurons of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

from workflow_scripts.diffeo.coupling_averages import coupling_statistics
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import run_table


def main(channel_coupling: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the averages of every checkpoint; `architectures` maps names of networks."""
    table = run_table(channel_coupling, coupling_statistics, architectures, text=("layer_name", "layer_before"))
    write_dataset(table, summary, title="Coupling of rotated neurons, all checkpoints", configuration={"networks": architectures})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
