"""Reduce the predictor files of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

from workflow_scripts.diffeo.predictor import predictor_statistics
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import checkpoint_table


def main(predictor: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the curves of every checkpoint and what is read off them; `architectures` maps names of networks."""
    table = checkpoint_table(predictor, lambda measured, labels: predictor_statistics(measured), architectures)
    write_dataset(table, summary, title="The predictor around the images", configuration={"networks": architectures})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
