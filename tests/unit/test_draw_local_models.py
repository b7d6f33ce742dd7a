"""Figures of the local models and of the networks that blur."""

import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.synthetic_local_models import BLURRING, local_blocks, make_blurring_summary, make_local_summary, planted_stability
from tests.unit.test_draw_figures import SETTINGS, line_of, overlapping_texts, texts
from workflow_scripts import draw_antialiasing, draw_local_models
from workflow_scripts.support.netcdf import write_dataset

GRIDS = [((16,), (5,), (2, 8)), ((16, 64), (3, 5, 9), (2, 4, 7)), ((16,), (5,), (4,))]


@pytest.mark.parametrize("grid", GRIDS)
def test_a_row_for_each_number_that_varies(grid):
    figure = draw_local_models.draw(make_local_summary(local_blocks(*grid)), SETTINGS)
    rows = max(1, sum(len(values) > 1 for values in grid))
    assert len(figure.axes) == 4 * rows
    assert {"pooling size $p_s$ (px)", "convolutional", "locally connected", "read-out trained", "whole net trained"} < texts(
        figure
    )
    assert [axis.get_title() for axis in figure.axes[:4]] == [name for name, _ in draw_local_models.QUANTITIES.values()]
    assert not overlapping_texts(figure)
    for axis, values in zip(figure.axes[::4], [values for values in grid if len(values) > 1] or [grid[-1]], strict=True):
        assert axis.get_xticks().tolist() == list(values)
        assert len([line for line in axis.lines if len(line.get_xdata()) == len(values) and line.get_marker() != "None"]) == 6


def state_of(line):
    """What was trained of a line's models."""
    if line.get_markerfacecolor() == "white":
        return "initial"
    return "all" if line.get_linestyle() == "-" else "readout"


def test_lines_show_the_planted_numbers():
    blocks = local_blocks()
    stability, deformations, noise, error = draw_local_models.draw(make_local_summary(blocks), SETTINGS).axes
    for connected, (_, colour) in draw_local_models.CONNECTIONS.items():
        lines = {state_of(line): line for line in stability.lines if line.get_color() == colour}
        assert lines["initial"].get_ydata() == pytest.approx([1, 1])
        for part in ("all", "readout"):
            chosen = [block for block in blocks.values() if (block["locally_connected"], block["trained"]) == (connected, part)]
            assert lines[part].get_ydata() == pytest.approx([planted_stability(block)[1] for block in chosen])
            assert lines[part].get_xdata().tolist() == [2, 8]
    assert len(deformations.lines) == len(noise.lines) == len(error.lines) == 6
    for line in error.lines:
        assert line.get_ydata() == pytest.approx([0.9 if state_of(line) == "initial" else 0.2] * 2)


def test_the_two_poolings_have_lines_of_their_own():
    blocks = local_blocks()
    averaging = {f"{name}_average": {**block, "pooling": "average"} for name, block in blocks.items()}
    figure = draw_local_models.draw(make_local_summary(blocks | averaging), SETTINGS)
    assert {"convolutional, max pooling", "locally connected, average pooling"} < texts(figure)
    assert len({(line.get_color(), line.get_marker(), state_of(line)) for line in figure.axes[1].lines}) == 12
    assert not overlapping_texts(figure)


def test_models_that_were_not_trained_are_drawn_too():
    summary = make_local_summary(initial_seeds=1, trained_seeds=0)
    summary["error"] = np.nan * summary.error  # known where there is a training
    figure = draw_local_models.draw(summary, SETTINGS)
    assert [len(axis.lines) for axis in figure.axes] == [3, 2, 2]  # the first has a line at 1
    assert not overlapping_texts(figure)


def test_it_draws_the_data_set_with_most_models():
    both = make_local_summary(datasets=("a", "b"))
    few = both.isel(checkpoint=np.flatnonzero((both.dataset == "b") | (both.network == "conv_all_h16_f5_p2")))
    assert draw_local_models.draw(few, SETTINGS).axes[0].get_ylabel() == "b"


# Networks that blur


def test_pair_is_drawn_after_each_operation():
    summary = make_blurring_summary()
    axes = draw_antialiasing.draw(summary, SETTINGS).axes
    assert [axis.get_title() for axis in axes] == ["VGG11 bn\nfashion MNIST", "", ""]
    assert {"as it is", "anti-aliased", "pool"} < texts(axes[0].figure)
    for axis, factor in zip(axes, (0.4, 0.4, 1.0), strict=True):
        (depth, plain), (_, blurred) = (line_of(axis, state) for state in ("initialisation", "trained"))
        assert (depth[0], depth[-1]) == (0, 1)
        for end in (0, -1):  # the two have another number of operations between
            assert blurred[end] / plain[end] == pytest.approx(factor)


def test_columns_are_the_data_sets_and_networks_with_a_partner():
    figure = draw_antialiasing.draw(make_blurring_summary(datasets=("a", "b"), trained_seeds=2), SETTINGS)
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == ["VGG11 bn\na", "VGG11 bn\nb"]
    assert not overlapping_texts(figure)


def test_without_a_pair_the_figure_says_so():
    summary = make_blurring_summary(initial_seeds=1, trained_seeds=0)
    assert draw_antialiasing.draw(summary, SETTINGS).axes[0].texts[0].get_text() == (
        "No network was trained both with and without anti-aliasing."
    )
    assert set(summary.network.values) == set(BLURRING)


@pytest.mark.parametrize(
    ("script", "make"), [("draw_local_models", make_local_summary), ("draw_antialiasing", make_blurring_summary)]
)
def test_script_writes_a_valid_svg_and_png(script, make, tmp_path):
    write_dataset(make(), tmp_path / "summary.nc", title="made up", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    sys.modules[f"workflow_scripts.{script}"].main(tmp_path / "summary.nc", svg, png, SETTINGS)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")
