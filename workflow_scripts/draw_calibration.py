"""Draw displacement, norm and folds of the deformations of one data set against their temperature."""

from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    BAND,
    COLOURS,
    GREY,
    MARKERS,
    band,
    join_cutoffs,
    label,
    legend_below,
    panels,
    save_figure,
)

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (4, 1.5, 1, 1.5)))  # one for each interpolation
EXACT: Any = ":"


def main(calibration: list[Path], svg: Path, png: Path) -> None:
    """Draw one data set, from a file for each cutoff."""
    save_figure(draw(join_cutoffs([read_dataset(path) for path in calibration])), svg, png)


def draw(calibration: xr.Dataset) -> Figure:
    """Panels: displacement, norm r, folded fraction; colours are cutoffs, the band T1 to T2 is that of the first cutoff."""
    name = calibration.dataset.item()
    chosen = calibration.squeeze("dataset")
    figure, ((left, middle, right),) = panels(1, 3, row_height=2.3)
    for index, cutoff in enumerate(chosen.cutoff.values):
        draw_cutoff((left, middle, right), chosen.sel(cutoff=cutoff), COLOURS[index % 8], MARKERS[index % 8])
    first = chosen.isel(cutoff=0)
    for axis in (left, middle, right):
        axis.set(xscale="log", xlabel="temperature $T$")
        axis.axvspan(float(first.critical_temperature_1), float(first.critical_temperature_2), color=BAND, zorder=0)
    left.set(yscale="log", ylabel="displacement (px)")
    figure.suptitle(label(name), fontsize=8)
    middle.set(yscale="log", ylabel=r"norm $r = \langle\|\tau x - x\|\rangle$")
    right.set(ylabel="folded fraction", ylim=(-0.03, 1.03))
    legend_below(figure, legend_entries(chosen))
    return figure


def draw_cutoff(axes: tuple[Axes, Axes, Axes], chosen: xr.Dataset, colour: str, marker: str) -> None:
    """The lines of one cutoff in the three panels."""
    temperature = chosen.temperature.values
    left, middle, right = axes
    left.plot(temperature, chosen.displacement.values, color=colour, marker=marker)
    left.plot(temperature, chosen.rms_displacement_exact.values, color=colour, linestyle=EXACT)
    for dashes, interpolation in zip(DASHES, chosen.interpolation.values, strict=False):
        here = chosen.sel(interpolation=interpolation)
        style = {"color": colour, "marker": marker, "linestyle": dashes}
        band(middle, temperature, here.radius, here.radius_standard_error, **style)
    band(right, temperature, chosen.folded_fraction, chosen.folded_fraction_standard_error, color=colour, marker=marker)


def legend_entries(chosen: xr.Dataset) -> list[Line2D | Patch]:
    """Cutoffs, what the dashes mean in the first and in the second panel, and the band."""
    entries: list[Line2D | Patch] = [
        Line2D([], [], color=COLOURS[index % 8], marker=MARKERS[index % 8], label=f"cutoff $c$ = {cutoff}")
        for index, cutoff in enumerate(chosen.cutoff.values)
    ]
    entries += [
        Line2D([], [], color=GREY, marker="o", label=r"$\delta$ as configured"),
        Line2D([], [], color=GREY, linestyle=EXACT, label="exact rms displacement"),
    ]
    named = zip(DASHES, chosen.interpolation.values.tolist(), strict=False)
    entries += [Line2D([], [], color=GREY, linestyle=dashes, label=f"$r$, {name}") for dashes, name in named]
    which = "" if chosen.sizes["cutoff"] == 1 else f" ($c$ = {chosen.cutoff.values[0]})"
    return [*entries, Patch(color=BAND, label=f"$T_1$ to $T_2${which}")]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
