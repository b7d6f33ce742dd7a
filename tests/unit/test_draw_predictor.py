import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tests.synthetic_predictor_summary import HEIGHT, PERTURBATIONS, PLANTED_BUMPS, make_predictor_summary
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import (
    draw_directions,
    draw_interpolation_stability,
    draw_interpolations,
    draw_misclassification,
    draw_noise_stability,
)
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.plotting import COLOURS

FOUR = ("cifar10", "fashion_mnist", "mnist_5k", "photographs")
SIX = {"fc2": 5.0, "simple_cnn": None, "lenet": 10.0, "alexnet": 11.0, "vgg11_bn_narrow": 8.0, "resnet18_narrow": 7.0}
SIZES = [(("mnist_5k",), {"lenet": 10.0}), (("fashion_mnist", "photographs"), PLANTED_BUMPS), (FOUR, SIX)]
SCRIPTS = (
    "draw_noise_stability",
    "draw_misclassification",
    "draw_interpolations",
    "draw_interpolation_stability",
    "draw_directions",
)
ONE = (("mnist_5k",), {"lenet": 10.0})
HIGHEST = 1 / (2 * HEIGHT[0, 0] * 10.0**2)  # G/r² of the logits of `ONE` at small r


def along(predictor, name, perturbation="noise", **labels):
    """Values of the first checkpoint along the strengths, at the logits."""
    chosen = predictor[name].sel(perturbation=perturbation).isel(checkpoint=0)
    return chosen.sel({"output": "logits", **labels} if "output" in chosen.dims else {}).values


def with_marker(axis, marker="o"):
    return [line for line in axis.lines if line.get_marker() == marker and len(line.get_xdata()) == 1]


def curves(axis, steps=12):
    return [line for line in axis.lines if len(line.get_xdata()) == steps]


def span(container):
    """Ends of the horizontal error bar."""
    return container.lines[2][0].get_segments()[0][:, 0]


