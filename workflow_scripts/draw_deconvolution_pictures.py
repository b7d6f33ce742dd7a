"""Draw the strongest patches of one run's neurons and their reconstructions, a row for each layer."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, read_dataset
from workflow_scripts.support.plotting import GREY, figure_of, label, panels, save_figure

LAYERS, CHANNELS, PATCHES = 8, 4, 4  # drawn at most
EDGE = 64  # a picture's pixels are enlarged to so many, or more
BRIGHTEST = 3  # times the root mean square of a reconstruction are white, if its largest value is beyond


def main(deconvolution: Path, svg: Path, png: Path) -> None:
    """Draw the last epoch of a run."""
    save_figure(figure_of(draw, read_dataset(deconvolution)), svg, png)


def draw(deconvolution: xr.Dataset) -> Figure:
    """Above the patches, below their reconstructions; layers are spread evenly over the network."""
    name, network = deconvolution.dataset.item(), deconvolution.network.item()
    chosen = deconvolution.squeeze(RUN_DIMENSIONS).isel(epoch=-1, feature=slice(CHANNELS), patch=slice(PATCHES))
    layers = np.unique(np.linspace(0, chosen.sizes["layer"] - 1, LAYERS).round().astype(int))
    figure, axes = panels(len(layers), 1, row_height=1.02)
    for axis, layer in zip(axes[:, 0], layers, strict=True):
        draw_layer(axis, chosen.isel(layer=layer).transpose("feature", "patch", ..., "axis", "row", "column", "channel"))
    state = "at initialisation" if chosen.epoch == 0 else f"epoch {chosen.epoch.item()}"
    figure.suptitle(f"{label(network)} on {label(name)}, {state}", fontsize=9)
    return figure


def draw_layer(axis: Axes, layer: xr.Dataset) -> None:
    """The patches of some channels of one layer, the strongest on the left."""
    field, whole = layer.receptive_field.values, np.array(layer.image.shape[1:3])
    size = np.minimum(field, whole)
    scale = -(-EDGE // size.max())
    step = scale * size + scale * size.max() // 16
    group = layer.sizes["patch"] * step[1] + scale * size[1] // 3
    canvas = np.ones((2 * step[0], layer.sizes["feature"] * group, 3))
    images = layer.image.values[layer.image_index.values] / 255
    frames = []
    for feature, patch in np.argwhere(layer.activation.values > 0):
        start, stop = layer.box_start.values[feature, patch], layer.box_stop.values[feature, patch]
        free = np.where(size == whole, start, np.where(start == 0, size - stop, 0))  # what of a picture is outside of the image
        reconstruction = contrasted(layer.reconstruction.values[feature, patch])
        for row, picture in enumerate((images[feature, patch], reconstruction)):
            top, left = scale * free + (row * step[0], feature * group + patch * step[1])
            seen = np.kron(picture[start[0] : stop[0], start[1] : stop[1]], np.ones((scale, scale, 1)))
            bottom, right = top + seen.shape[0], left + seen.shape[1]
            canvas[top:bottom, left:right] = seen
            frames.append([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])
    axis.imshow(canvas, extent=(0, canvas.shape[1], canvas.shape[0], 0))
    axis.add_collection(LineCollection(frames, colors=GREY, linewidths=0.3, clip_on=False))
    for feature, channel in enumerate(layer.feature_channel.values):
        if channel >= 0:
            axis.text(feature * group, -0.06 * step[0], f"channel {channel}", fontsize=6, va="bottom")
    axis.set(xticks=[], yticks=[])
    axis.set_ylabel(f"{layer.layer_name.item()}\n{field[0]} × {field[1]} px", rotation=0, ha="right", va="center", fontsize=7)
    axis.spines[:].set_visible(False)


def contrasted(reconstruction: np.ndarray) -> np.ndarray:
    """A reconstruction between 0 and 1, where 0.5 stands for 0."""
    seen = reconstruction[reconstruction != 0]
    if not len(seen):  # nothing came down to the pixels
        return np.full_like(reconstruction, 0.5)
    limit = min(np.abs(seen).max(), BRIGHTEST * np.sqrt(np.mean(seen**2)))
    scaled: np.ndarray = np.clip(0.5 + reconstruction / (2 * limit), 0, 1)
    return scaled


if "snakemake" in globals():
    run(main, globals()["snakemake"])
