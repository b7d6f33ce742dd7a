"""Figures of the test error against the stability, and against the number of training images."""

import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_relation import COLLECTIONS, NETWORKS, SETTINGS, make_related_summary
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import draw_error_against_stability, draw_learning_curves
from workflow_scripts.diffeo.error_relation import ALL, error_relation
from workflow_scripts.support.netcdf import write_dataset

SIZES = {"train_sizes": (500, 2000, 20000), "train_size_exponent": -0.3}
FEW = dict(list(NETWORKS.items())[:2])
PUBLISHED = "0.2 √R (Petrini et al. 2021, CIFAR-10)"


def related(*summaries):
    return error_relation(xr.concat(summaries, "checkpoint", join="outer"), SETTINGS, COLLECTIONS)


def points_of(axis):
    """Markers drawn with error bars, as (x, y, whether it is filled)."""
    lines = [container.lines[0] for container in axis.containers]
    return sorted((*line.get_xydata()[0].tolist(), line.get_markerfacecolor() != "white") for line in lines)


def laws(axis):
    """The lines of the fit and of the published law, if any, by style."""
    return {line.get_linestyle(): line for line in axis.lines if len(line.get_xdata()) == 50}


def test_a_row_for_each_data_set_and_a_column_for_each_quantity():
    relation = related(
        make_related_summary(datasets=("a", "dots"), **SIZES), make_related_summary(stabilities=FEW, datasets=("b",))
    )
    figure = draw_error_against_stability.draw(relation)
    assert len(figure.axes) == 9
    assert {"a\ntest error", "b\ntest error", "dots\ntest error", "relative stability $R_f$", "deformations $D_f$"} < texts(
        figure
    )
    assert {"fully connected", "VGG", "largest P", "smaller P", PUBLISHED} < texts(figure)
    assert "b = 0.50 ± 0.00, ρ = 1.00" in {axis.get_title() for axis in figure.axes}
    assert [axis.get_title() for axis in figure.axes[3:6]] == ["2 networks: no fit"] * 3
    assert not overlapping_texts(figure)


def test_points_and_laws_are_those_of_the_table():
    relation = related(make_related_summary(lambda r, d, g: 0.3 * r**0.7 * np.resize([1.0, 1.2], r.shape), **SIZES))
    axes = draw_error_against_stability.draw(relation).axes
    for axis, quantity in zip(axes, "RDG", strict=True):
        expected = zip(
            relation.stability.sel(quantity=quantity).values.tolist(),
            relation.test_error.values.tolist(),
            (relation.point_train_size.values == 20000).tolist(),
            strict=True,
        )
        assert points_of(axis) == sorted(expected)
        fit = relation.sel(dataset="a", selection=ALL, quantity=quantity)
        x, y = laws(axis)["-"].get_data()
        assert y == pytest.approx(fit.prefactor.item() * x ** fit.exponent.item(), rel=1e-9)
        assert ("--" in laws(axis)) == (quantity == "R")
    x, y = laws(axes[0])["--"].get_data()
    assert y == pytest.approx(0.2 * x**0.5, rel=1e-12)


def test_error_bars_have_two_directions_and_arrows_point_below_the_least_error():
    summary = make_related_summary(lambda r, d, g: np.where(r < 0.04, 0.0, 0.2 * r**0.5), relative_error=0.1)
    relation = related(summary)
    axis = draw_error_against_stability.draw(relation).axes[0]
    for container, place in zip(axis.containers, range(6), strict=True):
        x, y = (value.isel(point=place).item() for value in (relation.stability.sel(quantity="R"), relation.test_error))
        errors = (relation.log10_stability_standard_error.sel(quantity="R"), relation.log10_test_error_standard_error)
        across, up = (error.isel(point=place).item() for error in errors)
        segments = [bar.get_segments()[0] for bar in container.lines[2]]
        assert segments[0][:, 0] == pytest.approx([x / 10**across, x * 10**across], rel=1e-9)
        exact = relation.misclassified.isel(point=place).item() == 0
        assert segments[1][:, 1] == pytest.approx([y / 10**up, y if exact else y * 10**up], rel=1e-9)


@pytest.mark.parametrize("count", [1, 3])
def test_learning_curves_are_those_of_the_table(count):
    names = ("a", "b", "dots")[:count]
    relation = related(make_related_summary(datasets=names, trained_seeds=2, **SIZES))
    figure = draw_learning_curves.draw(relation)
    assert len(figure.axes) == 2 * count
    assert {"relative stability $R_f$", "test error", "number of training images $P$", "FC2"} < texts(figure)
    assert not overlapping_texts(figure)
    for axes, name in zip(np.reshape(figure.axes, (2, count)).T, names, strict=True):
        assert axes[0].get_title() == name
        lines = [[line for line in axis.lines if len(line.get_xdata()) == 3] for axis in axes]
        assert [len(found) for found in lines] == [6, 6]
        stability = lines[0][0].get_ydata()
        assert lines[0][0].get_xdata().tolist() == [500, 2000, 20000]
        assert stability == pytest.approx(stability[-1] * np.array([40, 10, 1]) ** 0.3)
        assert lines[1][0].get_ydata() == pytest.approx(0.2 * stability**0.5, rel=1e-9)


def test_recipes_are_lines_of_their_own():
    summary = make_related_summary(stabilities=FEW, **SIZES)
    other = summary.assign_coords(recipe=("checkpoint", ["sgd"] * summary.sizes["checkpoint"]))
    figure = draw_learning_curves.draw(related(summary, other.isel(checkpoint=np.flatnonzero(other.network == "fc2"))))
    assert {"FC2, adamw", "FC2, sgd", "simple CNN"} < texts(figure)


@pytest.mark.parametrize("script", [draw_error_against_stability, draw_learning_curves])
def test_without_points_the_figure_says_so(script):
    figure = script.draw(related(make_related_summary(trained_seeds=0, initial_seeds=1)))
    assert "known test error" in figure.axes[0].texts[0].get_text()


@pytest.mark.parametrize("script", ["draw_error_against_stability", "draw_learning_curves"])
def test_script_writes_a_valid_svg_and_png(script, tmp_path):
    write_dataset(related(make_related_summary(**SIZES)), tmp_path / "relation.nc", title="made up", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    sys.modules[f"workflow_scripts.{script}"].main(tmp_path / "relation.nc", svg, png)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")
