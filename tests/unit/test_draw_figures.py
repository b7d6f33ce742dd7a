import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle

from tests.synthetic import ARCHITECTURES, PLANTED, make_calibration, make_history, make_summary, plant_operations
from workflow_scripts import (
    draw_calibration,
    draw_depth,
    draw_operations,
    draw_samples,
    draw_stability_bars,
    draw_stability_curves,
    draw_training_curves,
)
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.plotting import OPERATION_MARKERS, join_cutoffs, label

ROOT = Path(__file__).parents[2]
SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
THREE = ("fashion_mnist", "mnist_5k", "scale_detection")
MANY = {f"network_{index}": (1.0, 0.5 / (index + 1)) for index in range(16)}
SIX = tuple(f"set_{index}" for index in range(6))
SIZES = [(("mnist",), {"lenet": (1.0, 0.1)}), (THREE, PLANTED), (SIX, {"fc2": (1.0, 0.9)}), (("mnist",), MANY)]
EVERY_SCRIPT = sorted(path.stem for path in (ROOT / "workflow_scripts").glob("draw_*.py"))
SCRIPTS = (
    "draw_calibration",
    "draw_depth",
    "draw_operations",
    "draw_samples",
    "draw_stability_bars",
    "draw_stability_curves",
    "draw_training_curves",
)


def texts(figure):
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return {axis.get_xlabel() for axis in figure.axes} | {axis.get_ylabel() for axis in figure.axes} | set(legends)


def overlapping_texts(figure):
    """Titles, axis labels and legend entries, pairwise, whose boxes overlap."""
    figure.draw_without_rendering()
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for axis in figure.axes:
        found += [axis.title, axis.xaxis.label, axis.yaxis.label, *axis.texts]
    boxes = [(text.get_text(), text.get_window_extent()) for text in found if text.get_text()]
    return [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[:i] if box.overlaps(other)]


# Bars


@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_bars(datasets, planted):
    figure = draw_stability_bars.draw(make_summary(datasets, planted), SETTINGS)
    assert len(figure.axes) == len(datasets)
    assert "relative stability $R_f$\n(δ = 1 px, bilinear)" in texts(figure)
    for place, axis in enumerate(figure.axes):
        bars = [bar for bar in axis.patches if isinstance(bar, Rectangle)]
        shaded = sorted(bar.get_height() for bar in bars if bar.get_hatch())
        full = sorted(bar.get_height() for bar in bars if not bar.get_hatch())
        assert shaded == pytest.approx(sorted(1.3**place * before for before, _ in planted.values()))
        assert full == pytest.approx(sorted(1.3**place * after for _, after in planted.values()))
        assert axis.get_yscale() == "log"
        assert axis.get_ylim()[0] < min(full)
        assert axis.get_ylim()[1] > max(shaded)
        assert any(np.allclose(line.get_ydata(), 1) and line.get_linestyle() == ":" for line in axis.lines)
        assert len(axis.get_xticks()) == len(planted)
    assert not overlapping_texts(figure)


def test_error_bars_grow_with_the_scatter_between_seeds():
    def widths(scatter):
        (axis,) = draw_stability_bars.draw(make_summary(planted={"lenet": (1.0, None)}, scatter=scatter), SETTINGS).axes
        return [np.ptp(segment[:, 1]) for container in axis.containers for segment in segments(container)]

    def segments(container):
        return [path for lines in getattr(container, "lines", ((), (), ()))[2] for path in lines.get_segments()]

    assert len(widths(0.0)) == len(widths(0.2)) == 1
    assert widths(0.2)[0] > 2 * widths(0.0)[0]


def test_networks_that_were_not_trained_have_one_bar():
    (axis,) = draw_stability_bars.draw(make_summary(planted={"lenet": (1.0, None), "fc2": (1.0, 0.5)}), SETTINGS).axes
    assert len(axis.patches) == 3


# Curves


@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_curves(datasets, planted):
    summary = make_summary(datasets, planted)
    figure = draw_stability_curves.draw(summary, "bilinear")
    assert len(figure.axes) == 4 * len(datasets)
    assert r"norm $r = \|\eta\|$" in texts(figure)
    assert {"initialisation", "trained"} < texts(figure)
    relative = figure.axes[2 * len(datasets)]
    lines = [line for line in relative.lines if len(line.get_xdata()) == summary.sizes["strength"]]
    assert len(lines) == 2 * len(planted) == len(relative.collections)
    for line in lines:
        assert line.get_xdata() == pytest.approx(summary.r.values[0, 0])
    solid = sorted(line.get_ydata()[0] for line in lines if line.get_linestyle() == "-")
    assert solid == pytest.approx(sorted(after for _, after in planted.values()))
    dashed = sorted(line.get_ydata()[-1] for line in lines if line.get_linestyle() != "-")
    assert dashed == pytest.approx(sorted(before for before, _ in planted.values()))
    assert not overlapping_texts(figure)


