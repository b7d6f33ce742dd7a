"""Draw the bars of the slides: R_f of every network at initialisation and trained, a panel for each data set."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from workflow_scripts.diffeo.network_options import usual_networks
from workflow_scripts.diffeo.run_averages import at_strength, initial, log10_with_error, output, stability_of, trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    PAGE_WIDTH,
    datasets_and_networks,
    label,
    legend_below,
    save_figure,
    wrapped_panels,
)

WIDTH = 0.38
SHADED: dict[str, Any] = {"alpha": 0.45, "hatch": "//////"}
STATES: tuple[tuple[str, dict[str, Any]], ...] = (("initialisation", SHADED), ("trained", {}))


def main(summary: Path, svg: Path, png: Path, settings: dict[str, Any]) -> None:
    """Draw at the displacement and interpolation of `settings`."""
    save_figure(draw(read_dataset(summary), settings), svg, png)


def draw(summary: xr.Dataset, settings: dict[str, Any]) -> Figure:
    """Bars are geometric means over seeds, with standard errors that include the scatter between seeds; dots are single seeds."""
    chosen = usual_networks(at_strength(summary, **settings))
    datasets, names = datasets_and_networks(chosen)
    columns = min(3 if len(names) <= 6 else 1, len(datasets))
    width = min(PAGE_WIDTH, columns * (1.2 + 0.5 * len(names)))
    figure, axes, _ = wrapped_panels(len(datasets), columns=columns, row_height=2.5, width=width, sharex=True, sharey=True)
    for axis, dataset in zip(axes, datasets, strict=True):
        draw_panel(axis, chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset)), names)
        axis.set_title(label(dataset))
    finish(figure, axes)
    what = f"δ = {settings['displacement']:g} px, {settings['interpolation']}"
    for axis in axes[::columns]:
        axis.set_ylabel(f"relative stability $R_f$\n({what})")
    return figure


def draw_panel(axis: Axes, checkpoints: xr.Dataset, names: list[str]) -> None:
    """The two bars of every network of one data set."""
    for select, shift, style in ((initial, -WIDTH / 2, SHADED), (trained, WIDTH / 2, {})):
        selected = select(checkpoints)
        singles = 10 ** log10_with_error(output(selected, "R"), output(selected, "R_standard_error"))[0]
        for (_, network), mean in stability_of(selected).items():
            if not np.isfinite(mean.value):
                continue
            where = names.index(network) + shift
            height, low, high = (10 ** (float(mean.value) + side * float(mean.standard_error)) for side in (0, -1, 1))
            axis.bar(where, height, WIDTH, color=COLOURS[names.index(network) % 8], edgecolor="black", linewidth=0.5, **style)
            axis.errorbar(where, height, [[height - low], [high - height]], color="black", elinewidth=0.9, capsize=2, zorder=4)
            dots = singles.values[selected.network.values == network]
            spread = np.linspace(-0.6, 0.6, len(dots)) * WIDTH / 2 if len(dots) > 1 else np.zeros(1)
            axis.plot(where + spread, dots, ".", color="black", markersize=2.5, alpha=0.6, zorder=3)
    axis.set_xticks(range(len(names)), [label(name) for name in names], rotation=40, ha="right", rotation_mode="anchor")


def finish(figure: Figure, axes: list[Axes]) -> None:
    """Limits, the line at 1 and the legend."""
    tops = [bar.get_bbox().height for axis in axes for bar in axis.patches if isinstance(bar, Rectangle)]
    bottom = 10 ** np.floor(np.log10(min([0.5, *tops])) - 0.1)
    for axis in axes:
        axis.set_yscale("log")
        axis.set_ylim(bottom, 1.6 * max([1.5, *tops]))
        axis.set_xlim(-0.6, len(axis.get_xticks()) - 0.4)
        axis.axhline(1, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axis.tick_params(axis="x", length=0)
    bars = [Patch(facecolor=GREY, edgecolor="black", linewidth=0.5, label=name, **style) for name, style in STATES]
    legend_below(figure, bars)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
