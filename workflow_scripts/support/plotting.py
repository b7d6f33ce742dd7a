"""The one place for the style of figures. matplotlib's objects without pyplot: no display, no global figure list."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from workflow_scripts.support.atomic import atomic_path

COLUMNS = 4  # networks beside each other
PAGE_WIDTH = 7.2  # inches: two columns of a journal page
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "mathtext.fontset": "dejavusans",
    "svg.fonttype": "path",
    "svg.hashsalt": "diffeo",
    "savefig.dpi": 200,
}
# Told apart by the colour blind (Okabe and Ito; Tol) and of different lightness; markers tell them apart in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#000000", "#CC79A7", "#999933")
DATASET_COLOURS = (
    "#000000",
    "#E69F00",
    "#0072B2",
    "#56B4E9",
    "#D55E00",
    "#999933",
)  # of different lightness: no markers are left
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
OPERATION_MARKERS = {
    "input": "*",
    "convolution": "s",
    "batch_norm": "D",
    "activation": "^",
    "pool": "o",
    "blur": "h",
    "linear": "P",
    "residual_sum": "X",
    "logits": ">",
}
BAND = "#F3E3B3"
GREY = "#777777"
INITIAL = {"linestyle": (0, (3, 1.5)), "linewidth": 0.9}
TRAINED = {"linestyle": "-"}
FAMILIES = ("fully_connected", "simple_cnn", "lenet", "alexnet", "vgg", "resnet", "efficientnet")
SPELLINGS = {
    "mnist": "MNIST",
    "svhn": "SVHN",
    "cifar": "CIFAR-",
    "imagenet": "ImageNet",
    "cnn": "CNN",
    "fc": "FC",
    "lenet": "LeNet",
    "alexnet": "AlexNet",
    "vgg": "VGG",
    "resnet": "ResNet",
    "efficientnet": "EfficientNet",
}


def label(name: str) -> str:
    """A name of the configuration as people write it: `vgg11_bn_narrow` is VGG11 bn narrow, `mnist_5k` MNIST 5k."""

    def spelled(word: str) -> str:
        match = re.fullmatch(r"([a-z]+)(\d*)", word)
        return SPELLINGS[match[1]] + match[2] if match and match[1] in SPELLINGS else word

    return " ".join(spelled(word) for word in name.split("_"))


def join_cutoffs(calibrations: Sequence[xr.Dataset]) -> xr.Dataset:
    """Calibrations of one data set, each of one cutoff, as one dataset with the cutoffs in increasing order."""
    shared: dict[str, Any] = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    return xr.concat(calibrations, dim="cutoff", **shared).sortby("cutoff")


def family(architecture: str) -> int:
    """Place in `FAMILIES` of an architecture's family; their number for any other."""
    return next((place for place, name in enumerate(FAMILIES) if architecture.startswith(name)), len(FAMILIES))


def network_order(networks: Iterable[str], architectures: Iterable[str]) -> list[str]:
    """Names of networks, each once, from simple to deep architectures, then by name."""

    def rank(pair: tuple[str, str]) -> tuple[int, list[tuple[str, int]]]:
        words = re.findall(r"(\D*)(\d*)", pair[0])  # so that vgg9 comes before vgg11
        return (family(pair[1]), [(word, int(number or -1)) for word, number in words])

    return list(dict.fromkeys(name for name, _ in sorted(set(zip(networks, architectures, strict=True)), key=rank)))


def datasets_and_networks(checkpoints: xr.Dataset) -> tuple[list[str], list[str]]:
    """Names of the data sets of a summary, sorted, and of its networks, in the order of `network_order`."""
    names = network_order(checkpoints.network.values.tolist(), checkpoints.architecture.values.tolist())
    return sorted(set(checkpoints.dataset.values.tolist())), names


def line_style(index: int) -> dict[str, Any]:
    """Colour and marker of the index-th of several lines; all different up to 64, hollow markers from the ninth on."""
    colour = COLOURS[index % len(COLOURS)]
    marker = MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]
    return {"color": colour, "marker": marker, "markerfacecolor": "white" if index >= len(COLOURS) else colour}


