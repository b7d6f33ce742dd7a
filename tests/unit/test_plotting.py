import xml.etree.ElementTree as ET

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb

from tests.synthetic import make_calibration
from workflow_scripts.support.plotting import (
    COLOURS,
    DATASET_COLOURS,
    STYLE,
    band,
    figure_of,
    join_cutoffs,
    label,
    legend_below,
    line_style,
    log_band,
    network_order,
    panels,
    panels_by_network,
    save_figure,
    state_handles,
    wrapped_panels,
)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("fashion_mnist", "fashion MNIST"),
        ("mnist_5k", "MNIST 5k"),
        ("cifar10", "CIFAR-10"),
        ("vgg11_bn_narrow", "VGG11 bn narrow"),
        ("simple_cnn_9x9", "simple CNN 9x9"),
        ("resnet18", "ResNet18"),
        ("my-set", "my-set"),
    ],
)
def test_label(name, written):
    assert label(name) == written


def test_network_order_is_from_simple_to_deep_and_counts_up():
    names = ["r", "v16", "v9", "v16", "c", "f", "x"]
    kinds = ["resnet18", "vgg16", "vgg11_bn", "vgg16", "simple_cnn", "fully_connected", "something_else"]
    assert network_order(names, kinds) == ["f", "c", "v9", "v16", "r", "x"]


def test_sixteen_lines_differ_in_grey_and_in_colour():
    styles = [line_style(index) for index in range(16)]
    hollow = [style["markerfacecolor"] == "white" for style in styles]
    assert len({(style["marker"], empty) for style, empty in zip(styles, hollow, strict=True)}) == 16
    assert len({(style["color"], empty) for style, empty in zip(styles, hollow, strict=True)}) == 16


@pytest.mark.parametrize("colours", [COLOURS[:2], DATASET_COLOURS[:3]])
def test_first_colours_have_different_lightness(colours):
    lightness = sorted(np.dot(to_rgb(colour), [0.2126, 0.7152, 0.0722]) for colour in colours)
    assert min(np.diff(lightness)) > 0.15


def test_text_is_seven_points_or_larger():
    sizes = [value for key, value in STYLE.items() if key.endswith(("size", "fontsize")) and "marker" not in key]
    assert min(sizes) >= 7


@pytest.mark.parametrize(("count", "columns"), [(1, 3), (3, 3), (4, 3), (6, 3), (7, 3), (2, 1)])
def test_wrapped_panels_label_the_lowest_of_each_column(count, columns):
    figure, axes, lowest = wrapped_panels(count, columns=columns, sharex=True)
    assert len(figure.axes) == len(axes) == count
    assert lowest == axes[-min(columns, count) :]


@pytest.mark.parametrize("count", [1, 3, 5])
def test_panels_by_network_are_columns_of_named_rows(count):
    figure, axes = panels_by_network([f"network {place}" for place in range(count)], ["D", "R"])
    assert axes.shape == (count, 2)
    assert set(figure.axes) == set(axes.ravel())
    assert [column[0].get_title() for column in axes] == [f"network {place}" for place in range(count)]
    assert [[axis.get_ylabel() for axis in column] for column in axes] == [
        ["D", "R"] if place % 4 == 0 else ["", ""] for place in range(count)
    ]
    assert {column[1].get_xlabel() for column in axes} == {"relative depth"}


def test_bands_are_one_standard_error():
    _, ((axis,),) = panels(1, 1)
    band(axis, [1, 2], [3.0, 4.0], [0.5, 0.25])
    log_band(axis, [1, 2], [0.0, 1.0], [0.1, 0.2])
    plain, logarithmic = (collection.get_paths()[0].vertices for collection in axis.collections)
    assert {tuple(vertex) for vertex in plain} >= {(1, 2.5), (2, 3.75), (1, 3.5), (2, 4.25)}
    assert np.isclose(sorted(set(logarithmic[:, 1]))[0], 10**-0.1)
    assert np.isclose(sorted(set(logarithmic[:, 1]))[-1], 10**1.2)
    assert np.allclose(axis.lines[1].get_ydata(), [1, 10])


def test_join_cutoffs_sorts_and_keeps_what_is_shared():
    joined = join_cutoffs([make_calibration(cutoff=cutoff) for cutoff in (6, 3)])
    assert joined.cutoff.values.tolist() == [3, 6]
    assert joined.temperature.dims == ("dataset", "cutoff", "strength")
    assert joined.displacement.dims == ("dataset", "strength")
    assert joined.temperature.sel(cutoff=6).values == pytest.approx(make_calibration(cutoff=6).temperature.values[:, 0])


def test_legend_lies_below_the_panels():
    figure, ((axis,),) = panels(1, 1)
    axis.plot([0, 1])
    legend_below(figure, state_handles())
    figure.draw_without_rendering()
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["initialisation", "trained"]
    assert legend.get_window_extent().y1 < axis.get_window_extent().y0


def small_figure():
    figure, ((axis,),) = panels(1, 1)
    axis.fill_between([0, 1], [0, 1], [1, 2], hatch="//")
    return figure


def test_files_are_valid_whole_and_the_same_every_time(tmp_path):
    for name in ("first", "second"):
        save_figure(small_figure(), tmp_path / f"{name}.svg", tmp_path / f"{name}.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "first.svg", "second.png", "second.svg"]
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    assert ET.parse(tmp_path / "first.svg").getroot().tag.endswith("svg")
    header = (tmp_path / "first.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(header[16:20]) == round(7.2 * 200)


def test_a_figure_of_an_empty_file_says_why_it_is_empty():
    measured = xr.Dataset({"value": ("x", [1.0])})
    empty = xr.Dataset(attrs={"note": "the network has no convolution"})
    left_out = xr.Dataset(attrs={"left_out": "fc2 on mnist: no maps\nfc4 on mnist: no maps"})
    drawn = []
    assert figure_of(lambda *found: drawn.append(found), measured, measured) is None
    assert drawn == [(measured, measured)]
    for other, said in ((empty, "the network has no convolution"), (left_out, "fc2 on mnist: no maps\nfc4 on mnist: no maps")):
        (text,) = figure_of(lambda *found: drawn.append(found), measured, other).axes[0].texts
        assert text.get_text() == f"Nothing was measured:\n{said}"
    assert len(drawn) == 1
