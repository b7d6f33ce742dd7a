"""Figures of displacement fields."""

import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.quiver import Quiver

from tests.synthetic_fields import make_fields
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import draw_field_norms, draw_field_parts, draw_field_patches
from workflow_scripts.support.netcdf import write_dataset

SCRIPTS = ("draw_field_norms", "draw_field_parts", "draw_field_patches")


@pytest.fixture(scope="module")
def fields():
    return make_fields(cutoffs=[3, 4, 5], draws=100)


@pytest.fixture(scope="module")
def one_cutoff():
    return make_fields(size=18, cutoffs=[2], draws=5, temperatures=2, patch_sizes=[9])


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_texts_overlap(script, fields, one_cutoff):
    for dataset in (fields, one_cutoff):
        assert not overlapping_texts(sys.modules[f"workflow_scripts.{script}"].draw(dataset))


@pytest.mark.parametrize("script", SCRIPTS)
def test_both_files_are_written_and_the_same_again(script, one_cutoff, tmp_path):
    write_dataset(one_cutoff, tmp_path / "fields.nc", title="fields", configuration={})
    paths = [tmp_path / name for name in ("a.svg", "a.png", "b.svg", "b.png")]
    for svg, png in (paths[:2], paths[2:]):
        sys.modules[f"workflow_scripts.{script}"].main(tmp_path / "fields.nc", svg, png)
    assert ET.parse(paths[0]).getroot().tag.endswith("svg")
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert [path.read_bytes() for path in paths[:2]] == [path.read_bytes() for path in paths[2:]]


def drawn(axis, x, y):
    """Whether one of the lines of the axis has these points."""
    return any(
        len(line.get_xdata()) == len(x) and np.allclose(line.get_xdata(), x) and np.allclose(line.get_ydata(), y, rtol=1e-6)
        for line in axis.lines
    )


def test_norms_are_drawn_with_the_exact_lines_and_the_formulas(fields):
    figure = draw_field_norms.draw(fields)
    tau_of_temperature, parts_of_temperature, _, parts_of_cutoff = figure.axes[:4]
    middle = fields.sel(cutoff=4, mode_rule="padded", average="grid")
    x = middle.temperature.values
    assert drawn(tau_of_temperature, x, middle.squared_norm.sel(part="tau"))
    assert drawn(tau_of_temperature, x, middle.squared_norm_exact.sel(part="tau"))
    assert drawn(parts_of_temperature, x, middle.squared_norm_formula.sel(part="S", formula="slides"))
    assert drawn(figure.axes[5], x, middle.norm.sel(part="R"))
    cutoffs = fields.cutoff.values
    assert drawn(parts_of_cutoff, cutoffs, np.pi**2 * cutoffs**2 / 16)
    assert drawn(parts_of_cutoff, cutoffs, np.pi**3 * cutoffs**2 / 32)
    unit = fields.norm_of_draw.sel(mode_rule="disc", part="C").astype(float).mean("draw")
    assert drawn(figure.axes[7], cutoffs, unit)
    assert {"disc (line: exact)", "slides' formula", "with the missing π"} <= texts(figure)


def test_patches_are_drawn_with_the_linear_estimate_and_its_range(fields):
    figure = draw_field_patches.draw(fields)
    squares, shares, gradients = figure.axes[1], figure.axes[4], figure.axes[7]
    here = fields.sel(cutoff=4, mode_rule="disc")
    x = fields.patch_size.values
    assert squares.get_title() == "$c$ = 4"
    assert drawn(squares, x, here.patch_square.sel(patch_part="remainder"))
    assert drawn(squares, x, here.linear_estimate.sel(average="grid"))
    assert drawn(squares, [float(here.linear_range)] * 2, [0, 1])
    assert drawn(shares, x, here.patch_share.sel(patch_part="rest"))
    assert drawn(shares, x, here.patch_share_exact.sel(patch_part="linear", average="grid"))
    assert drawn(gradients, x, here.patch_gradient_square.sel(gradient_part="S"))


def arrows(axis):
    """Rows and columns that the arrows of an axis point along, each a flat array."""
    (quiver,) = [artist for artist in axis.collections if isinstance(artist, Quiver)]
    return quiver.V, quiver.U


def test_arrows_are_the_parts_at_their_true_length(fields):
    figure = draw_field_parts.draw(fields)
    chosen = fields.sel(cutoff=4, mode_rule="disc").isel(example=0)
    scale = float(chosen.critical_temperature_2 / 4) ** 0.5
    whole = scale * chosen.example_part.sum("local_part")
    down, right = arrows(figure.axes[0])
    np.testing.assert_allclose(np.ravel(down), whole.sel(component="row").values.ravel(), atol=1e-6)
    np.testing.assert_allclose(np.ravel(right), whole.sel(component="column").values.ravel(), atol=1e-6)
    shear = 3 * scale * chosen.example_part.sel(local_part="S", component="row")
    assert figure.axes[5].get_title() == "pure shear (× 3)"
    np.testing.assert_allclose(np.ravel(arrows(figure.axes[5])[0]), shear.values.ravel(), atol=1e-6)
    assert figure.axes[0].get_ylim() == (15.5, -0.5)  # rows run downwards


def test_the_patch_is_its_mean_and_its_linear_transform_and_what_is_left(fields):
    figure = draw_field_parts.draw(fields)
    field, mean, fitted, rest = (np.array(arrows(axis)) for axis in figure.axes[8:12])
    assert field.size == 2 * 4 * 4
    np.testing.assert_allclose(fitted + rest, field, atol=1e-6)
    assert np.ptp(mean.reshape(2, -1), axis=1) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(field.reshape(2, -1).mean(axis=1), mean.reshape(2, -1)[:, 0], atol=1e-6)


def test_an_image_that_patches_do_not_fill_is_cut(one_cutoff):
    figure = draw_field_parts.draw(one_cutoff)
    assert figure.axes[0].get_xlim() == (-0.5, 15.5)
