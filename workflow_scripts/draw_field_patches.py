"""Draw what is a translation, linear, or neither on patches of a displacement field, against the size of the patch."""

from pathlib import Path

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.support.field_panels import RULES, measured_and_exact, part_handles, rule_handles
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import COLOURS, GREY, legend_below, panels, plain_log_ticks, save_figure

SQUARES = {
    "translation": (r"translation $\bar\tau$", COLOURS[5], "D"),
    "remainder": (r"all else, $\tau - \bar\tau$", COLOURS[3], "v"),
}
SHARES = {
    "translation": SQUARES["translation"],
    "linear": ("linear (best fit)", COLOURS[4], "P"),
    "rest": ("neither", COLOURS[6], "X"),
}
GRADIENTS = {
    "S": (r"pure shear $\bar S$", COLOURS[1], "s"),
    "C": (r"compression $\bar C$", COLOURS[0], "o"),
    "R": (r"rotation $\bar R$", COLOURS[2], "x"),
}


def main(fields: Path, svg: Path, png: Path) -> None:
    """Draw one file."""
    save_figure(draw(read_dataset(fields)), svg, png)


def draw(fields: xr.Dataset) -> Figure:
    """Rows: mean squares with the linear estimate, shares, gradients averaged over the patch; a column for each cutoff."""
    cutoffs = fields.cutoff.values.tolist()
    largest = float(fields.patch_gradient_square.max())
    gradient = fields.patch_gradient_square_exact
    fields = fields.assign(patch_gradient_square_exact=gradient.where(gradient > 1e-8 * largest))  # others are 0 up to rounding
    figure, grid = panels(3, len(cutoffs), width=max(1.8 * len(cutoffs), 5.4), row_height=1.75, sharex=True, sharey="row")
    for axes, cutoff in zip(grid.T, cutoffs, strict=True):
        here = fields.sel(cutoff=cutoff, average="grid")
        draw_parts(axes[0], here, "patch_square", "patch_part", SQUARES)
        draw_parts(axes[1], here, "patch_share", "patch_part", SHARES)
        draw_parts(axes[2], here, "patch_gradient_square", "gradient_part", GRADIENTS)
        draw_estimate(axes[0], here)
        axes[0].set(title=f"$c$ = {cutoff}", yscale="log", xscale="log")
        axes[2].set(xlabel="edge $p$ of the patch (px)", yscale="log")
        plain_log_ticks(axes[2].xaxis)
    grid[2, 0].set_ylim(largest * 1e-4, largest)
    totals = fields.patch_square.sel(patch_part=["translation", "remainder"])
    grid[0, 0].set_ylim(float(totals.min()) / 2, float(totals.max()) * 3)
    grid[0, 0].set_ylabel("mean square / $T$ (px²)")
    grid[1, 0].set(ylabel=r"share of $\langle\|\tau\|^2\rangle$", ylim=(-0.03, 1.03))
    grid[2, 0].set_ylabel(r"$\langle\|\cdot\|^2\rangle/T$ of patch means")
    estimate = [
        Line2D([], [], color=GREY, linestyle=":", linewidth=1.4, label="linear estimate"),
        Line2D([], [], color=GREY, linewidth=0.6, label="off by 10 %"),
    ]
    legend_below(figure, [*part_handles({**SQUARES, **SHARES, **GRADIENTS}), *rule_handles(), *estimate])
    return figure


def draw_parts(axis: Axes, fields: xr.Dataset, name: str, dim: str, parts: dict[str, tuple[str, str, str]]) -> None:
    """Some parts of a variable against the size of the patch, under both mode rules."""
    for part, (_, colour, marker) in parts.items():
        for rule in RULES:
            here = fields.sel({"mode_rule": rule, dim: part})
            value, error, exact = (here[f"{name}{suffix}"] for suffix in ("", "_standard_error", "_exact"))
            measured_and_exact(axis, fields.patch_size, value, error, exact, rule=rule, color=colour, marker=marker)


def draw_estimate(axis: Axes, fields: xr.Dataset) -> None:
    """The remainder that a constant gradient would leave, and up to where it is right."""
    for rule, style in RULES.items():
        here = fields.sel(mode_rule=rule)
        axis.plot(fields.patch_size, here.linear_estimate, color=GREY, linestyle=":", linewidth=1.4)
        if float(here.linear_range) > 0:
            axis.axvline(float(here.linear_range), color=GREY, linewidth=0.6, linestyle=style["linestyle"], zorder=0)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