def panels(
    rows: int, columns: int, *, width: float = PAGE_WIDTH, row_height: float = 1.9, **options: Any
) -> tuple[Figure, np.ndarray[Any, np.dtype[np.object_]]]:
    """Figure in the house style with rows × columns axes, as an array (rows, columns); `options` as of `Figure.subplots`."""
    matplotlib.rcParams.update(STYLE)
    figure = Figure(figsize=(width, row_height * rows + 0.4), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def wrapped_panels(
    count: int, *, columns: int = 3, row_height: float = 2.0, width: float = PAGE_WIDTH, **options: Any
) -> tuple[Figure, list[Axes], list[Axes]]:
    """Figure with `count` axes, row by row, at most `columns` in a row.

    Returns:
        figure; the axes; those of them that have no axes below and bear the labels of the x axis.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, width=width, row_height=row_height, **options)
    axes = list(grid.ravel())
    for spare in axes[count:]:
        spare.remove()
    lowest = axes[max(0, count - columns) : count]
    for axis in lowest:
        axis.xaxis.set_tick_params(labelbottom=True)
    return figure, axes[:count], lowest


def panels_by_network(
    titles: Sequence[str], rows: Sequence[str], *, row_height: float = 1.6, along_depth: bool = True
) -> tuple[Figure, np.ndarray[Any, np.dtype[np.object_]]]:
    """Figure with a column of panels for each network, at most `COLUMNS` beside each other; more are drawn below.

    Args:
        titles: of the networks.
        rows: what the panels of a column show, from above; the labels of the y axes, which panels beside each other share.
        row_height: in inches.
        along_depth: all x axes are the relative depth; or those of a row are shared.

    Returns:
        figure; its axes (network, row).
    """
    columns = min(COLUMNS, len(titles))
    blocks = -(-len(titles) // columns)
    width = PAGE_WIDTH if columns > 1 else PAGE_WIDTH / 2
    sharex: Any = True if along_depth else "row"
    figure, grid = panels(len(rows) * blocks, columns, width=width, row_height=row_height, sharex=sharex, sharey="row")
    by_network = grid.reshape(blocks, len(rows), columns).swapaxes(1, 2).reshape(-1, len(rows))
    for axis in by_network[len(titles) :].ravel():
        axis.remove()
    by_network = by_network[: len(titles)]
    for place, (title, axes) in enumerate(zip(titles, by_network, strict=True)):
        for axis, name in zip(axes, rows, strict=True):
            axis.set_ylabel("" if place % columns else name)
        axes[0].set_title(title)
        axes[-1].xaxis.set_tick_params(labelbottom=True)
        if along_depth:
            axes[-1].set(xlim=(-0.04, 1.04), xlabel="relative depth")
    return figure, by_network


def note_figure(note: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    lines = [part for line in note.splitlines() for part in wrap(line, 95)]
    figure, axes = panels(1, 1, row_height=0.4 + 0.2 * len(lines))
    axes[0, 0].set_axis_off()
    axes[0, 0].text(0.5, 0.5, "\n".join(lines), ha="center", va="center", transform=axes[0, 0].transAxes)
    return figure


def figure_of(draw: Callable[..., Figure], *measured: xr.Dataset) -> Figure:
    """What `draw` makes of result files; where one of them is empty, a figure of what it says about that.

    Empty are the file of a run with a `note` alone, and a table of runs that were all `left_out`.
    """
    for each in measured:
        if not each.data_vars:
            return note_figure(f"Nothing was measured:\n{each.attrs.get('note') or each.attrs['left_out']}")
    return draw(*measured)


def band(axes: Axes, x: Any, value: Any, error: Any, **style: Any) -> Line2D:
    """Draw a line and around it, lighter, plus and minus one standard error."""
    x, value, error = (np.asarray(numbers, float) for numbers in (x, value, error))
    (line,) = axes.plot(x, value, **{"markeredgewidth": 0.7, **style})
    axes.fill_between(x, value - error, value + error, color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def log_band(axes: Axes, x: Any, log10_value: Any, log10_error: Any, **style: Any) -> Line2D:
    """Draw `band` for a number that is known by its base-10 logarithm."""
    x, middle, error = (np.asarray(numbers, float) for numbers in (x, log10_value, log10_error))
    (line,) = axes.plot(x, 10**middle, **{"markeredgewidth": 0.7, **style})
    axes.fill_between(x, 10 ** (middle - error), 10 ** (middle + error), color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def legend_below(figure: Figure, handles: Sequence[Artist], labels: Sequence[str] | None = None) -> None:
    """Legend under all panels, where it covers no data; as many columns as the width of the figure has room for."""
    names = [str(handle.get_label()) for handle in handles] if labels is None else list(labels)
    room = figure.get_figwidth() / (0.065 * max(map(len, names)) + 0.55)
    figure.legend(
        handles=list(handles),
        labels=names,
        loc="outside lower center",
        ncols=max(1, min(len(names), int(room))),
        handlelength=2.6,
        columnspacing=1.2,
    )


def state_handles() -> list[Line2D]:
    """Legend entries for the two states of a network."""
    entries = (("initialisation", INITIAL), ("trained", TRAINED))
    return [Line2D([], [], color=GREY, label=name, **style) for name, style in entries]


def operation_handles(kinds: Collection[str]) -> list[Line2D]:
    """Legend entries for the kinds of operations, as far as they are used."""
    used = {kind: marker for kind, marker in OPERATION_MARKERS.items() if kind in kinds}
    style: dict[str, Any] = {"color": GREY, "linestyle": "none"}
    return [Line2D([], [], marker=marker, label=kind.replace("_", " "), **style) for kind, marker in used.items()]


def save_figure(figure: Figure, svg: Path, png: Path) -> None:
    """Write both files, each whole or not at all; the same figure gives the same bytes."""
    matplotlib.rcParams.update(STYLE)
    for path, kind, metadata in ((svg, "svg", {"Date": None}), (png, "png", {"Software": None})):
        with atomic_path(path) as partial:
            figure.savefig(partial, format=kind, metadata=metadata)


def plain_log_ticks(axis: Axis, of_decade: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """Label these numbers of every decade as plain numbers: for a logarithmic axis that spans few decades."""
    axis.set_major_locator(LogLocator(subs=of_decade))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def few_log_ticks(axes: Axes, decades: float = 2.0) -> None:
    """Plain numbers on those logarithmic axes that span no more decades than this: there 1, 2 and 5 of each have room."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        if high <= low * 10**decades:
            plain_log_ticks(axis)
