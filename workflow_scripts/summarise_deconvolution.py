"""Reduce the deconvolution of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

from workflow_scripts.diffeo.deconvolution_averages import PICTURES, deconvolution_statistics
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import run_table


def main(deconvolution: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the averages over the channels of every layer; `architectures` maps names of networks."""
    table = run_table(deconvolution, deconvolution_statistics, architectures, text=("layer_name",), unread=PICTURES)
    write_dataset(table, summary, title="Deconvolution: averages over channels", configuration={"networks": architectures})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
