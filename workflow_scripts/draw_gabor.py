"""Draw how well Gabor functions fit the filters of first layers: the best fits, explained variance against the null, waves."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow_scripts.diffeo.gabor import gabor_functions, principal_pictures
from workflow_scripts.diffeo.gabor_averages import gabor_averages
from workflow_scripts.support.filter_panels import ENDS, first_layers, mosaic
from workflow_scripts.support.jobs import run
from workflow_scripts.support.plotting import (
    COLOURS,
    GREY,
    INITIAL,
    TRAINED,
    label,
    legend_below,
    note_figure,
    panels,
    save_figure,
)

BEST = 6  # filters whose fits are shown
STATES: tuple[dict[str, Any], ...] = ({**INITIAL, "color": COLOURS[3]}, {**TRAINED, "color": COLOURS[0]})
OF_NULL = {"color": GREY, "linewidth": 0.9}


def main(filter_spectra: list[Path], svg: Path, png: Path, architectures: dict[str, str]) -> None:
    """Draw one run of each data set and network with fits; `architectures` maps names of networks."""
    layers = first_layers(filter_spectra, architectures)
    save_figure(draw({group: layer for group, layer in layers.items() if "gabor_frequency" in layer}), svg, png)


def draw(layers: dict[tuple[str, str], xr.Dataset]) -> Figure:
    """A row for each data set and network."""
    if not layers:
        return note_figure("No first layer has filters of 5 × 5 pixels or more.")
    figure, grid = panels(len(layers), 3, row_height=1.7, gridspec_kw={"width_ratios": [1.6, 1, 1]})
    for axes, ((dataset, network), layer) in zip(grid, layers.items(), strict=True):
        draw_best(axes[0], layer.isel(epoch=-1))
        axes[0].set_title(f"{label(network)}, {label(dataset)}")
        draw_distribution(axes[1], layer)
        draw_waves(axes[2], layer)
    grid[-1, 1].set_xlabel("explained variance")
    grid[-1, 2].set_xlabel("orientation (degrees)")
    states = [Line2D([], [], label=name, **style) for name, style in zip(ENDS, STATES, strict=True)]
    nulls = [
        Line2D([], [], label=f"{name}, null", **(style | OF_NULL))
        for name, style in zip(("initial", "trained"), STATES, strict=True)
    ]
    legend_below(figure, states + nulls)
    return figure


def draw_best(axes: Axes, layer: xr.Dataset) -> None:
    """Trained filters above the Gabor functions that explain most of them."""
    explained = np.nan_to_num(layer.gabor_explained_variance.values)
    best = np.argsort(-explained, kind="stable")[:BEST]
    filters = principal_pictures(layer.first_layer_filters.values[best].astype(float))
    fits = gabor_functions(layer.isel(filter=best), filters.shape[-1])
    largest = abs(filters).max(axis=(1, 2), keepdims=True)
    mosaic(axes, np.concatenate([filters / largest, np.clip(fits / largest, -1, 1)]), len(best))
    size = filters.shape[-1]
    step = size + max(1, size // 5)
    for place, number in enumerate(best):
        axes.text(step * place + size / 2, 2 * step, f"{explained[number]:.2f}", ha="center", va="top", fontsize=7)
    axes.text(-1.5, size / 2, "filter", ha="right", va="center", fontsize=7)
    axes.text(-1.5, step + size / 2, "fit", ha="right", va="center", fontsize=7)


def draw_distribution(axes: Axes, layer: xr.Dataset) -> None:
    """Share of filters, and of those of the null, of which at most so much is explained."""
    for (_, state), style in zip(layer.groupby("epoch"), STATES, strict=True):
        for name, look in (("null_explained_variance", style | OF_NULL), ("explained_variance", style)):
            values = np.sort(state[f"gabor_{name}"].values.ravel())
            values = values[np.isfinite(values)]
            axes.step(values, np.arange(1, len(values) + 1) / len(values), where="post", **look)
    averages = {name: values.values[-1] for name, values in gabor_averages(layer).items()}
    names = ("gabor_explained_variance", "gabor_null_explained_variance")
    mean, null = (f"{averages[name]:.2f} ± {averages[f'{name}_standard_error']:.2f}" for name in names)
    axes.set_title(f"mean {mean}, null {null}", fontsize=7)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share of filters")


def draw_waves(axes: Axes, layer: xr.Dataset) -> None:
    """Frequency and orientation of every fit; the larger the marker the more is explained."""
    for (_, state), style, face in zip(layer.groupby("epoch"), STATES, ("none", STATES[1]["color"]), strict=True):
        turned = (state.gabor_orientation.values.ravel() + 45) % 180 - 45  # neither rows nor columns at an edge
        place = turned, state.gabor_frequency.values.ravel()
        sizes = 25 * state.gabor_explained_variance.values.ravel() ** 2
        axes.scatter(*place, s=sizes, facecolors=face, edgecolors=style["color"], linewidths=0.6, alpha=0.8)
    axes.set(xlim=(-45, 135), ylim=(0, 0.52), xticks=(-45, 0, 45, 90, 135), ylabel="frequency\n(cycles per pixel)")


if "snakemake" in globals():
    run(main, globals()["snakemake"])
