"""Draw deformed and noisy versions of an image of one data set, placed at their temperature and cutoff."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import BAND, PAGE_WIDTH, join_cutoffs, label, legend_below, panels, save_figure

MOST = 7  # pictures in a row
KINDS = {"example_deformed": r"deformed, $\tau x$", "example_noisy": r"noisy, $x + \eta$"}


def main(calibration: list[Path], svg: Path, png: Path, interpolation: str) -> None:
    """Draw the first example of one data set, from a file for each cutoff."""
    save_figure(draw(join_cutoffs([read_dataset(path) for path in calibration]), interpolation), svg, png)


def draw(calibration: xr.Dataset, interpolation: str) -> Figure:
    """One panel of deformed and one of noisy images (of the same norm); every row is a cutoff c, log T runs to the right.

    At most seven strengths are drawn, every k-th of them; on the left is the image itself.
    """
    name = calibration.dataset.item()
    chosen = calibration.squeeze("dataset").sel(interpolation=interpolation).isel(example=0)
    step = -(-chosen.sizes["strength"] // MOST)
    chosen = chosen.isel(strength=slice((chosen.sizes["strength"] - 1) % step, None, step))  # the strongest is among them
    cutoffs = chosen.sizes["cutoff"]
    figure, axes = panels(len(KINDS), 1, row_height=0.65 + 1.05 * cutoffs, sharex=True)
    size = picture_size(chosen, PAGE_WIDTH - 1.0)
    for axis, (kind, title) in zip(axes[:, 0], KINDS.items(), strict=True):
        draw_panel(axis, chosen, kind, size)
        axis.set_title(f"{label(name)}: {title}", pad=14)
    axes[-1, 0].set_xlabel("temperature $T$")
    legend_below(figure, [Patch(color=BAND, label=r"$T_1$ ($\delta$ = 1/2 px) to $T_2$ (onset of folds)")])
    return figure


def picture_size(chosen: xr.Dataset, width: float) -> float:
    """Edge of a picture in decades of T: neighbours do not touch, and it has at most 0.85 inches on an axis of `width` inches."""
    exponents = np.sort(np.log10(chosen.temperature.values), axis=-1)
    room = float(np.diff(exponents).min()) if exponents.shape[-1] > 1 else 1.0
    span = np.ptp(exponents) + 3.2 * room
    return float(min(0.92 * room, 0.85 / width * span))


def draw_panel(axis: Axes, chosen: xr.Dataset, kind: str, size: float) -> None:
    """One kind of image: a row of pictures for each cutoff, the band T1 to T2 behind them."""
    exponents = np.log10(chosen.temperature.values)
    cutoffs = chosen.cutoff.values.tolist()
    low, high = exponents.min() - 2.2 * size, exponents.max() + 0.8 * size
    critical = np.log10([chosen.critical_temperature_1.values, chosen.critical_temperature_2.values])
    low, high = min(low, critical.min() - 1.7 * size), max(high, critical.max() + 0.1)
    axis.set(xlim=(low, high), ylim=(-0.5, len(cutoffs) - 0.5), ylabel="cutoff $c$")
    shown = [chosen.example_image, *(chosen[kind].isel(strength=k) for k in range(chosen.sizes["strength"]))]
    limits = float(chosen.example_image.min()), float(chosen.example_image.max())
    reference = low + 0.7 * size
    for row in range(len(cutoffs)):
        axis.fill_between(critical[:, row], row - 0.5, row + 0.5, color=BAND, linewidth=0, zorder=0)
        axis.vlines(critical[:, row], row - 0.5, row + 0.5, color="#B59B3A", linewidth=0.8, zorder=1)
        for where, picture in zip([reference, *exponents[row]], shown, strict=True):
            picture = picture if "cutoff" not in picture.dims else picture.isel(cutoff=row)
            add_picture(axis, as_picture(picture, limits), (where, row), size)
    axis.text(reference, len(cutoffs) - 0.5, "$x$", ha="center", va="bottom", fontsize=8)
    for column, name in enumerate(("$T_1$", "$T_2$")):
        axis.text(critical[column, -1], len(cutoffs) - 0.5, name, ha="center", va="bottom", fontsize=8)
    axis.set_yticks(range(len(cutoffs)), [str(cutoff) for cutoff in cutoffs])
    decades = np.arange(np.ceil(exponents.min() - size), np.floor(high) + 1)
    axis.set_xticks(decades, [f"$10^{{{decade:.0f}}}$" for decade in decades])
    axis.tick_params(axis="y", length=0)


def add_picture(axis: Axes, picture: np.ndarray, centre: tuple[float, float], size: float) -> None:
    """Place a square picture, `size` decades wide, on the axis."""
    inset = axis.inset_axes((centre[0] - size / 2, centre[1] - 0.45, size, 0.9), transform=axis.transData)
    inset.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    inset.set(xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set(visible=True, linewidth=0.4)


def as_picture(image: xr.DataArray, limits: tuple[float, float]) -> np.ndarray:
    """(row, column, 3) or (row, column) in 0 … 1; `limits` are the black and the white of the original image."""
    scaled = ((image - limits[0]) / (limits[1] - limits[0])).clip(0, 1).transpose("row", "column", "channel")
    return scaled.values if image.sizes["channel"] == 3 else scaled.isel(channel=0).values


if "snakemake" in globals():
    run(main, globals()["snakemake"])
