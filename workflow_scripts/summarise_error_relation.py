"""Relate the test error of all trained networks to their stability: points, fits, correlations and learning curves."""

from pathlib import Path
from typing import Any

from workflow_scripts.diffeo.error_relation import error_relation
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset, write_dataset


def main(summary: Path, relation: Path, settings: dict[str, Any], collections: dict[str, str]) -> None:
    """Write the relation at the displacement and interpolation of `settings`; `collections` says what each data set is."""
    found = error_relation(read_dataset(summary), settings, collections)
    configuration = {"summary": settings, "collections": collections}
    write_dataset(found, relation, title="Test error and stability of the trained networks", configuration=configuration)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
