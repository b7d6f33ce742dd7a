"""Draw a displacement field, what its local parts make of it, and one patch with its best linear transform."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import COLOURS, GREY, panels, save_figure

MOST_ARROWS = 16  # along an edge of the image
LONGEST = 1.4  # pixels that the longest arrow of the patch takes in its picture
LINEAR = ("C", "S", "R")
EVERYTHING = ("translation", *LINEAR, "rest")


class Picture(NamedTuple):
    """Title, parts that are added up, colour, and factor by which the arrows are lengthened."""

    title: str
    parts: tuple[str, ...]
    colour: str
    factor: float = 1.0


BLACK, BLUE, ORANGE, GREEN, PURPLE, SKY = (COLOURS[index] for index in (5, 0, 1, 2, 6, 4))
OF_IMAGE = (
    Picture("displacement field", EVERYTHING, BLACK),
    Picture("local translations", ("translation",), BLACK),
    Picture("with linear transforms", ("translation", *LINEAR), SKY),
    Picture("neither (× 3)", ("rest",), PURPLE, 3),
    Picture("compression (× 3)", ("C",), BLUE, 3),
    Picture("pure shear (× 3)", ("S",), ORANGE, 3),
    Picture("rotation (× 3)", ("R",), GREEN, 3),
    Picture("linear transforms (× 3)", LINEAR, SKY, 3),
)
OF_PATCH = (
    Picture("one patch of the field", EVERYTHING, BLACK),
    Picture("its mean", ("translation",), BLACK),
    Picture("its best linear transform", ("translation", *LINEAR), SKY),
    Picture("what is left", ("rest",), PURPLE),
)


def main(fields: Path, svg: Path, png: Path) -> None:
    """Draw the first example of the modes of the slides."""
    save_figure(draw(read_dataset(fields)), svg, png)


def draw(fields: xr.Dataset) -> Figure:
    """Two rows of the whole image, cut into patches, and one of a single patch, at T2/4, where hardly any field folds."""
    chosen = fields.isel(cutoff=(fields.sizes["cutoff"] - 1) // 2, example=0).sel(mode_rule="disc")
    parts = chosen.example_part * float(chosen.critical_temperature_2 / 4) ** 0.5
    patch = int(fields["size"]) // 4
    edge = int(fields["size"]) // patch * patch
    parts = parts.isel(row=slice(edge), column=slice(edge))
    figure, grid = panels(3, 4, row_height=1.8)
    for axis, picture in zip(grid[:2].ravel(), OF_IMAGE, strict=True):
        draw_arrows(axis, parts, picture, step=-(-edge // MOST_ARROWS), margin=0.5)
        lines = np.arange(patch, edge, patch) - 0.5
        axis.set(xticks=lines, yticks=lines)
        axis.grid(color=GREY, linewidth=0.4, alpha=0.7)
    zoomed = least_uniform_patch(parts, patch)
    longest = float((zoomed.sum("local_part") ** 2).sum("component").max()) ** 0.5
    for axis, picture in zip(grid[2], OF_PATCH, strict=True):
        draw_arrows(axis, zoomed * min(1.0, LONGEST / longest), picture, step=1, margin=1.5)
        axis.set(xticks=[], yticks=[])
    for axis in grid.ravel():
        axis.tick_params(length=0, labelbottom=False, labelleft=False)
        axis.spines[:].set_visible(True)
    figure.suptitle(f"$c$ = {chosen.cutoff.item()}, $T = T_2/4$; patches of {patch} × {patch} pixels", fontsize=8)
    return figure


def least_uniform_patch(parts: xr.DataArray, patch: int) -> xr.DataArray:
    """The patch with the largest product of the linear parts' mean square and their share."""

    def over_patches(names: tuple[str, ...]) -> np.ndarray:
        squares = (parts.sel(local_part=list(names)).sum("local_part") ** 2).sum("component")
        return squares.coarsen(row=patch, column=patch).sum().values

    measure = over_patches(LINEAR) ** 2 / over_patches(EVERYTHING)
    row, column = (int(place) * patch for place in np.unravel_index(measure.argmax(), measure.shape))
    return parts.isel(row=slice(row, row + patch), column=slice(column, column + patch))


def draw_arrows(axis: Axes, parts: xr.DataArray, picture: Picture, *, step: int, margin: float) -> None:
    """The sum of some parts as arrows, in pixels of the axes, at every `step`-th pixel, and `margin` pixels around them."""
    edge = parts.sizes["row"]
    first = step // 2
    field = picture.factor * parts.sel(local_part=list(picture.parts)).sum("local_part")
    shown = field.isel(row=slice(first, None, step), column=slice(first, None, step))
    down, right = shown.sel(component="row").values, shown.sel(component="column").values
    places = np.arange(first, edge, step)
    axis.quiver(
        places, places, right, down, angles="xy", scale_units="xy", scale=1, color=picture.colour, width=0.007, headwidth=3.5
    )
    axis.set(xlim=(-margin, edge - 1 + margin), ylim=(edge - 1 + margin, -margin), aspect="equal", title=picture.title)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
