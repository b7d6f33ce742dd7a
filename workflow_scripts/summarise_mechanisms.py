"""Reduce the filter spectra of all runs to one tidy dataset, one row per checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from workflow_scripts.diffeo.variables import described
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import checkpoint_table

LAYER_COORDINATES = {
    "layer_name": "name of the convolution inside the network; empty where a network has fewer",
    "kernel_size": "pixels along an edge of its filters",
    "relative_depth": "its depth, 0 at the first convolution and 1 at the last",
}
STATISTICS = ("ratio", "eigenspace_ratio", "low_pass", "pooling")


def main(filter_spectra: list[Path], mechanisms: Path, architectures: dict[str, str]) -> None:
    """Write what training did to the filters of every checkpoint; `architectures` maps names of networks."""
    table = checkpoint_table(filter_spectra, filter_row, architectures)
    table = table.assign(layer_name=table.layer_name.fillna(""))
    write_dataset(table, mechanisms, title="Mechanisms: filters", configuration={"networks": architectures})


def filter_row(measured: xr.Dataset, labels: Mapping[str, Any]) -> xr.Dataset:
    """The changes of one checkpoint's filters, and what its layers are."""
    names = [name for statistic in STATISTICS for name in (statistic, f"{statistic}_standard_error")]
    row = (
        measured[names]
        .drop_attrs(deep=False)
        .rename({name: f"filter_{name}" for name in names})
        .drop_vars(["filters", *LAYER_COORDINATES])
    )
    row["eigenvalue"] = measured.eigenvalue.variable
    for name, long_name in LAYER_COORDINATES.items():
        row[name] = described(measured[name].variable, long_name, "pixel" if name == "kernel_size" else "1")
    return row


if "snakemake" in globals():
    run(main, globals()["snakemake"])
