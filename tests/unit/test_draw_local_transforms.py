"""Figures of local transforms on a made-up table."""

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.synthetic_neurons import NETWORKS, make_table
from workflow_scripts import draw_neuron_firing, draw_neuron_stability, draw_transform_displacement
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.transform_panels import TRANSFORM_STYLES


@pytest.fixture(scope="module")
def table() -> xr.Dataset:
    return make_table(relative=0.1)


def lines_of(axis: Axes, colour: str) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in axis.lines if line.get_color() == colour]


def panels_of(figure: Figure, columns: int) -> np.ndarray:
    return np.array(figure.axes[: len(NETWORKS) * columns]).reshape(len(NETWORKS), columns)


def test_stability_shows_every_activation_transform_and_state(table: xr.Dataset) -> None:
    figure = draw_neuron_stability.draw(table, "normalised", "frobenius")
    for axes, (network, layers) in zip(panels_of(figure, 3), NETWORKS.items(), strict=True):
        planted = table.isel(checkpoint=np.flatnonzero((table.network == network) & (table.dataset == "a")), strength=2)
        for axis, choice in zip(axes, table.patch_choice.values, strict=True):
            for transform, style in TRANSFORM_STYLES.items():
                initial, trained = lines_of(axis, style["color"])
                assert len(initial) == len(trained) == layers
                expected = planted.alpha_normalised.sel(patch_choice=choice, transform=transform).isel(
                    layer=slice(1, 2 * layers, 2)
                )
                np.testing.assert_allclose([initial, trained], expected, rtol=1e-9)
    assert [axis.get_title() for axis in figure.axes[:3]] == ["random patches", "strongest patch", "k strongest patches"]
    assert "norm δ = 1" in figure.get_suptitle()
    assert "rms displacement δ = 1 px" in draw_neuron_stability.draw(table, "raw", "displacement").get_suptitle()


def test_firing_shows_invariance_and_activity(table: xr.Dataset) -> None:
    figure = draw_neuron_firing.draw(table)
    random, strongest, active = panels_of(figure, 3)[1]
    for axis in (random, strongest):
        assert len(axis.lines) == 8
    patches, neurons = (style["color"] for style in draw_neuron_firing.ACTIVE_STYLES.values())
    np.testing.assert_allclose(lines_of(active, patches), np.full((2, 5), 0.4))
    np.testing.assert_allclose(lines_of(active, neurons), np.full((2, 5), 1.0))


def test_displacement_is_against_the_edge_of_the_field(table: xr.Dataset) -> None:
    left, right = draw_transform_displacement.draw(table).axes[:2]
    unlimited = next(line for line in left.lines if line.get_linestyle() == ":")
    edges = np.asarray(unlimited.get_xdata(), float)
    np.testing.assert_allclose(unlimited.get_ydata(), edges / math.sqrt(12))
    assert edges[-1] == float(table.receptive_field.max())
    vgg = [line for line in right.lines if len(line.get_xdata()) == 5]
    assert len(vgg) == 2
    np.testing.assert_allclose(vgg[0].get_xdata(), [3, 11, 19, 27, 35])
    np.testing.assert_allclose([line.get_ydata() for line in vgg], [[0.1] * 5, [0.7] * 5])


def test_figures_are_written_where_only_initialisations_were_measured(table: xr.Dataset, tmp_path: Path) -> None:
    write_dataset(table.isel(checkpoint=np.flatnonzero(table.epoch == 0)), tmp_path / "t.nc", title="made up", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    for draw in (
        lambda: draw_neuron_stability.main(tmp_path / "t.nc", svg, png, "raw", "frobenius"),
        lambda: draw_neuron_firing.main(tmp_path / "t.nc", svg, png),
        lambda: draw_transform_displacement.main(tmp_path / "t.nc", svg, png),
    ):
        draw()
        assert png.read_bytes().startswith(b"\x89PNG")
        assert svg.read_text().startswith("<?xml")
        png.unlink()
