"""Draw the strongest patches of one run's neurons and their reconstructions, a row for each layer."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import GREY, label, panels, save_figure

LAYERS, CHANNELS, PATCHES = 8, 4, 4  # drawn at most
STEP, GAP = 1.06, 0.3  # from one picture to the next, and between channels, in edges of a picture


def main(deconvolution: Path, svg: Path, png: Path) -> None:
    """Draw the last epoch of a run."""
    save_figure(draw(read_dataset(deconvolution)), svg, png)


def draw(deconvolution: xr.Dataset) -> Figure:
    """Above the patches, below their reconstructions; layers are spread evenly over the network."""
    run_of = [name for name in ("dataset", "network", "recipe", "train_size", "seed")]
    dataset, network = deconvolution.dataset.item(), deconvolution.network.item()
    chosen = deconvolution.squeeze(run_of).isel(epoch=-1, feature=slice(CHANNELS), patch=slice(PATCHES))
    layers = np.unique(np.linspace(0, chosen.sizes["layer"] - 1, LAYERS).round().astype(int))
    figure, axes = panels(len(layers), 1, row_height=1.02)
    for axis, layer in zip(axes[:, 0], layers, strict=True):
        draw_layer(axis, chosen.isel(layer=layer))
    state = "at initialisation" if chosen.epoch == 0 else f"epoch {chosen.epoch.item()}"
    figure.suptitle(f"{label(network)} on {label(dataset)}, {state}", fontsize=9)
    return figure


def draw_layer(axis: Axes, layer: xr.Dataset) -> None:
    """The patches of some channels of one layer, the strongest on the left."""
    features, patches = layer.sizes["feature"], layer.sizes["patch"]
    size = layer.receptive_field.values
    for feature in range(features):
        left = feature * (patches * STEP + GAP)
        channel = int(layer.feature_channel[feature])
        if channel < 0:
            continue
        axis.text(left, -0.08, f"channel {channel}", fontsize=6, va="bottom")
        for patch in range(patches):
            draw_patch(axis, layer.isel(feature=feature, patch=patch), left + patch * STEP)
    axis.set(xlim=(0, features * (patches * STEP + GAP) - GAP), ylim=(1 + STEP, -0.4), aspect="equal", xticks=[], yticks=[])
    axis.set_ylabel(f"{layer.layer_name.item()}\n{size[0]} × {size[1]} px", rotation=0, ha="right", va="center", fontsize=7)
    for spine in axis.spines.values():
        spine.set_visible(False)


def draw_patch(axis: Axes, patch: xr.Dataset, left: float) -> None:
    """A patch of an image and, below, what the deconvnet makes of it; white is outside of the image."""
    if not patch.activation > 0:
        return
    start, stop = patch.box_start.values, patch.box_stop.values
    whole = np.array([patch.sizes["row"], patch.sizes["column"]])
    size = np.minimum(patch.receptive_field.values, whole)
    beyond = np.where(size == whole, start, np.where(start == 0, size - (stop - start), 0))  # pixels left free before the patch
    top, first = beyond / size
    bottom, last = (beyond + stop - start) / size
    crop = {"row": slice(start[0], stop[0]), "column": slice(start[1], stop[1])}
    image = patch.image.sel(picture=patch.image_index) / 255
    for below, picture in ((0.0, image), (STEP, 0.5 + patch.reconstruction / 2)):
        place = (left + first, left + last, below + bottom, below + top)
        values = picture.isel(crop).transpose("row", "column", "channel").values
        values = values if values.shape[-1] == 3 else values[..., 0]
        axis.imshow(values, cmap="gray", vmin=0, vmax=1, extent=place, interpolation="nearest", zorder=2)
        frame = [(place[0], place[2]), (place[1], place[2]), (place[1], place[3]), (place[0], place[3]), (place[0], place[2])]
        axis.plot(*zip(*frame, strict=True), color=GREY, linewidth=0.3, zorder=3)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