# All figures


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_texts_do_not_overlap(script, datasets, planted):
    figure = sys.modules[f"workflow_scripts.{script}"].draw(make_predictor_summary(datasets, planted))
    assert figure.get_figwidth() <= 7.2
    assert not overlapping_texts(figure)


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_trained_networks_the_figure_says_so(script):
    predictor = make_predictor_summary(("mnist_5k",), {"lenet": 10.0}, seeds=0, initial_seeds=2)
    (axis,) = sys.modules[f"workflow_scripts.{script}"].draw(predictor).axes
    assert [text.get_text() for text in axis.texts] == ["no trained network was measured"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_initialisations_are_left_out(script):
    draw = sys.modules[f"workflow_scripts.{script}"].draw
    counts = [[len(axis.lines) for axis in draw(make_predictor_summary(*ONE, initial_seeds=initial)).axes] for initial in (0, 2)]
    assert counts[0] == counts[1]


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_writes_a_valid_svg_and_png(script, tmp_path):
    write_dataset(make_predictor_summary(("mnist_5k", "photographs")), tmp_path / "in.nc", title="predictor", configuration={})
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    sys.modules[f"workflow_scripts.{script}"].main(tmp_path / "in.nc", svg, png)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")


# Noise stability


@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_noise_stability_has_a_line_and_marks_for_each_network(datasets, planted):
    predictor = make_predictor_summary(datasets, planted)
    figure = draw_noise_stability.draw(predictor)
    grid = np.array(figure.axes).reshape(4, len(datasets))
    assert {"linear regime ends", r"bump of $G_f/r^2$", r"noise norm $r = \|\eta\|$"} < texts(figure)
    for column, dataset in zip(grid.T, sorted(datasets), strict=True):
        of_photographs = dataset == "photographs"
        bumps = 1 if of_photographs else sum(bump is not None for bump in planted.values())
        networks = 1 if of_photographs else len(planted)
        for strip, axis in (column[:2], column[2:]):
            assert len(curves(axis)) == len(axis.collections) == networks
            assert len(strip.containers) == networks + bumps


def test_noise_stability_draws_the_planted_curve_and_bump():
    predictor = make_predictor_summary(*ONE, relative_error=0.07)
    upper, logits, lower, softmax = draw_noise_stability.draw(predictor).axes
    expected = along(predictor, "stability") / along(predictor, "r") ** 2 / HIGHEST
    (line,) = curves(logits)
    assert line.get_xdata() == pytest.approx(np.geomspace(0.3, 100, 12))
    assert line.get_ydata() == pytest.approx(expected, rel=1e-4)
    for strip, factor in ((upper, 1.0), (lower, 0.7)):
        edge, bump = strip.containers
        (full,) = [mark for mark in with_marker(strip) if mark.get_markerfacecolor() != "white"]
        assert float(full.get_xdata()[0]) == pytest.approx(10 * factor)
        assert span(bump) == pytest.approx([10 * factor * 10**-0.07, 10 * factor * 10**0.07])
        assert span(edge)[1] < span(bump)[0]
    assert np.max(curves(softmax)[0].get_ydata()) == pytest.approx(4, rel=0.1)
    assert logits.get_ylim()[1] > np.max(line.get_ydata())


def test_the_linear_edge_is_drawn_where_there_is_no_bump():
    strip = draw_noise_stability.draw(make_predictor_summary(("mnist_5k",), {"lenet": None})).axes[0]
    (mark,) = with_marker(strip)
    assert mark.get_markerfacecolor() == "white"
    assert float(mark.get_xdata()[0]) == pytest.approx(10)


def test_bump_of_some_seeds_is_the_mean_of_those():
    predictor = make_predictor_summary(*ONE, seeds=3)
    predictor.bump_position[1:] = np.nan
    predictor.bump_position_standard_error[1:] = np.nan
    predictor.bump_position[0] *= 1.2
    strip = draw_noise_stability.draw(predictor).axes[0]
    (full,) = [mark for mark in with_marker(strip) if mark.get_markerfacecolor() != "white"]
    assert float(full.get_xdata()[0]) == pytest.approx(12)


def test_seeds_are_averaged_geometrically_and_widen_the_band():
    def band_height(scatter):
        predictor = make_predictor_summary(*ONE, scatter=scatter)
        axis = draw_noise_stability.draw(predictor).axes[1]
        (line,) = curves(axis)
        stability = predictor.stability.sel(perturbation="noise", output="logits").values
        relative = stability / predictor.r.sel(perturbation="noise").values ** 2
        assert line.get_ydata() == pytest.approx(np.exp(np.log(relative / relative[:, :1]).mean(0)))
        edges = axis.collections[0].get_paths()[0].vertices
        at_last = edges[np.isclose(edges[:, 0], 100), 1]
        return np.log10(at_last.max() / at_last.min())

    assert band_height(0.1) > 2 * band_height(0.0)


# Misclassification


@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_misclassification_has_ticks_on_the_lines_of_networks_with_a_bump(datasets, planted):
    figure = draw_misclassification.draw(make_predictor_summary(datasets, planted))
    grid = np.array(figure.axes).reshape(4, len(datasets))
    assert {"mean $\\hat p$ of the\ntrue class", "fraction of\nlabels", "entropy of $\\hat p$\n(nat)", "label wrong"} < texts(
        figure
    )
    for column, dataset in zip(grid.T, sorted(datasets), strict=True):
        networks = 1 if dataset == "photographs" else len(planted)
        bumps = 1 if dataset == "photographs" else sum(bump is not None for bump in planted.values())
        assert len(column[0].containers) == networks + bumps
        for axis, lines in zip(column[1:], (networks, 2 * networks, networks), strict=True):
            assert len(curves(axis)) == lines
            assert len(with_marker(axis, "|")) == bumps


def test_misclassification_draws_the_planted_numbers():
    predictor = make_predictor_summary(*ONE, onset_over_bump=1.5)
    strip, probability, labels, entropy = draw_misclassification.draw(predictor).axes
    names = {probability: ["probability_true"], labels: ["label_changed", "wrong_label"], entropy: ["entropy"]}
    for axis, drawn in names.items():
        for line, name in zip(curves(axis), drawn, strict=True):
            assert line.get_xdata() == pytest.approx(along(predictor, "r"))
            assert line.get_ydata() == pytest.approx(along(predictor, name))
        (tick,) = with_marker(axis, "|")
        assert float(tick.get_xdata()[0]) == pytest.approx(10)
        height = np.interp(1, np.log10(along(predictor, "r")), along(predictor, drawn[0]))
        assert float(tick.get_ydata()[0]) == pytest.approx(height)
    (tick,), (onset,) = with_marker(strip, "|"), with_marker(strip, "o")
    assert float(tick.get_xdata()[0]) == pytest.approx(10)
    assert float(onset.get_xdata()[0]) == pytest.approx(15)
    changed, wrong = curves(labels)
    assert wrong.get_linewidth() < changed.get_linewidth()
    assert not probability.texts


def test_images_without_labels_show_the_class_of_the_clean_image():
    predictor = make_predictor_summary(("photographs",))
    _, probability, labels, _ = draw_misclassification.draw(predictor).axes
    assert [text.get_text() for text in probability.texts] == ["of the clean\nimage's class"]
    (line,) = curves(probability)
    assert line.get_ydata() == pytest.approx(along(predictor, "probability_reference"))
    changed, wrong = curves(labels)
    assert changed.get_ydata() == pytest.approx(along(predictor, "label_changed"))
    assert np.isnan(wrong.get_ydata()).all()


# Interpolations


def shaded(axis):
    """Ends of the shaded range of r."""
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axis.patches]