def test_curves_of_the_noise_over_r_squared():
    summary = make_summary(planted={"lenet": (1.0, 0.1)}, displacements=(0.5, 1.0))
    last = draw_stability_curves.draw(summary, "gaussian").axes[3]
    radius = 5 * np.array([0.5, 1.0])
    for line in last.lines:
        assert line.get_ydata() == pytest.approx(1e-3 / (1 + 1e-3 * radius**2))


# Depth


@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_depth(datasets, planted):
    figure = draw_depth.draw(make_summary(datasets, planted), SETTINGS)
    assert len(figure.axes) == len(planted)
    assert {"relative stability $R_k$", "relative depth (input 0, logits 1)", "pool", "convolution"} < texts(figure)
    for axis in figure.axes:
        trained = [line for line in axis.lines if line.get_linestyle() == "-"]
        assert len(trained) == len(datasets)
        for line in trained:
            depth, value = line.get_data()
            assert (depth[0], depth[-1]) == (0, 1)
            assert value == pytest.approx(value[-1] ** depth)
    ends = sorted(min(line.get_ydata()[-1] for line in axis.lines if line.get_linestyle() == "-") for axis in figure.axes)
    assert ends == pytest.approx(sorted(after for _, after in planted.values()))
    assert not overlapping_texts(figure)


def test_depth_marks_every_operation():
    (axis,) = draw_depth.draw(make_summary(planted={"lenet": (1.0, 0.1)}), SETTINGS).axes
    marked = {line.get_marker(): len(line.get_xdata()) for line in axis.lines if line.get_linestyle() == "None"}
    kinds = draw_depth.OPERATION_MARKERS
    expected = {"input": 1, "convolution": 2, "batch_norm": 2, "activation": 1, "pool": 1, "logits": 1}
    assert marked == {kinds[kind]: count for kind, count in expected.items()}


# Operations


def line_of(axis, state):
    """The joined operations of one state in a panel: the line without markers that is dashed or solid."""
    style = {"initialisation": "--", "trained": "-"}[state]
    (line,) = [line for line in axis.lines if line.get_linestyle() == style]
    return line.get_data()


@pytest.mark.parametrize(("datasets", "planted"), SIZES)
def test_operations(datasets, planted):
    summary = make_summary(datasets, planted)
    figure = draw_operations.draw(summary, SETTINGS)
    deep = [network for network in planted if ARCHITECTURES.get(network) not in ("fully_connected", "simple_cnn")]
    assert len(figure.axes) == (3 * len(deep) if deep else 1)
    assert not overlapping_texts(figure)
    if not deep:
        assert figure.axes[0].texts[0].get_text() == "Only fully connected networks and simple CNNs were measured."
        return
    assert {"deformations $D_k$", "noise $G_k$", "$R_k = D_k/G_k$", "relative depth", "pool", "trained"} < texts(figure)
    titles = {axis.get_title() for axis in figure.axes} - {""}
    assert titles == {f"{label(network)}\n{label(datasets[0])}" for network in deep}


def test_operations_show_the_planted_numbers():
    before, after = np.geomspace(1, 0.5, 8), np.array([1, 0.9, 1.2, 0.5, 0.6, 0.2, 0.2, 0.1])
    kinds = ["convolution", "activation", "pool", "convolution", "pool", "pool"]
    summary = plant_operations(make_summary(planted={"vgg11_bn_narrow": (1.0, 0.5)}), "vgg11_bn_narrow", kinds, after=after)
    summary = plant_operations(summary, "vgg11_bn_narrow", kinds, before=before)
    noise = float(summary.G.sel(interpolation="bilinear")[0, 3, 0])
    planted = {"D": noise, "G": None, "R": 1.0}
    for axis, (name, factor) in zip(draw_operations.draw(summary, SETTINGS).axes, planted.items(), strict=True):
        assert axis.get_yscale() == "log"
        for state, values in (("initialisation", before), ("trained", after)):
            depth, drawn = line_of(axis, state)
            assert depth == pytest.approx(np.arange(8) / 7)
            assert drawn == pytest.approx(factor * values if factor else np.full(8, noise)), name
        bands = [np.ptp(np.log10(band.get_paths()[0].vertices[[1, -2], 1])) for band in axis.collections]
        assert bands == pytest.approx([2 * 0.05 / np.log(10)] * 2)
        pools = [line for line in axis.lines if line.get_marker() == OPERATION_MARKERS["pool"]]
        assert [line.get_markerfacecolor() == "white" for line in pools] == [True, False]
        for line in pools:
            assert line.get_xdata() == pytest.approx(np.array([3, 5, 6]) / 7)


