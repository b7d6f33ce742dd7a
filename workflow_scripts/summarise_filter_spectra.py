"""Reduce the filter spectra of all runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

import xarray as xr

from workflow_scripts.diffeo.gabor_averages import gabor_averages
from workflow_scripts.diffeo.variables import described
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.tables import run_table

LAYER_COORDINATES = {
    "layer_name": "name of the convolution inside the network; empty where a network has fewer",
    "kernel_size": "pixels along an edge of its filters",
    "relative_depth": "its depth, 0 at the first convolution and 1 at the last",
}
STATISTICS = ("ratio", "eigenspace_ratio", "low_pass", "pooling")


def main(filter_spectra: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write what training did to the filters of every checkpoint; `architectures` maps names of networks."""
    table = run_table(filter_spectra, changes, architectures, text=("layer_name",))
    write_dataset(table, summary, title="Filters of all checkpoints", configuration={"networks": architectures})


def changes(measured: xr.Dataset) -> xr.Dataset:
    """The changes of one run's filters, what its layers are, and how well Gabor functions fit those of the first."""
    names = [name for statistic in STATISTICS for name in (statistic, f"{statistic}_standard_error")]
    kept = measured[names].drop_attrs(deep=False).drop_vars(["filters", *LAYER_COORDINATES])
    kept["eigenvalue"] = measured.eigenvalue.variable
    for name, long_name in LAYER_COORDINATES.items():
        kept[name] = described(measured[name].variable, long_name, "pixel" if name == "kernel_size" else "1")
    return kept.assign(gabor_averages(measured))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
