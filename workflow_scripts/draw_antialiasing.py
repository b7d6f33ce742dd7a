"""Draw D, G and R after each operation of trained networks that blur before they subsample, and of the same without."""

from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from workflow_scripts.diffeo.configured_pairs import BLUR, alike
from workflow_scripts.diffeo.network_options import by_blur
from workflow_scripts.diffeo.run_averages import at_strength, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.operation_panels import FIRST, SECOND, Column, operation_figure
from workflow_scripts.support.plotting import label, note_figure, save_figure


def main(summary: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Draw at the displacement and interpolation of `settings`."""
    save_figure(draw(read_dataset(summary), settings), svg, png)


def draw(summary: xr.Dataset, settings: dict[str, Any]) -> Figure:
    """Rows D, G, R and a column for each data set and network with a partner."""
    blurred, plain = alike(*by_blur(trained(at_strength(summary, **settings))), BLUR)
    names = list(zip(plain.dataset.values.tolist(), plain.network.values.tolist(), strict=True))
    if not names:
        return note_figure("No network was trained both with and without anti-aliasing.")
    columns = []
    for name in dict.fromkeys(names):
        rows = [row for row, other in enumerate(names) if other == name]
        title = f"{label(name[1])}\n{label(name[0])}"
        columns.append(Column(title, plain.isel(checkpoint=rows), blurred.isel(checkpoint=rows)))
    return operation_figure(columns, {"as it is": FIRST, "anti-aliased": SECOND})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