def test_operations_of_residual_networks_are_joined_from_sum_to_sum():
    kinds = ["convolution", "activation", "residual_sum", "convolution", "residual_sum", "pool"]
    after = [1, 0.9, 0.8, 0.7, 0.3, 0.6, 0.5, 0.4]
    planted = make_summary(planted={"resnet18_narrow": (1.0, 0.5)})
    axis = draw_operations.draw(plant_operations(planted, "resnet18_narrow", kinds, after=after), SETTINGS).axes[2]
    depth, value = line_of(axis, "trained")
    assert depth * 7 == pytest.approx([0, 3, 5, 6, 7])
    assert value == pytest.approx([1, 0.7, 0.6, 0.5, 0.4])
    trained = [line for line in axis.lines if line.get_linestyle() == "None" and line.get_markerfacecolor() != "white"]
    sizes = {line.get_marker(): (line.get_markersize(), line.get_ydata().tolist()) for line in trained}
    markers = OPERATION_MARKERS
    assert sizes[markers["convolution"]] == (1.5, pytest.approx([0.9, 0.3]))
    assert sizes[markers["residual_sum"]] == (4, pytest.approx([0.7, 0.6]))


def test_local_models_and_networks_that_blur_are_in_figures_of_their_own():
    blocks = {"conv_h16": {"architecture": "local_model"}, "vgg11_blurred": {"architecture": "vgg11", "antialiased": True}}
    summary = make_summary(planted=dict.fromkeys((*blocks, "lenet"), (1.0, 0.1)), networks=blocks)
    titles = {axis.get_title().split("\n")[0] for axis in draw_operations.draw(summary, SETTINGS).axes} - {""}
    assert titles == {"LeNet"}
    (bars,) = draw_stability_bars.draw(summary, SETTINGS).axes
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["LeNet", "VGG11 blurred"]
    assert {axis.get_title() for axis in draw_depth.draw(summary, SETTINGS).axes} == {"LeNet", "VGG11 blurred"}
    assert not {"conv h16"} & texts(draw_stability_curves.draw(summary, "bilinear"))


def test_operations_are_those_of_the_data_set_with_most_networks():
    few, many = make_summary(("a",), {"lenet": (1.0, 0.1), "fc2": (1.0, 0.2)}), make_summary(("b",))
    both = xr.concat([few, many], "checkpoint", join="outer", fill_value={"operation": ""})
    assert {axis.get_title().split("\n")[-1] for axis in draw_operations.draw(both, SETTINGS).axes} == {"b", ""}


# Training


@pytest.mark.parametrize("datasets", [("mnist",), THREE, SIX])
def test_training_curves(datasets):
    histories = [make_history(dataset, network) for dataset in datasets for network in ARCHITECTURES]
    figure = draw_training_curves.draw(histories, ARCHITECTURES)
    assert len(figure.axes) == 2 * len(datasets)
    assert {"epoch", "classification error", "loss", "train", "validation", "test", "VGG11 bn narrow"} <= texts(figure)
    for axis in figure.axes[: len(datasets)]:
        assert len(axis.lines) == 3 * len(ARCHITECTURES)
        test = [line for line in axis.lines if line.get_linestyle() == "-"]
        assert len(test) == len(ARCHITECTURES)
        for line in test:
            assert line.get_ydata() == pytest.approx(histories[0].error.sel(split="test").values.ravel())
    assert not overlapping_texts(figure)


def test_error_of_zero_is_left_out():
    figure = draw_training_curves.draw([make_history(epochs=4)], ARCHITECTURES)
    train = next(line for line in figure.axes[0].lines if line.get_linestyle() == ":")
    assert np.isnan(train.get_ydata()).tolist() == [False, False, False, True, True]


# Deformations


