"""Figures of channels show the planted numbers."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

from tests.synthetic_channels import SHUFFLED, make_coupling_table, make_shuffle_table
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import draw_channel_coupling, draw_channel_shares, draw_channel_shuffle
from workflow_scripts.support.netcdf import write_dataset

MANY = {f"network_{index}": (-1.0, -0.2) for index in range(6)}
SCRIPTS: dict[str, tuple[Any, xr.Dataset]] = {
    "channel_shuffle": (draw_channel_shuffle, make_shuffle_table()),
    "channel_shares": (draw_channel_shares, make_shuffle_table()),
    "channel_coupling": (draw_channel_coupling, make_coupling_table()),
}


def drawn(axis: Axes) -> list[np.ndarray]:
    """Ordinates of the lines that have markers."""
    return [np.asarray(line.get_ydata(), float) for line in axis.lines if line.get_marker() not in ("None", "", None, "_", "|")]


def test_shuffled_networks_show_d_g_and_r_of_all_variants_in_both_states() -> None:
    figure = draw_channel_shuffle.draw(make_shuffle_table())
    assert len(figure.axes) == 3 * 2  # without the simple CNN
    of_vgg = figure.axes[5]
    assert "VGG11" in figure.axes[1].get_title()
    lines = drawn(of_vgg)
    assert len(lines) == 6
    depth = np.arange(6) / 5
    expected = [0.0] * 3 + [-1.0, -0.2, -0.2]  # initialisation; standard, shuffled, recalibrated
    for line, slope in zip(lines, expected, strict=True):
        np.testing.assert_allclose(line, 10 ** (slope * depth))
    assert {"standard", "shuffled channels", "shuffled, batch-norm recalibrated", "trained"} <= texts(figure)


def test_shares_and_single_convolutions_show_the_planted_numbers() -> None:
    figure = draw_channel_shares.draw(make_shuffle_table())
    lenet, vgg = figure.axes[:2]
    for axis, share in ((lenet, 0.8), (vgg, 0.2)):
        spatial, channel = drawn(axis)
        np.testing.assert_allclose(spatial[1:], share)
        np.testing.assert_allclose(channel[1:], 1 - share)
    before, after = drawn(figure.axes[3])
    np.testing.assert_allclose(before, 1)
    np.testing.assert_allclose(after, 10**0.4)


def test_shares_that_are_hardly_known_are_not_drawn() -> None:
    figure = draw_channel_shares.draw(make_shuffle_table({"lenet": (-2.0, -1.0)}, error=0.3))
    assert all(np.isnan(line).all() for line in drawn(figure.axes[0]))


def test_networks_that_are_not_stable_have_a_note_in_place_of_shares() -> None:
    figure = draw_channel_shares.draw(make_shuffle_table({"lenet": (0.3, 0.1)}))
    assert [text.get_text() for text in figure.axes[0].texts] == [draw_channel_shares.NO_SHARE]


def test_coupling_shows_effects_and_null_of_networks_that_have_pairs() -> None:
    figure = draw_channel_coupling.draw(make_coupling_table())
    assert [axis.get_title().split("\n")[0] for axis in figure.axes[:2]] == ["simple CNN", "VGG11 bn narrow"]
    for column, (rotation, translation) in enumerate(((0.3, 0.0), (0.1, -0.1))):
        for axis, planted in ((figure.axes[column], rotation), (figure.axes[2 + column], translation)):
            before, after = drawn(axis)
            np.testing.assert_allclose(before, 0)
            np.testing.assert_allclose(after, planted / 0.05)
            (null,) = [part for part in axis.collections if part.get_alpha() == 0.3]
            segments = np.array(null.get_segments())
            np.testing.assert_allclose(segments, [[[x, -2], [x, 2]] for x in (0.4, 0.7)])


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("epochs", [(0,), (2,), (0, 2)])
def test_either_state_may_be_missing(name: str, epochs: tuple[int, ...]) -> None:
    script, table = SCRIPTS[name]
    figure = script.draw(table.isel(checkpoint=np.flatnonzero(np.isin(table.epoch, epochs))))
    assert not overlapping_texts(figure)


@pytest.mark.parametrize("name", SCRIPTS)
def test_many_networks_fit(name: str) -> None:
    script, _ = SCRIPTS[name]
    table = make_coupling_table(MANY) if name == "channel_coupling" else make_shuffle_table(MANY | SHUFFLED)
    assert not overlapping_texts(script.draw(table))


@pytest.mark.parametrize("name", SCRIPTS)
def test_figures_without_a_network_say_why(name: str) -> None:
    script, table = SCRIPTS[name]
    alone = "lenet" if name == "channel_coupling" else "simple_cnn"
    figure = script.draw(table.isel(checkpoint=np.flatnonzero(table.network == alone)))
    assert len(figure.axes[0].texts) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_writes_a_valid_svg_and_png(name: str, tmp_path: Path) -> None:
    script, table = SCRIPTS[name]
    write_dataset(table, tmp_path / "table.nc", title="table", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    script.main(tmp_path / "table.nc", svg, png)
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert png.read_bytes().startswith(b"\x89PNG")
