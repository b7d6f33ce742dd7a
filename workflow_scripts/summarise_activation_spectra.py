"""Reduce the spectra of the activations of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

from workflow_scripts.diffeo.activation_averages import activation_statistics
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import run_table


def main(activation_spectra: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the averages of every checkpoint; `architectures` maps names of networks."""
    table = run_table(activation_spectra, activation_statistics, architectures, text=("layer_name", "operation"))
    write_dataset(table, summary, title="Activations of all checkpoints", configuration={"networks": architectures})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