@pytest.mark.parametrize("cutoffs", [(3,), (3, 6, 10)])
def test_calibration(cutoffs):
    calibration = join_cutoffs([make_calibration(cutoff=cutoff) for cutoff in cutoffs])
    figure = draw_calibration.draw(calibration)
    left, middle, right = figure.axes
    assert {"displacement (px)", "temperature $T$", "folded fraction"} < texts(figure)
    assert (len(left.lines), len(middle.lines), len(right.lines)) == tuple(len(cutoffs) * count for count in (2, 2, 1))
    assert left.lines[0].get_data() == (
        pytest.approx(calibration.temperature.values[0, 0]),
        pytest.approx(calibration.displacement.values[0]),
    )
    assert left.lines[1].get_ydata() == pytest.approx(0.77 * calibration.displacement.values[0])
    assert middle.lines[0].get_ydata() == pytest.approx(5 * calibration.displacement.values[0])
    (span,) = [patch for patch in left.patches if isinstance(patch, Rectangle)]
    ends = calibration.critical_temperature_1[0, 0], calibration.critical_temperature_2[0, 0]
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx([float(end) for end in ends])
    assert not overlapping_texts(figure)


@pytest.mark.parametrize(
    ("cutoffs", "displacements", "drawn"),
    [((3,), (0.5, 1.0), 2), ((3, 6, 10), (0.125, 0.25, 0.5, 1, 2, 4), 6), ((2, 8), np.geomspace(0.2, 4, 12), 6)],
)
def test_samples(cutoffs, displacements, drawn):
    calibration = join_cutoffs([make_calibration(cutoff=cutoff, displacements=displacements) for cutoff in cutoffs])
    figure = draw_samples.draw(calibration, "bilinear")
    assert {"cutoff $c$", "temperature $T$"} < texts(figure)
    assert len(figure.axes) == 2
    for axis in figure.axes:
        insets = axis.child_axes
        assert len(insets) == len(cutoffs) * (drawn + 1)
        figure.draw_without_rendering()
        boxes = [inset.get_window_extent().shrunk(0.99, 0.99) for inset in insets]
        assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])
        centres = [inset.get_window_extent().get_points()[:, 0].mean() for inset in insets]
        pixels = axis.transData.transform([[exponent, 0] for exponent in np.log10(calibration.temperature.values[0, 0])])[:, 0]
        assert all(np.abs(pixels - centre).min() < 1 for centre in centres[1 : drawn + 1])
        assert centres[drawn] == pytest.approx(pixels[-1], abs=1)
    assert not overlapping_texts(figure)


def test_samples_show_the_images():
    calibration = make_calibration(displacements=(0.5, 1.0), channels=3)
    figure = draw_samples.draw(calibration, "bilinear")
    original, first, _ = (np.asarray(inset.images[0].get_array()) for inset in figure.axes[0].child_axes)
    assert original == pytest.approx((calibration.example_image.values[0, 0].transpose(1, 2, 0) + 1) / 3)
    assert first == pytest.approx((calibration.example_deformed.values[0, 0, 0, 0, 0].transpose(1, 2, 0) + 1) / 3)


# Scripts


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    files = {
        "summary": make_summary(planted={"fc2": (1.0, 0.9), "lenet": (1.0, 0.3)}),
        "three": make_calibration(),
        "six": make_calibration(cutoff=6),
        "training": make_history(),
    }
    for name, dataset in files.items():
        write_dataset(dataset, folder / f"{name}.nc", title=name, configuration={})
    return {name: folder / f"{name}.nc" for name in files}


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_writes_a_valid_svg_and_png(script, inputs, tmp_path):
    calibration, bilinear = {"calibration": [inputs["three"], inputs["six"]]}, {"interpolation": "bilinear"}
    summary = {"summary": inputs["summary"]}
    arguments = {
        "draw_samples": calibration | bilinear,
        "draw_calibration": calibration,
        "draw_training_curves": {"training": [inputs["training"]], "architectures": ARCHITECTURES},
        "draw_stability_bars": summary | {"settings": SETTINGS},
        "draw_stability_curves": summary | bilinear,
        "draw_depth": summary | {"settings": SETTINGS},
        "draw_operations": summary | {"settings": SETTINGS},
    }
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    sys.modules[f"workflow_scripts.{script}"].main(svg=svg, png=png, **arguments[script])
    assert len(list(ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}path"))) > 20
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 5000


@pytest.mark.parametrize("script", [*EVERY_SCRIPT, "decide_claims", "summarise"])
def test_script_imports_neither_torch_nor_pyplot(script):
    check = f"import sys, workflow_scripts.{script}; sys.exit(bool({{'torch', 'matplotlib.pyplot'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0
