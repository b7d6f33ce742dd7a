"""Draw the norms of displacement fields and of the parts of their gradients against temperature and cutoff."""

from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.support.field_panels import RULES, measured_and_exact, part_handles, rule_handles
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import COLOURS, GREY, legend_below, panels, plain_log_ticks, save_figure

PARTS = {
    "tau": (r"displacement $n\tau$", COLOURS[5], "D"),
    "S": ("pure shear $S$", COLOURS[1], "s"),
    "C": ("compression $C$", COLOURS[0], "o"),
    "R": ("rotation $R$", COLOURS[2], "x"),
}
FORMULAS: dict[str, Any] = {"slides": ":", "asymptotic": (0, (4, 1.2, 1, 1.2))}
FORMULA_NAMES = {"slides": "slides' formula", "asymptotic": "with the missing π"}
KINDS = {"squared_norm": (r"\|^2\rangle", "T"), "norm": (r"\|\rangle", r"\sqrt{T}")}


def main(fields: Path, svg: Path, png: Path) -> None:
    """Draw one file."""
    save_figure(draw(read_dataset(fields)), svg, png)


def draw(fields: xr.Dataset) -> Figure:
    """Rows: mean squared norms, and mean norms; columns: displacement and gradient against T at one cutoff, then against c."""
    figure, grid = panels(2, 4, row_height=2.0)
    chosen = fields.sel(average="grid")
    middle = chosen.isel(cutoff=(chosen.sizes["cutoff"] - 1) // 2)
    scaled = at_unit_temperature(chosen)
    for axes, (kind, (closing, power)) in zip(grid, KINDS.items(), strict=True):
        for column, parts in enumerate((["tau"], ["C", "S", "R"])):
            against_temperature, against_cutoff = axes[column], axes[2 + column]
            for part in parts:
                draw_part(against_temperature, middle, middle.temperature.values, kind, part)
                draw_part(against_cutoff, scaled, scaled.cutoff.values, kind, part)
            name = rf"\langle\|n\tau{closing}" if column == 0 else rf"\langle\|\cdot{closing}"
            unit = "" if column else " (px²)" if kind == "squared_norm" else " (px)"
            against_temperature.set(xscale="log", yscale="log", xlabel="temperature $T$", ylabel=f"${name}$" + unit)
            against_cutoff.set(xlabel="cutoff $c$", ylabel=f"${name}/{power}$" + unit, xticks=scaled.cutoff.values)
        against_cutoff.set_yscale("log")
        plain_log_ticks(against_cutoff.yaxis)
    which = f", $c$ = {middle.cutoff.item()}"
    for axis, title in zip(grid[0], (f"displacement{which}", f"gradient{which}", "displacement", "gradient"), strict=True):
        axis.set_title(title)
    lines = [Line2D([], [], color=GREY, linestyle=dashes, label=FORMULA_NAMES[name]) for name, dashes in FORMULAS.items()]
    legend_below(figure, [*part_handles(PARTS), *rule_handles(), *lines])
    return figure


def at_unit_temperature(fields: xr.Dataset) -> xr.Dataset:
    """The norms at T = 1: those at the lowest temperature over its root, and the squares over the temperature."""
    lowest = fields.isel(strength=0)
    squares = {name: lowest[name] / lowest.temperature for name in lowest.data_vars if str(name).startswith("squared_norm")}
    roots = {name: lowest[name] / lowest.temperature**0.5 for name in lowest.data_vars if str(name).startswith("norm")}
    return lowest.assign(squares | roots)


def draw_part(axis: Axes, fields: xr.Dataset, x: Any, kind: str, part: str) -> None:
    """One part under both mode rules, and the formulas of its mean square."""
    here = fields.sel(part=part)
    _, colour, marker = PARTS[part]
    for rule in RULES:
        value, error, exact = (here[f"{kind}{suffix}"].sel(mode_rule=rule) for suffix in ("", "_standard_error", "_exact"))
        measured_and_exact(axis, x, value, error, exact, rule=rule, color=colour, marker=marker)
    if kind == "squared_norm":
        for formula, dashes in FORMULAS.items():
            axis.plot(x, here.squared_norm_formula.sel(formula=formula).values, color=colour, linestyle=dashes, linewidth=1.1)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
