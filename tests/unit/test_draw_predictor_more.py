import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgba

from tests.synthetic_predictor_summary import make_predictor_summary
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import draw_boundary, draw_image_size, draw_noisy_samples
from workflow_scripts.diffeo.run_averages import trained
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.images import StoredImages
from workflow_scripts.support.netcdf import write_dataset

SIZES = ("mnist_5k", "mnist_5k_enlarged", "photographs")
MANY = {f"network_{index}": 3.0 + index for index in range(16)}
SCRIPTS = ("draw_boundary", "draw_noisy_samples", "draw_image_size")


def of_sizes(planted, **options):
    """Small images, the same enlarged to twice the edge (bumps at 1.1 times the planted r), photographs."""
    predictor = make_predictor_summary(SIZES, planted, **options)
    return predictor.assign(pixels=predictor.pixels.where(predictor.dataset != "mnist_5k_enlarged", 4 * 784))


def stored_images(shape=(1, 28, 28), count=3, value=128, deviation=0.5):
    channels = np.ones(shape[0])
    images = np.full((count, *shape), value, np.uint8)
    return StoredImages({"test": images}, {"test": np.zeros(count, int)}, 0.5 * channels, deviation * channels, shape, 10)


def marks(axis, marker):
    """Places (x, y) of the points drawn with a marker."""
    found = [line for line in axis.lines if line.get_marker() == marker]
    return sorted((float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in found)


def spans(axis):
    """Ends of the error bars."""
    return [tuple(bar.get_segments()[0][:, 0]) for container in axis.containers for bar in container.lines[2]]


# Distance to the boundary


@pytest.mark.parametrize(
    ("datasets", "planted"),
    [
        (("fashion_mnist",), {"lenet": 8.0}),
        (SIZES, MANY),
        (tuple(f"set_{index}" for index in range(5)), {"lenet": 8.0, "fc2": None}),
    ],
)
def test_boundary_has_a_panel_for_each_data_set_and_a_row_for_each_network(datasets, planted):
    figure = draw_boundary.draw(make_predictor_summary(datasets, planted, initial_seeds=1))
    assert [axis.get_title() for axis in figure.axes] == [draw_boundary.label(dataset) for dataset in sorted(datasets)]
    for axis, dataset in zip(figure.axes, sorted(datasets), strict=True):
        networks = 1 if dataset == "photographs" else len(planted)
        assert len([text for text in axis.texts if "never" in text.get_text()]) == networks
        assert len(axis.patches) == 2 * networks
    assert not overlapping_texts(figure)


def test_boundary_draws_the_histograms_on_one_scale():
    predictor = make_predictor_summary(("fashion_mnist",), {"lenet": 8.0, "fc2": 5.0}, seeds=2, scatter=0.1)
    (axis,) = draw_boundary.draw(predictor).axes
    top = predictor.flip_histogram.sel(perturbation=["noise", "diffeo_bilinear"]).max().item()
    for base, network in ((1, "fc2"), (0, "lenet")):
        mine = predictor.flip_histogram.isel(checkpoint=np.flatnonzero(predictor.network == network)).mean("checkpoint")
        for perturbation, dashed in (("noise", False), ("diffeo_bilinear", True)):
            expected = base + 0.78 * mine.sel(perturbation=perturbation).values / top
            drawn = [patch for patch in axis.patches if (patch.get_linestyle() != "solid") == dashed]
            drawn = [patch for patch in drawn if np.allclose(patch.get_data().values, expected)]
            assert len(drawn) == 1, (network, perturbation)
            assert drawn[0].get_data().edges == pytest.approx(np.logspace(-2, 3, 41))
    heights = [patch.get_data().values.max() % 1 for patch in axis.patches]
    assert max(heights) <= 0.78


def test_boundary_marks_bump_onset_and_median():
    predictor = make_predictor_summary(("fashion_mnist",), {"lenet": 8.0, "fc2": None}, seeds=1, onset_over_bump=0.5)
    (axis,) = draw_boundary.draw(predictor).axes
    assert marks(axis, "D") == [pytest.approx((8.0, 0))]
    assert marks(axis, "o") == [pytest.approx((4.0, -0.15)), pytest.approx((10.0, 0.85))]
    assert pytest.approx((8 / 10**0.05, 8 * 10**0.05)) in spans(axis)
    medians = [line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 2 and line.get_color() == "black"]
    assert pytest.approx(4 * 9**0.25) in medians
    assert pytest.approx(10 * 9**0.25) in medians


def test_boundary_says_how_many_directions_never_flip():
    predictor = make_predictor_summary(("fashion_mnist",), {"lenet": 8.0}, seeds=1)
    predictor["flip_fraction"] = xr.where(predictor.kind == "diffeo", 0.6, 0.88).broadcast_like(predictor.flip_fraction)
    (axis,) = draw_boundary.draw(predictor).axes
    assert "LeNet\nnever: η 12 %, τ 40 %" in [text.get_text() for text in axis.texts]


@pytest.mark.parametrize(("perturbations", "histograms"), [(["noise"], 1), (["diffeo_bicubic", "diffeo_gaussian"], 1)])
def test_boundary_draws_what_there_is(perturbations, histograms):
    figure = draw_boundary.draw(make_predictor_summary(("fashion_mnist",), {"lenet": 8.0}, perturbations=perturbations))
    assert len(figure.axes[0].patches) == histograms
    assert any("bicubic" in text for text in texts(figure)) == ("diffeo_bicubic" in perturbations)


def test_boundary_without_noise_or_deformations_says_so():
    (axis,) = draw_boundary.draw(make_predictor_summary(("fashion_mnist",), {"lenet": 8.0}, perturbations=["towards"])).axes
    assert [text.get_text() for text in axis.texts] == ["no trained network was measured along noise or deformations"]


# Noisy samples


def test_noise_has_the_geometric_mean_of_the_bumps():
    chosen = trained(make_predictor_summary(("fashion_mnist",), {"lenet": 4.0, "fc2": 9.0, "simple_cnn": None}))
    strength = draw_noisy_samples.noise_strength(chosen)
    assert strength.norm == pytest.approx(6)
    assert strength.reason == "the bump of 2 of 3 networks"


def test_noise_without_a_bump_has_the_norm_of_the_onset():
    chosen = trained(make_predictor_summary(("fashion_mnist",), {"lenet": None, "fc2": None}))
    strength = draw_noisy_samples.noise_strength(chosen)
    assert strength.norm == pytest.approx(10)
    assert strength.reason == "no bump; a tenth of the labels\nchanged, 2 networks"


@pytest.mark.parametrize("perturbations", [["noise", "towards"], ["towards"]])
def test_noise_without_a_landmark_is_the_strongest(perturbations):
    chosen = trained(make_predictor_summary(("fashion_mnist",), {"lenet": None}, perturbations=perturbations))
    strength = draw_noisy_samples.noise_strength(chosen.assign(onset=np.nan * chosen.onset))
    assert strength.norm == pytest.approx(100)
    assert strength.reason.startswith("no bump, labels hardly change")


def test_noise_has_its_norm_in_the_normalised_image_and_follows_from_its_names():
    stored = stored_images((3, 40, 40), deviation=0.2)
    image = np.full((3, 40, 40), 0.5)
    moved = draw_noisy_samples.with_noise(image, stored, 12.0, "photographs 0", seed=3)
    assert np.linalg.norm((moved - image) / 0.2) == pytest.approx(12)
    assert moved.std() == pytest.approx(0.2 * 12 / np.sqrt(4800), rel=1e-3)
    assert np.array_equal(moved, draw_noisy_samples.with_noise(image, stored, 12.0, "photographs 0", seed=3))
    for name, seed in (("photographs 1", 3), ("photographs 0", 4)):
        assert not np.allclose(moved, draw_noisy_samples.with_noise(image, stored, 12.0, name, seed))


def test_noise_is_clipped_to_the_range_of_the_image():
    image = np.stack([np.zeros((20, 20)), np.ones((20, 20))])[:, None]
    moved = draw_noisy_samples.with_noise(image[1], stored_images((1, 20, 20)), 30.0, "x", 0)
    assert (moved.max(), moved.min() >= 0) == (1.0, True)
    assert draw_noisy_samples.with_noise(image[0], stored_images((1, 20, 20)), 30.0, "x", 0).min() == 0


def test_mosaic_keeps_the_pixels():
    pictures = np.random.default_rng(0).random((2, 3, 1, 20, 20))
    whole = draw_noisy_samples.mosaic(pictures)
    gap = 1
    assert whole.shape == (2 * (20 + gap), 3 * (20 + gap), 3)
    for row in range(2):
        for column in range(3):
            part = whole[21 * row : 21 * row + 20, 21 * column : 21 * column + 20]
            assert part == pytest.approx(np.broadcast_to(pictures[row, column].transpose(1, 2, 0), (20, 20, 3)))
    assert (whole[20] == 1).all()
    coloured = np.random.default_rng(1).random((1, 1, 3, 5, 5))
    assert draw_noisy_samples.mosaic(coloured)[:5, :5] == pytest.approx(coloured[0, 0].transpose(1, 2, 0))


def test_noisy_samples_are_sorted_by_size_and_say_the_noise_per_pixel():
    chosen = trained(of_sizes({"lenet": 7.0}, seeds=1))
    images = {
        "photographs": stored_images((3, 224, 224)),
        "mnist_5k_enlarged": stored_images((1, 56, 56)),
        "mnist_5k": stored_images(count=2),
    }
    figure = draw_noisy_samples.draw(chosen, images, seed=0)
    titles = ["MNIST 5k, 28 × 28", "MNIST 5k enlarged, 56 × 56", "photographs, 224 × 224 × 3 colours"]
    assert [axis.get_title() for axis in figure.axes] == titles
    small, _, large = figure.axes
    assert small.get_xlabel() == "$r$ = 7, per pixel $r/\\sqrt{d}$ = 0.25\n(the bump of 1 network)"
    assert large.get_xlabel() == "$r$ = 12, per pixel $r/\\sqrt{d}$ = 0.031\n(the bump of 1 network)"
    picture = np.asarray(small.images[0].get_array())
    assert picture.shape == (2 * 30, 2 * 30, 3)
    assert picture[:28, :28] == pytest.approx(128 / 255)
    noise = (picture[30:58, :28, 0] - 128 / 255) / 0.5
    assert np.linalg.norm(noise) == pytest.approx(7, rel=1e-6)
    assert not overlapping_texts(figure)


# Size of the images


@pytest.mark.parametrize("planted", [{"lenet": 8.0}, {"lenet": 8.0, "fc2": 5.0, "simple_cnn": None}, MANY])
def test_image_size_has_a_row_for_each_network_sorted_by_size(planted):
    figure = draw_image_size.draw(of_sizes(planted, initial_seeds=1))
    names = [text.get_text() for text in figure.axes[2].get_yticklabels()]
    assert len(names) == 2 * len(planted) + 1
    sizes = ["MNIST 5k, "] * len(planted) + ["MNIST 5k enlarged, "] * len(planted) + ["photographs, "]
    assert all(name.startswith(size) for name, size in zip(names, sizes, strict=True))
    assert {"$d$ = 784 pixels", "$d$ = 3136 pixels", "$d$ = 150528 pixels", "the same network, images enlarged"} < texts(figure)
    assert not overlapping_texts(figure)


def test_image_size_marks_the_bumps_against_both_axes():
    figure = draw_image_size.draw(of_sizes({"lenet": 8.0, "fc2": None}, seeds=1))
    _, _, left, right = figure.axes
    rows = {"mnist_5k": 1, "mnist_5k_enlarged": 3, "photographs": 4}
    positions = {"mnist_5k": (8.0, 784), "mnist_5k_enlarged": (8.8, 3136), "photographs": (12.0, 150528)}
    expected = sorted((r, rows[name]) for name, (r, _) in positions.items())
    assert marks(left, "o") == [pytest.approx(point) for point in expected]
    expected = sorted((r / np.sqrt(d), rows[name]) for name, (r, d) in positions.items())
    assert marks(right, "o") == [pytest.approx(point) for point in expected]
    assert pytest.approx((8 / 10**0.05, 8 * 10**0.05)) in spans(left)
    assert [text.get_text() for text in left.texts] == ["no bump", "no bump"]


def test_image_size_joins_a_network_on_original_and_enlarged_images():
    *_, left, right = draw_image_size.draw(of_sizes({"lenet": 8.0, "fc2": 5.0, "simple_cnn": None}, seeds=1)).axes
    for axis, scale in ((left, (1, 1)), (right, (28, 56))):
        joined = sorted(tuple(line.get_xdata()) for line in axis.lines if line.get_color() == draw_image_size.GREY)
        expected = sorted((1.1 * position / scale[1], position / scale[0]) for position in (8.0, 5.0))
        assert [pytest.approx(ends) for ends in expected] == joined


def test_image_size_draws_curves_over_their_linear_value():
    predictor = of_sizes({"lenet": 8.0}, seeds=1)
    left, right, *_ = draw_image_size.draw(predictor).axes
    lines = [[line for line in axis.lines if len(line.get_xdata()) == 12] for axis in (left, right)]
    assert [len(found) for found in lines] == [3, 3]
    sizes = [784, 3136, 150528]
    colours = draw_image_size.colours_of(sizes)
    for row, (first, second) in enumerate(zip(*lines, strict=True)):
        mine = predictor.sel(perturbation="noise", output="logits").isel(checkpoint=row)
        curve = mine.stability / mine.r**2
        assert first.get_ydata() == pytest.approx((curve / curve[0]).values)
        assert first.get_ydata() == pytest.approx(second.get_ydata())
        assert first.get_xdata() == pytest.approx(mine.r.values)
        assert second.get_xdata() == pytest.approx(mine.r.values / np.sqrt(sizes[row]))
        assert to_rgba(first.get_color()) == to_rgba(colours[sizes[row]])


def test_image_size_without_pairs_or_noise():
    alone = draw_image_size.draw(make_predictor_summary(("fashion_mnist",), {"lenet": None}))
    assert "the same network, images enlarged" not in texts(alone)
    (axis,) = draw_image_size.draw(make_predictor_summary(("fashion_mnist",), {"lenet": 8.0}, perturbations=["towards"])).axes
    assert [text.get_text() for text in axis.texts] == ["no trained network was measured along noise"]


# Scripts


@pytest.mark.parametrize(
    "draw", [draw_boundary.draw, draw_image_size.draw, lambda rows: draw_noisy_samples.draw(trained(rows), {}, 0)]
)
def test_without_trained_networks_the_figure_says_so(draw):
    (axis,) = draw(make_predictor_summary(("fashion_mnist",), {"lenet": 8.0}, seeds=0, initial_seeds=1)).axes
    assert [text.get_text().split(" along")[0] for text in axis.texts] == ["no trained network was measured"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_dataset(make_predictor_summary(("fashion_mnist",)), folder / "predictor.nc", title="predictor", configuration={})
    for name in ("fashion_mnist", "unused"):
        data = xr.Dataset(
            {
                "images": variable(("image", "channel", "row", "column"), np.full((2, 1, 28, 28), 99, np.uint8), "intensity"),
                "label": variable(("image",), np.zeros(2, np.int16), "class"),
                "split": variable(("image",), np.full(2, 2, np.int8), "split"),
                "mean": variable(("dataset", "channel"), [[0.3]], "mean"),
                "standard_deviation": variable(("dataset", "channel"), [[0.2]], "standard deviation"),
            },
            {"dataset": [name]},
        )
        write_dataset(data, folder / f"{name}.nc", title=name, configuration={}, classes=10)
    return folder


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_writes_a_valid_svg_and_png(script, inputs, tmp_path):
    more = {"data": [inputs / "fashion_mnist.nc", inputs / "unused.nc"], "seed": 0} if script == "draw_noisy_samples" else {}
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    sys.modules[f"workflow_scripts.{script}"].main(predictor=inputs / "predictor.nc", svg=svg, png=png, **more)
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 10
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 5000
