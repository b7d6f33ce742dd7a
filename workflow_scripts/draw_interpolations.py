"""Draw D/r² of each interpolation beside G/r² against r, for each network and data set, and D against the displacement."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workflow_scripts.diffeo.predictor_averages import log_averages, radii, stability_per_square
from workflow_scripts.diffeo.run_averages import trained
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    datasets_and_networks,
    legend_below,
    line_style,
    log_band,
    note_figure,
    plain_log_ticks,
    save_figure,
)
from workflow_scripts.support.predictor_panels import (
    DASHES,
    NORM,
    SMALL,
    finish_block,
    network_handles,
    paired_panels,
    pairs_in_order,
)

LINES: dict[str, dict[str, Any]] = {
    "diffeo_bilinear": {"color": "#0072B2", "linestyle": DASHES["bilinear"], "label": "$D_f$, bilinear"},
    "diffeo_bicubic": {"color": "#0072B2", "linestyle": DASHES["bicubic"], "label": "$D_f$, bicubic"},
    "diffeo_gaussian": {"color": "#0072B2", "linestyle": DASHES["gaussian"], "label": "$D_f$, gaussian"},
    "noise": {"color": "#E69F00", "linestyle": "-", "label": "$G_f$"},
    "noise_smoothed": {"color": "#E69F00", "linestyle": DASHES["gaussian"], "label": "$G_f$, smoothed"},
}
SHADE = "#E6E6E6"  # r at which interpolations differ
UNIT: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (6, 2, 1, 2))}


def main(predictor: Path, svg: Path, png: Path) -> None:
    """Draw the trained networks."""
    save_figure(draw(read_dataset(predictor)), svg, png)


def draw(predictor: xr.Dataset) -> Figure:
    """Lines are geometric means over seeds, bands one standard error; where the interpolations disagree the panel is shaded."""
    chosen = trained(predictor).sel(output="logits")
    datasets, names = datasets_and_networks(chosen)
    if not names:
        return note_figure("no trained network was measured")
    r, shares = radii(chosen), stability_per_square(chosen)
    figure, of_pairs, of_datasets = paired_panels(pairs_in_order(r, datasets, names), datasets)
    for group, axis in of_pairs.items():
        axis.set(xscale="log", yscale="log")
        for name in (name for name in LINES if name in chosen.perturbation.values):
            mean, error = (numbers.sel(perturbation=name) for numbers in shares[group][:2])
            log_band(axis, r[group].sel(perturbation=name), mean, error, **LINES[name])
        mark_panel(axis, select(chosen, *group), r[group])
    for dataset, axis in of_datasets.items():
        draw_displacements(axis, chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset)), names)
    finish_block(of_pairs.values(), xlabel=NORM, ylabel="stability$/r^2$")
    finish_block(of_datasets.values(), xlabel=r"displacement $\delta$ (px)", ylabel="$D_f$")
    legend_below(figure, legend_entries(chosen, names))
    return figure


def select(checkpoints: xr.Dataset, dataset: str, network: str) -> xr.Dataset:
    """The checkpoints of one network on one data set."""
    return checkpoints.isel(checkpoint=np.flatnonzero((checkpoints.dataset == dataset) & (checkpoints.network == network)))


def mark_panel(axis: Axes, checkpoints: xr.Dataset, r: xr.DataArray) -> None:
    """Shade the r at which two interpolations differ by more than 10 %, and mark the r at δ = 1 px."""
    diffeos = r.isel(perturbation=np.flatnonzero(r.kind == "diffeo"))
    end = smallest_usable(checkpoints, float(diffeos.max()))
    if end is not None:
        axis.axvspan(float(diffeos.min()), end, color=SHADE, linewidth=0, zorder=0)
    displacement = checkpoints.displacement.mean("checkpoint")
    first = next(name for name in LINES if name in diffeos.perturbation.values)
    at_one = np.interp(0, np.log10(displacement), np.log10(diffeos.sel(perturbation=first)), left=np.nan, right=np.nan)
    if np.isfinite(at_one):
        axis.axvline(10**at_one, zorder=1, **UNIT)


def smallest_usable(checkpoints: xr.Dataset, never: float) -> float | None:
    """The r from which on all interpolations agree within 10 % in every run; `never` if they do not, None if one was measured."""
    measured = checkpoints.agreement_ratio.notnull().any(["checkpoint", "strength"])
    if not measured.any():
        return None
    return float(checkpoints.agreement_r.isel(pair=np.flatnonzero(measured)).fillna(never).max())


def draw_displacements(axis: Axes, checkpoints: xr.Dataset, names: list[str]) -> None:
    """D of each network and interpolation against δ, for one data set."""
    axis.set(xscale="log", yscale="log")
    plain_log_ticks(axis.xaxis, [1.0, 3.0])
    axis.axvline(1, zorder=1, **UNIT)
    displacement = checkpoints.displacement.mean("checkpoint")
    for group, mean in log_averages(checkpoints, "stability").items():
        for name in checkpoints.perturbation.values[checkpoints.kind == "diffeo"].tolist():
            value, error = (numbers.sel(perturbation=name) for numbers in mean[:2])
            style = {**line_style(names.index(group[1])), **SMALL, "linestyle": LINES[name]["linestyle"]}
            log_band(axis, displacement, value, error, **(style if name == "diffeo_bilinear" else {**style, "marker": "none"}))


def legend_entries(checkpoints: xr.Dataset, names: list[str]) -> list[Line2D | Patch]:
    """Lines, marks and networks."""
    entries: list[Line2D | Patch] = [
        Line2D([], [], **style) for name, style in LINES.items() if name in checkpoints.perturbation.values
    ]
    entries += [
        Line2D([], [], label=r"$\delta$ = 1 px", **UNIT),
        Patch(color=SHADE, label="differ by > 10 %"),
    ]
    return [*entries, *network_handles(names)]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
