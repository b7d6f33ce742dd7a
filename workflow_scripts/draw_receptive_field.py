"""Draw activation maps of one network, and on the image what their central neurons see, as on the slides."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset
from workflow_scripts.support.plotting import COLOURS, figure_of, label, legend_below, panels, save_figure

MOST = 5  # convolutions beside each other
BOX: dict[str, Any] = {"color": COLOURS[3], "linewidth": 1.4}
SQUARE: dict[str, Any] = {"color": COLOURS[0], "linewidth": 1.1, "linestyle": "--"}
VEIL = COLOURS[1]


def main(receptive_fields: Path, effective_fields: Path, svg: Path, png: Path) -> None:
    """Draw one run: its network's boxes and profiles, and its effective receptive fields."""
    save_figure(figure_of(draw, read_dataset(receptive_fields), read_dataset(effective_fields)), svg, png)


def draw(network: xr.Dataset, effective: xr.Dataset) -> Figure:
    """At most five convolutions side by side: map, contribution profile, effective field of the first and the last epoch."""
    name, dataset = label(network.network.item()), label(network.dataset.item())
    measured = effective.squeeze(RUN_DIMENSIONS, drop=True)
    structure = network.squeeze(("dataset", "network"), drop=True).sel(layer=measured.layer)
    layers = np.unique(np.linspace(0, measured.sizes["layer"] - 1, MOST).round().astype(int))
    epochs = sorted({0, measured.sizes["epoch"] - 1})
    rows = 2 + len(epochs)
    figure, grid = panels(rows, len(layers), width=1.35 * len(layers) + 0.5, row_height=1.25)
    for column, layer in zip(grid.T, layers, strict=True):
        of_layer, of_network = measured.isel(layer=layer), structure.isel(layer=layer)
        draw_map(column[0], of_layer.example_map.isel(epoch=-1), of_network)
        draw_field(column[1], measured.example_image, of_network.profile, of_network)
        for axis, epoch in zip(column[2:], epochs, strict=True):
            draw_field(axis, measured.example_image, of_layer.profile.isel(epoch=epoch), of_network)
        column[0].set_title(f"convolution {layer + 1}\n{' × '.join(str(size) for size in of_network.map_size.values)} map")
    names = ["activation\nmap", "contribution\nprofile", *(state(measured.epoch.values[epoch]) for epoch in epochs)]
    for axis, title in zip(grid[:, 0], names, strict=True):
        axis.set_ylabel(title)
    figure.suptitle(f"{name}, {dataset}", fontsize=8)
    legend_below(figure, legend_entries())
    return figure


def state(epoch: int) -> str:
    """What a row of effective fields is of."""
    return "effective field,\ninitialisation" if epoch == 0 else f"effective field,\nepoch {epoch}"


def draw_map(axis: Axes, activation: xr.DataArray, network: xr.Dataset) -> None:
    """A map in grey, its central neuron outlined."""
    rows, columns = (int(size) for size in network.map_size)
    axis.imshow(activation.values[:rows, :columns], cmap="gray", interpolation="nearest")
    outline(axis, (rows // 2, columns // 2), (1, 1), **BOX)


def draw_field(axis: Axes, image: xr.DataArray, profile: xr.DataArray, network: xr.Dataset) -> None:
    """The image, the profile as a veil, the box of the central neuron and the square of the profile's effective size."""
    axis.imshow(image.mean("channel").values, cmap="gray", interpolation="nearest")
    values = profile.values / np.nanmax(profile.values)
    veil = np.tile([*to_rgb(VEIL), 1.0], (*values.shape, 1))
    veil[..., 3] = 0.8 * np.nan_to_num(values)
    axis.imshow(veil, interpolation="nearest")
    edges = np.array(values.shape)
    first = network.box_offset.values + network.map_size.values // 2 * network.box_jump.values
    last = np.minimum(first + network.box_size.values, edges)
    first = np.maximum(first, 0)
    outline(axis, first, last - first, **BOX)
    size = np.sqrt(values.sum())
    centre = np.array([values.sum(axis=1 - along) @ np.arange(edges[along]) for along in (0, 1)]) / values.sum()
    outline(axis, centre + 0.5 - size / 2, (size, size), **SQUARE)
    axis.set(xlim=(-0.5, edges[1] - 0.5), ylim=(edges[0] - 0.5, -0.5))


def outline(axis: Axes, first: Any, size: Any, **style: Any) -> None:
    """A rectangle around pixels, rows before columns; what is outside the picture is cut off."""
    corner = (float(first[1]) - 0.5, float(first[0]) - 0.5)
    axis.add_patch(Rectangle(corner, float(size[1]), float(size[0]), fill=False, **style))
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(visible=True, linewidth=0.4)


def legend_entries() -> list[Any]:
    """What is drawn over the pictures."""
    return [
        Line2D([], [], **BOX, label="central neuron, and the box that it sees"),
        Patch(color=VEIL, label="contribution to it"),
        Line2D([], [], **SQUARE, label="square of the effective size"),
    ]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
