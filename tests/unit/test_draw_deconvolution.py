import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tests.synthetic_deconvolution import make_deconvolution, make_table
from tests.unit.test_draw_figures import overlapping_texts, texts
from workflow_scripts import draw_deconvolution, draw_deconvolution_pictures
from workflow_scripts.draw_deconvolution_pictures import EDGE, contrasted
from workflow_scripts.support.netcdf import write_dataset

CELLS = ((0, 0), (0, 1), (1, 0), (1, 1))  # feature, patch


def canvas_of(figure, layer):
    """The picture of one layer, and the distance in its pixels from one row, patch or channel to the next."""
    (image,) = figure.axes[layer].images
    return np.asarray(image.get_array())


# Pictures


@pytest.mark.parametrize("colours", [1, 3])
def test_patches_lie_above_their_reconstructions_in_their_place(colours):
    figure = draw_deconvolution_pictures.draw(make_deconvolution(colours))
    canvas = canvas_of(figure, 0)
    scale = -(-EDGE // 3)  # a receptive field has 3 pixels, a row of which is outside of the image
    step = 3 * scale + 3 * scale // 16
    group = 2 * step + scale
    for feature, patch in CELLS:
        left = feature * group + patch * step
        cell = canvas[:, left : left + 3 * scale]
        assert (cell[:scale] == 1).all()  # outside of the image
        assert cell[scale : 3 * scale] == pytest.approx(((feature + patch) % 3 + 1) / 255)
        assert cell[step + scale : step + 2 * scale] == pytest.approx(1)
        assert cell[step + 2 * scale : step + 3 * scale] == pytest.approx(0.25)
    assert (canvas[:, 2 * group :] == 1).all()  # the third channel is missing
    assert [text.get_text() for text in figure.axes[0].texts] == ["channel 0", "channel 1"]


def test_a_receptive_field_as_large_as_the_image_is_in_its_place_of_the_image():
    canvas = canvas_of(draw_deconvolution_pictures.draw(make_deconvolution()), 1)
    scale = -(-EDGE // 6)
    assert (canvas[: 6 * scale, : 2 * scale] == 1).all()
    assert canvas[: 6 * scale, 2 * scale : 6 * scale] == pytest.approx(1 / 255)


def test_every_row_names_its_layer_and_receptive_field():
    figure = draw_deconvolution_pictures.draw(make_deconvolution())
    assert [axis.get_ylabel() for axis in figure.axes] == ["relu1\n3 × 3 px", "relu2\n6 × 6 px"]
    assert figure.get_suptitle() == "LeNet on dots, epoch 4"
    assert overlapping_texts(figure) == []
    initial = draw_deconvolution_pictures.draw(make_deconvolution().isel(epoch=[0]))
    assert initial.get_suptitle() == "LeNet on dots, at initialisation"


def test_grey_is_zero_and_contrast_is_symmetric():
    assert contrasted(np.array([0, 2, -1.0])).tolist() == [0.5, 1, 0.25]
    assert contrasted(np.zeros(3)).tolist() == [0.5] * 3
    sparse = np.array([100.0, -100.0, *[1.0, -1.0] * 100, 0, 0])
    limit = 3 * np.sqrt((2 * 100**2 + 200) / 202)
    assert contrasted(sparse)[:3] == pytest.approx([1, 0, 0.5 + 0.5 / limit])
    assert (contrasted(sparse)[-2:] == 0.5).all()


# Against depth


@pytest.mark.parametrize(
    ("datasets", "networks"),
    [
        (("mnist",), ("lenet",)),
        (("fashion_mnist", "mnist_5k", "svhn"), ("lenet", "simple_cnn", "vgg11_bn_narrow", "resnet18_narrow")),
    ],
)
def test_lines_are_the_averages_of_the_table(datasets, networks):
    table = make_table(datasets, networks)
    figure = draw_deconvolution.draw(table)
    assert len(figure.axes) == 3 * len(networks)
    assert overlapping_texts(figure) == []
    assert "relative depth" in texts(figure)
    titles = [figure.axes[3 * row].get_ylabel().split("\n")[0] for row in range(len(networks))]
    assert "LeNet" in titles
    first = 3 * titles.index("LeNet")
    of_lenet = table.isel(checkpoint=np.flatnonzero((table.network == "lenet") & (table.dataset == datasets[0])))
    for axis, name in zip(figure.axes[first : first + 3], ("extent", "centroid", "low_fraction"), strict=True):
        drawn = [line for line in axis.lines if line.get_marker() == "o"]
        assert len(drawn) == 2 * len(datasets)
        for line, row in zip(drawn, (0, 1), strict=False):
            assert line.get_ydata() == pytest.approx(of_lenet[name].values[row, :3])
            assert line.get_xdata() == pytest.approx([0.25, 0.5, 0.75])
        assert drawn[0].get_linestyle() == "--" and drawn[1].get_linestyle() == "-"
    dotted = [line for line in figure.axes[first].lines if line.get_linestyle() == ":"]
    assert dotted[0].get_ydata() == pytest.approx(of_lenet.seen.values[0, :3])


def test_scripts_write_both_files(tmp_path: Path):
    write_dataset(make_deconvolution(3), tmp_path / "run.nc", title="made up", configuration={})
    write_dataset(make_table(), tmp_path / "table.nc", title="made up", configuration={})
    draw_deconvolution_pictures.main(tmp_path / "run.nc", tmp_path / "run.svg", tmp_path / "run.png")
    draw_deconvolution.main(tmp_path / "table.nc", tmp_path / "table.svg", tmp_path / "table.png")
    for name in ("run", "table"):
        ET.parse(tmp_path / f"{name}.svg")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
