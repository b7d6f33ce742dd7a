"""Figures of activation spectra, on tables with planted numbers."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.synthetic_activations import CENTROIDS, LAYERS, PLANTED, WHITE, make_activation_table
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import draw_activation_depth, draw_activation_spectra
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.operation_panels import STATES
from workflow_scripts.support.plotting import OPERATION_MARKERS

MANY = {f"network_{index}": (-0.1, 0.05) for index in range(6)}
TABLES = [(PLANTED, ("mnist",)), (MANY, ("mnist",)), (dict.fromkeys(("lenet", "simple_cnn"), (0.1, 0.1)), ("a", "b"))]
COLOURS = [style["color"] for _, style in STATES]


def lines(axis: Axes, colour: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The lines of one state that are more than markers."""
    return [line.get_data() for line in axis.lines if line.get_color() == colour and line.get_linestyle() != "None"]


def panels_of(figure: Figure, column: int = 0) -> list[Axes]:
    """The three panels of a network: those that stand below each other."""
    left = sorted({round(axis.get_subplotspec().colspan.start) for axis in figure.axes})
    return [axis for axis in figure.axes if axis.get_subplotspec().colspan.start == left[column]][:3]


@pytest.mark.parametrize(("planted", "datasets"), TABLES)
def test_spectra(planted: dict[str, tuple[float, float]], datasets: tuple[str, ...]) -> None:
    figure = draw_activation_spectra.draw(make_activation_table(planted, datasets))
    assert len(figure.axes) == 3 * len(planted)
    assert {"initialisation", "trained", "channel averaged", "per channel", "|k| / Nyquist frequency"} < texts(figure)
    assert not overlapping_texts(figure)


def test_spectra_are_power_per_mode_over_that_of_white_noise() -> None:
    table = make_activation_table({"lenet": (-0.1, 0.05)}, seeds=2)
    figure = draw_activation_spectra.draw(table)
    first, middle, last = panels_of(figure)
    assert not middle.axison  # two convolutions have maps of 4 pixels or more
    for axis, layer, size in ((first, 1, 16), (last, 5, 8)):
        assert axis.texts[0].get_text() == f"{LAYERS[layer][1]}\n{size} px"
        modes = table.modes.sel(layer=layer)[0].dropna("wave_number")
        k = modes.wave_number.values[1:]
        density = (1.0 + k) ** -2
        white = density * modes.values[1:].sum() / (density * modes.values[1:]).sum()
        for colour in COLOURS:
            drawn = lines(axis, colour)
            assert len(drawn) == 2  # the normalisations, planted alike
            for x, y in drawn:
                assert x == pytest.approx(k / (size / 2))
                assert y == pytest.approx(white, rel=1e-6)
        bands = [np.ptp(np.log10(band.get_paths()[0].vertices[[1, -2], 1])) for band in axis.collections]
        assert bands == pytest.approx([2 * 0.05 / np.log(10)] * 4)


def test_spectra_without_a_convolution_say_so() -> None:
    table = make_activation_table({"lenet": (-0.1, 0.05)})
    figure = draw_activation_spectra.draw(
        table.where(table.layer == 0).assign(operation=table.operation.where(table.layer == 0, ""))
    )
    assert figure.axes[0].texts[0].get_text().startswith("No convolution")


@pytest.mark.parametrize(("number", "rows"), [(1, [0, None, None]), (2, [0, None, 1]), (3, [0, 1, 2]), (8, [0, 4, 7])])
def test_first_middle_and_last_layer(number: int, rows: list[int | None]) -> None:
    kinds = ["convolution"] * number + ["pool"]
    checkpoint = xr.Dataset({"operation": ("layer", kinds), "map_size": ("layer", [8] * (number + 1))})
    assert draw_activation_spectra.drawn_layers(checkpoint) == rows


@pytest.mark.parametrize(("planted", "datasets"), TABLES)
def test_depth(planted: dict[str, tuple[float, float]], datasets: tuple[str, ...]) -> None:
    figure = draw_activation_depth.draw(make_activation_table(planted, datasets))
    assert len(figure.axes) == 3 * len(planted)
    assert {*draw_activation_depth.ROWS.values(), "relative depth", "convolution", "activation"} < texts(figure)
    assert not overlapping_texts(figure)


def test_depth_shows_the_planted_frequencies() -> None:
    table = make_activation_table({"lenet": (-0.1, 0.05)})
    relative, kept, absolute = panels_of(draw_activation_depth.draw(table))
    chosen = table.sel(normalisation="channel_averaged")
    sizes = np.array([layer[4] for layer in LAYERS])
    for state, colour in enumerate(COLOURS):
        rows = (table.epoch == (0, 4)[state]) & (table.recipe == "adamw")
        centroid = chosen.centroid.isel(checkpoint=np.flatnonzero(rows))[0]
        left_out, with_mean = (centroid.sel(map_mean=name).values for name in ("removed", "kept"))
        assert left_out[1] / CENTROIDS[1] == pytest.approx((1, 10**-0.1)[state], rel=0.1)
        expected = ((relative, left_out / WHITE[1]), (kept, with_mean / WHITE[0]), (absolute, left_out * sizes / 2))
        for axis, values in expected:
            ((depth, drawn),) = lines(axis, colour)
            assert depth == pytest.approx(np.array([layer[0] for layer in LAYERS]) / 10)
            assert drawn == pytest.approx(values, rel=1e-6)
    marked = [line for line in relative.lines if line.get_marker() == OPERATION_MARKERS["activation"]]
    assert [line.get_xdata().tolist() for line in marked] == [pytest.approx([0.3, 0.6, 0.9])] * 2


@pytest.mark.parametrize("script", [draw_activation_spectra, draw_activation_depth])
def test_scripts_write_svg_and_png(script, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write_dataset(make_activation_table(), tmp_path / "table.nc", title="table", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    script.main(tmp_path / "table.nc", svg, png)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")
