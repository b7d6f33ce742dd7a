"""Draw the filters of the first convolution of one data set's networks, at initialisation and trained."""

from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from workflow_scripts.support.filter_panels import ENDS, first_layers, mosaic, pictures
from workflow_scripts.support.jobs import run
from workflow_scripts.support.plotting import PAGE_WIDTH, label, note_figure, panels, save_figure

TITLE = 0.25  # inches above a panel


def main(filter_spectra: list[Path], svg: Path, png: Path, architectures: dict[str, str]) -> None:
    """Draw one run of each network of a data set; `architectures` maps names of networks."""
    save_figure(draw(first_layers(filter_spectra, architectures)), svg, png)


def draw(layers: dict[tuple[str, str], xr.Dataset]) -> Figure:
    """A row for each network: on the left its filters at the first epoch, on the right at the last."""
    if not layers:
        return note_figure("No first layer has filters of several pixels.")
    heights = [height(layer) for layer in layers.values()]
    ratios = {"height_ratios": heights}
    figure, grid = panels(len(layers), 2, row_height=sum(heights) / len(layers) + TITLE, gridspec_kw=ratios)
    for axes, ((dataset, network), layer) in zip(grid, layers.items(), strict=True):
        size = layer.sizes["row"]
        for axis, filters, state in zip(axes, layer.first_layer_filters.values, ENDS, strict=True):
            mosaic(axis, pictures(filters.astype(float)), columns_of(size))
            axis.set_title(f"{label(network)}, {label(dataset)}, {state}", pad=3)
            axis.set_anchor("NW")
    return figure


def columns_of(size: int) -> int:
    """Filters in a row: fewer, larger pictures for filters of many pixels."""
    return 16 if size < 5 else 8 if size > 5 else 12


def height(layer: xr.Dataset) -> float:
    """Inches that a row of panels needs beneath its titles."""
    columns = columns_of(layer.sizes["row"])
    rows = -(-layer.sizes["filter"] // columns)
    return 0.5 * (PAGE_WIDTH - 0.4) * rows / columns


if "snakemake" in globals():
    run(main, globals()["snakemake"])
