"""Draw images with noise of the norm of the bump of G/r² beside the images without, small images and photographs alike."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow_scripts.diffeo.predictor_averages import positions
from workflow_scripts.diffeo.run_averages import Groups, trained
from workflow_scripts.support.images import StoredImages, load_images
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset
from workflow_scripts.support.plotting import label, note_figure, save_figure, wrapped_panels

SHOWN = 3  # images of each data set
GAP = 0.06  # between pictures, in pictures


class Strength(NamedTuple):
    """A norm of noise and why this one."""

    norm: float
    reason: str


def main(predictor: Path, data: list[Path], svg: Path, png: Path, seed: int) -> None:
    """Draw the first test images of every data set on which trained networks were looked at; `seed` is that of the noise."""
    chosen = trained(read_dataset(predictor))
    names = set(chosen.dataset.values.tolist())
    images = {path.stem: load_images(path, {"test": SHOWN}, at_most=True) for path in data if path.stem in names}
    save_figure(draw(chosen, images, seed), svg, png)


def draw(chosen: xr.Dataset, images: dict[str, StoredImages], seed: int) -> Figure:
    """A panel for each data set, in the order of the images' size: above the images, below them the same with noise.

    Args:
        chosen: trained checkpoints of results/predictor.nc.
        images: images of each data set.
        seed: of the noise.
    """
    if not images:
        return note_figure("no trained network was measured")
    names = sorted(images, key=lambda name: (int(np.prod(images[name].shape)), name))
    columns = min(3, len(names))
    figure, axes, _ = wrapped_panels(len(names), columns=columns, row_height=1.8, width=2.4 * columns)
    for axis, name in zip(axes, names, strict=True):
        strength = noise_strength(chosen.isel(checkpoint=np.flatnonzero(chosen.dataset == name)))
        draw_panel(axis, images[name], strength, name, seed)
    return figure


def noise_strength(checkpoints: xr.Dataset) -> Strength:
    """Geometric mean over networks of the bump position (logits, mean); without a bump of the onset, without that the last r."""
    count = len(set(checkpoints.network.values.tolist()))
    noise = checkpoints.reindex(perturbation=["noise"]).isel(perturbation=0)
    found = positions(noise.sel(output="logits", statistic="mean"), "bump_position")
    if found:
        return Strength(middle(found), f"the bump of {of_networks(len(found), count)}")
    found = positions(noise, "onset")
    if found:
        return Strength(middle(found), f"no bump; a tenth of the labels\nchanged, {of_networks(len(found), count)}")
    return Strength(float(checkpoints.radius.max()), "no bump, labels hardly change;\nthe largest r of the sweep")


def middle(found: Groups) -> float:
    """Geometric mean over networks of a position."""
    return float(10 ** np.mean([float(average.value) for average in found.values()]))


def of_networks(some: int, count: int) -> str:
    """Number of networks in words."""
    return f"{some} network{'s' if some > 1 else ''}" if some == count else f"{some} of {count} networks"


def draw_panel(axis: Axes, stored: StoredImages, strength: Strength, name: str, seed: int) -> None:
    """Pictures of one data set, with the norm of the noise beneath."""
    clean = stored.images["test"] / 255
    noisy = np.stack([with_noise(image, stored, strength.norm, f"{name} {place}", seed) for place, image in enumerate(clean)])
    pictures = np.stack([clean, noisy])
    axis.imshow(mosaic(pictures), interpolation="none", extent=(0, len(clean), 0, len(pictures)))
    axis.set_xticks([])
    axis.set_yticks([1.5, 0.5], ["$x$", r"$x + \eta$"])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    channels, height, width = stored.shape
    pixels = channels * height * width
    axis.set_title(f"{label(name)}, {height} × {width}" + (" × 3 colours" if channels == 3 else ""))
    per_pixel = strength.norm / np.sqrt(pixels)
    axis.set_xlabel(f"$r$ = {strength.norm:.3g}, per pixel $r/\\sqrt{{d}}$ = {per_pixel:.2g}\n({strength.reason})")


def with_noise(
    image: np.ndarray[Any, Any], stored: StoredImages, norm: float, purpose: str, seed: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """An image (channel, row, column) from 0 to 1 plus isotropic noise, clipped; `norm` is that in the normalised image."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, *f"noisy samples {purpose}".encode()]))
    noise = generator.standard_normal(image.shape)
    noise *= norm / np.linalg.norm(noise)
    return np.asarray(np.clip(image + noise * stored.standard_deviation[:, None, None], 0, 1))


def mosaic(pictures: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Pictures (row of pictures, column of pictures, channel, row, column) as one (row, column, 3), white between them."""
    colours = np.broadcast_to(pictures, (*pictures.shape[:2], 3, *pictures.shape[3:]))
    gap = max(1, round(GAP * pictures.shape[-1]))
    padded = np.pad(colours, ((0, 0), (0, 0), (0, 0), (0, gap), (0, gap)), constant_values=1.0)
    lines, columns, _, height, width = padded.shape
    return padded.transpose(0, 3, 1, 4, 2).reshape(lines * height, columns * width, 3)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