def vertical(axis):
    return [float(line.get_xdata()[0]) for line in axis.lines if len(line.get_xdata()) == 2]


def test_interpolations_draw_the_planted_numbers():
    predictor = make_predictor_summary(*ONE)
    figure = draw_interpolations.draw(predictor)
    upper, lower = figure.axes
    drawn = {line.get_label(): line for line in curves(upper)}
    for name, style in draw_interpolations.LINES.items():
        r = along(predictor, "r", name)
        assert drawn[style["label"]].get_xdata() == pytest.approx(r)
        assert drawn[style["label"]].get_ydata() == pytest.approx(along(predictor, "stability", name) / r**2)
    for line, name in zip(
        curves(lower), sorted(set(PERTURBATIONS) - {"noise", "noise_smoothed", "segment", "towards"}), strict=True
    ):
        assert line.get_xdata() == pytest.approx(np.geomspace(0.125, 4, 12))
        assert line.get_ydata() == pytest.approx(along(predictor, "stability", name))
    assert len({str(style["linestyle"]) for name, style in draw_interpolations.LINES.items() if "diffeo" in name}) == 3
    assert vertical(upper) == pytest.approx([5.0])
    assert vertical(lower) == [1]
    smallest = predictor.r.sel(perturbation="diffeo_gaussian").min().item()
    assert shaded(upper) == [pytest.approx((smallest, predictor.agreement_r.isel(checkpoint=0).max().item()))]


def test_relative_stability_is_drawn_for_every_interpolation_against_r_and_displacement():
    predictor = make_predictor_summary(*ONE)
    upper, lower = draw_interpolation_stability.draw(predictor).axes
    for place, name in enumerate(("diffeo_bicubic", "diffeo_bilinear", "diffeo_gaussian")):
        expected = along(predictor, "relative_stability", name, statistic="mean")
        for axis, x in ((upper, along(predictor, "r", name)), (lower, np.geomspace(0.125, 4, 12))):
            assert curves(axis)[place].get_xdata() == pytest.approx(x)
            assert curves(axis)[place].get_ydata() == pytest.approx(expected)
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in curves(upper)}) == 3


def test_smallest_usable_strength_is_that_of_the_last_network_and_pair_to_agree():
    predictor = make_predictor_summary(("mnist_5k",), {"lenet": 10.0, "fc2": 5.0})
    for axis, name in zip(draw_interpolation_stability.draw(predictor).axes, ("r", "displacement"), strict=True):
        expected = predictor[f"agreement_{name}"].max().item()
        assert expected in [pytest.approx(x) for x in vertical(axis)]
        assert [text.get_text() for text in axis.texts] == [f"agree from {expected:.3g}"]
    for axis in draw_interpolation_stability.draw(make_predictor_summary(*ONE, agreement=10.0)).axes:
        assert [text.get_text() for text in axis.texts] == ["never agree"]
    alone = make_predictor_summary(*ONE)
    alone["agreement_ratio"] = alone.agreement_ratio * np.nan
    assert not any(axis.texts for axis in draw_interpolation_stability.draw(alone).axes)


