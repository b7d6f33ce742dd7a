"""Draw how far local transforms move what neurons see, and how much of it is a translation, against the field's size."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.neuron_averages import OBJECT, closest_to_one
from workflow_scripts.diffeo.run_averages import dataset_with_most
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import (
    GREY,
    band,
    datasets_and_networks,
    figure_of,
    label,
    legend_below,
    line_style,
    panels,
    plain_log_ticks,
    save_figure,
)

WHOLE: dict[str, Any] = {"linestyle": "-"}
PART: dict[str, Any] = {"linestyle": (0, (3, 1.5))}


def main(local_transforms: Path, svg: Path, png: Path) -> None:
    """Draw what holds whatever the weights, at the Frobenius norm that is closest to 1."""
    save_figure(figure_of(draw, read_dataset(local_transforms)), svg, png)


def draw(table: xr.Dataset) -> Figure:
    """Displacements to the left, shares to the right; of the data set with most networks, bands are errors over patches."""
    chosen = closest_to_one(table, "frobenius")
    chosen = chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == dataset_with_most(chosen)))
    (dataset,), networks = datasets_and_networks(chosen)
    figure, ((left, right),) = panels(1, 2, row_height=2.6)
    amount = float(chosen.amount)
    edges = np.array([3.0, float(chosen.receptive_field.max())])
    left.plot(edges, amount * edges / np.sqrt(12), color=GREY, linestyle=":", linewidth=0.9)
    left.axhline(amount, color=GREY, linewidth=0.8)
    for number, network in enumerate(networks):
        draw_network(left, right, chosen.isel(checkpoint=int(np.flatnonzero(chosen.network == network)[0])), line_style(number))
    left.set(xscale="log", yscale="log", xlabel="receptive field's edge p (px)", ylabel="mean displacement (px)")
    right.set(xscale="log", ylim=(-0.03, 1.03), xlabel="receptive field's edge p (px)", ylabel="share that is a translation")
    for axis in (left.xaxis, left.yaxis, right.xaxis):
        plain_log_ticks(axis)
    left.set_title(f"{label(dataset)}, norm δ = {amount:g}")
    right.set_title("rotation, compression or shear")
    legend_below(figure, legend_entries(networks))
    return figure


def draw_network(left: Axes, right: Axes, checkpoint: xr.Dataset, style: dict[str, Any]) -> None:
    """The layers of one network, those with the same field once."""
    layers = np.flatnonzero(checkpoint.receptive_field.notnull())
    edges, first = np.unique(checkpoint.receptive_field.values[layers], return_index=True)
    rows = checkpoint.isel(layer=layers[first]).sel(transform="rotation")
    for weighting, line in (("uniform", PART), ("profile", WHOLE)):
        part = rows.sel(weighting=weighting)
        band(left, edges, part.mean_displacement, part.mean_displacement_standard_error, **style, **line)
    for name, line in (("translation_share", WHOLE), ("object_translation_share", PART)):
        band(right, edges, rows[name], rows[f"{name}_standard_error"], **style, **line)


def legend_entries(networks: list[str]) -> list[Line2D]:
    """Networks by colour and marker, what is averaged by line style."""
    entries = [Line2D([], [], label=label(name), **line_style(number)) for number, name in enumerate(networks)]
    meanings = (
        ("weighted with the profile | whole field", WHOLE),
        (f"all pixels alike | object of {OBJECT} × {OBJECT} px", PART),
        ("p/√12, rms in an unlimited field", {"linestyle": ":"}),
        ("translation", {"linestyle": "-", "linewidth": 0.8}),
    )
    return entries + [Line2D([], [], color=GREY, label=meaning, **line) for meaning, line in meanings]


if "snakemake" in globals():
    run(main, globals()["snakemake"])
