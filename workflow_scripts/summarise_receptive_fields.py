"""Reduce the receptive fields of all networks and runs to one tidy dataset, one row per checkpoint."""

from pathlib import Path

import numpy as np
import xarray as xr

from workflow_scripts.diffeo.receptive_field_averages import field_statistics
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset, write_dataset
from workflow_scripts.support.tables import run_table

STRUCTURE = {"box_size": "pixel", "box_share": "1", "map_size": "1", "effective_size": "pixel"}
OF_PROFILE = {"effective_size": "profile_size"}  # beside the effective sizes of the networks themselves


def main(receptive_fields: list[Path], effective_fields: list[Path], summary: Path, architectures: dict[str, str]) -> None:
    """Write the fields of every checkpoint; `architectures` maps names of networks."""
    table = run_table(effective_fields, field_statistics, architectures, text=("layer_name",))
    if table.sizes["checkpoint"]:
        table = table.assign(structure(table, [read_dataset(path) for path in receptive_fields]))
    write_dataset(table, summary, title="Receptive fields of all checkpoints", configuration={"networks": architectures})


def structure(table: xr.Dataset, networks: list[xr.Dataset]) -> dict[str, xr.Variable]:
    """What the network alone says of each convolution (checkpoint, layer): the box along rows, and the contribution profile."""
    known = {(each.dataset.item(), each.network.item()): each.squeeze(("dataset", "network"), drop=True) for each in networks}
    rows = [known[pair].reindex(layer=table.layer) for pair in zip(table.dataset.values, table.network.values, strict=True)]
    found = {}
    for name, unit in STRUCTURE.items():
        values = np.stack([row[name].isel(axis=0, missing_dims="ignore").values.astype(float) for row in rows])
        meaning = rows[0][name].attrs["long_name"]
        kept = np.where(table.layer_name == "", np.nan, values)
        found[OF_PROFILE.get(name, name)] = variable(("checkpoint", "layer"), kept, meaning, unit)
    return found


if "snakemake" in globals():
    run(main, globals()["snakemake"])