def test_the_shaded_range_goes_to_the_end_where_interpolations_never_agree():
    predictor = make_predictor_summary(*ONE, agreement=10.0)
    assert predictor.agreement_r.isnull().any()
    (end,) = [end for _, end in shaded(draw_interpolations.draw(predictor).axes[0])]
    assert end == pytest.approx(predictor.r.sel(perturbation="diffeo_bicubic").max().item())


def test_one_interpolation_agrees_with_nothing():
    names = ["diffeo_bilinear", "noise"]
    predictor = make_predictor_summary(*ONE, perturbations=names)
    for name in ("agreement_r", "agreement_ratio"):
        predictor[name] = predictor[name] * np.nan
    figure = draw_interpolations.draw(predictor)
    assert not shaded(figure.axes[0])
    assert [len(curves(axis)) for axis in figure.axes] == [2, 1]
    assert "$D_f$, gaussian" not in texts(figure)


def test_a_sweep_that_does_not_reach_one_pixel_has_no_line_there():
    predictor = make_predictor_summary(*ONE).isel(strength=slice(0, 5))
    assert not vertical(draw_interpolations.draw(predictor).axes[0])


@pytest.mark.parametrize("script", ["draw_interpolations", "draw_directions"])
@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_panels_are_those_of_the_networks_and_data_sets(script, datasets, planted):
    figure = sys.modules[f"workflow_scripts.{script}"].draw(make_predictor_summary(datasets, planted))
    small = len([dataset for dataset in datasets if dataset != "photographs"])
    pairs = small * len(planted) + len(datasets) - small
    assert len(figure.axes) == pairs + len(datasets)
    titles = [axis.get_title() for axis in figure.axes]
    assert len(set(titles)) == len(titles)
    upper = figure.axes[:pairs]
    assert len({axis.get_ylim() for axis in upper}) == len({axis.get_xlim() for axis in upper}) == 1
    low, high = upper[0].get_xlim()
    assert all(low < x < high for axis in upper for line in curves(axis) for x in line.get_xdata())


# Directions


def test_directions_draw_the_planted_numbers():
    predictor = make_predictor_summary(*ONE)
    upper, lower = draw_directions.draw(predictor).axes
    drawn = {line.get_label(): line for line in curves(upper)}
    expected = {
        "$G'_f$, to an image": ("towards", "stability"),
        "$G_f$, mean": ("noise", "stability"),
        "$G_f$, worst draw": ("noise", "stability_worst"),
        "$D_f$, mean": ("diffeo_bilinear", "stability"),
        "$D_f$, worst draw": ("diffeo_bilinear", "stability_worst"),
    }
    assert set(drawn) == set(expected)
    for label, (perturbation, name) in expected.items():
        r = along(predictor, "r", perturbation)
        assert drawn[label].get_xdata() == pytest.approx(r)
        assert drawn[label].get_ydata() == pytest.approx(along(predictor, name, perturbation) / r**2)
    fraction = np.linspace(0, 1, 12)
    reference, segment = curves(lower)
    assert reference.get_ydata() == pytest.approx(fraction**2)
    assert segment.get_ydata() == pytest.approx(fraction**2 * (3 - 2 * fraction))
    assert segment.get_color() == COLOURS[0]


def test_the_top_axis_of_the_segment_is_the_mean_norm():
    figure = draw_directions.draw(make_predictor_summary(*ONE))
    figure.draw_without_rendering()
    lower = figure.axes[1]
    (top,) = lower.child_axes
    assert np.array(top.get_xlim()) == pytest.approx(1.3 * 28 * np.array(lower.get_xlim()))


@pytest.mark.parametrize(
    ("perturbations", "lines"),
    [(["noise"], 2), (["towards"], 1), (["diffeo_gaussian"], 2), (["segment"], 0), (["noise", "towards"], 3)],
)
def test_directions_that_were_not_measured_are_not_drawn(perturbations, lines):
    figure = draw_directions.draw(make_predictor_summary(*ONE, perturbations=perturbations))
    upper, lower = figure.axes
    assert len(curves(upper)) == lines
    assert len(curves(lower)) == 1 + ("segment" in perturbations)
