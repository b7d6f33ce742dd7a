"""The predictor's file of small networks with known answers, written by the script and read back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from tests.synthetic_images import write_dots
from workflow_scripts.diffeo.boundary import flip_norms
from workflow_scripts.diffeo.bump import find_bump, first_reaching, linear_edge
from workflow_scripts.diffeo.deformation import critical_temperatures, displacement
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Noise, Perturbation, Probe, for_all
from workflow_scripts.diffeo.read_outs import class_read_out
from workflow_scripts.diffeo.stability import stability_sweep
from workflow_scripts.measure_predictor import as_dataset, label_flips, main
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.netcdf import read_dataset

SIZE, IMAGES, DRAWS, STEPS = 12, 30, 2, 6
LABELS = {"dataset": "dots", "network": "linear", "recipe": "short", "train_size": 50, "seed": 0, "epoch": 1}
TESTED = 40  # images of the data set
ENSEMBLE = {"delta_convention": "asymptotic", "mode_rule": "disc", "seed": 3}
SETTINGS: dict[str, Any] = {
    "directions": ["noise", "diffeo", "towards", "segment"],
    "steps": STEPS,
    "smallest_radius": 0.1,
    "largest_radius": 10.0,
    "interpolations": ["bilinear", "bicubic", "gaussian"],
    "cutoff": 3,
    "images": IMAGES,
    "draws": DRAWS,
}
NAMES = ["diffeo_bicubic", "diffeo_bilinear", "diffeo_gaussian", "noise", "noise_smoothed", "segment", "towards"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "dots.nc"
    write_dots(path, SIZE, scale=5, test=TESTED)
    return path


def measure(data: Path, folder: Path, **changes: Any) -> xr.Dataset:
    """The file of a linear network at initialisation, labelled as if it were trained."""
    specification = {"architecture": "fully_connected", "depth": 1}
    network = build_network(specification, input_shape=(1, SIZE, SIZE), classes=2, seed=0)
    checkpoint, predictor = folder / "epoch0001.pt", folder / "predictor.nc"
    described = {"network": specification, "input_shape": (1, SIZE, SIZE), "classes": 2, "run": LABELS}
    save_checkpoint(checkpoint, checkpoint_content(network, described, epoch=1))
    main(data, checkpoint, predictor, LABELS, SETTINGS | changes, ENSEMBLE, 500, "cpu", 1)
    return read_dataset(predictor).squeeze(list(LABELS), drop=True)


@pytest.fixture(scope="module")
def measured(data: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return measure(data, tmp_path_factory.mktemp("run"))


def pairs(measured: xr.Dataset) -> xr.DataArray:
    """Mean squared distance of the outputs of two images, (reference, output)."""
    return 2 * measured.squared_deviation.sum("sample") / (measured.sizes["sample"] - 1)


def test_directions_strengths_and_sizes(measured: xr.Dataset) -> None:
    assert measured.perturbation.values.tolist() == NAMES
    assert measured.kind.values.tolist() == ["diffeo"] * 3 + ["noise"] * 2 + ["segment", "towards"]
    assert (
        measured.reference_images.values.tolist() == ["original"] * 2 + ["smoothed"] + ["original", "smoothed"] + ["original"] * 2
    )
    sizes = {"perturbation": 7, "strength": STEPS, "output": 2, "sample": IMAGES, "draw": DRAWS, "reference": 2}
    assert dict(measured.sizes) == sizes
    np.testing.assert_allclose(measured.radius, 0.1 * 100 ** (np.arange(STEPS) / (STEPS - 1)), rtol=1e-12)
    np.testing.assert_allclose(measured.segment_fraction, np.arange(STEPS) / (STEPS - 1), rtol=1e-12)
    first, second = critical_temperatures(3, SIZE)
    np.testing.assert_allclose(measured.temperature[[0, -1]], [first / 15, 2 * second], rtol=1e-12)
    assert float(measured.displacement[2]) == pytest.approx(displacement(float(measured.temperature[2]), 3, SIZE), rel=1e-12)
    assert int(measured.pixels) == SIZE**2


def test_noise_and_steps_towards_images_have_the_radius(measured: xr.Dataset) -> None:
    for name in ("noise", "noise_smoothed", "towards"):
        error = abs(measured.norm.sel(perturbation=name) / measured.radius - 1)
        assert error.where(measured.norm.sel(perturbation=name) > 0, 0).max() < 1e-5


def test_linear_network_has_g_over_r2_flat_and_lambda_squared(measured: xr.Dataset) -> None:
    logits = measured.squared_distance.sel(output="logits")
    for name in ("noise", "towards"):
        ratio = logits.sel(perturbation=name) / measured.radius**2
        assert abs(ratio / ratio.isel(strength=-1) - 1).where(ratio > 0, 0).max() < 1e-3
    segment = logits.sel(perturbation="segment").sum(["sample", "draw"])
    np.testing.assert_allclose(segment / segment.isel(strength=-1), measured.segment_fraction**2, rtol=1e-5)
    assert float(segment[0]) == 0


def test_read_outs_agree_with_the_distances(measured: xr.Dataset) -> None:
    """Two classes: the softmax moves by (p − p')² in both coordinates."""
    still, moved = measured.reference_probability_reference, measured.probability_reference
    expected = 2 * (moved - still.sel(reference=measured.reference_images).drop_vars("reference")) ** 2
    difference = measured.squared_distance.sel(output="softmax") - expected
    assert abs(difference).max() < 1e-5
    probability = measured.probability_true
    entropy = -(probability * np.log(probability) + (1 - probability) * np.log1p(-probability))
    assert abs(entropy - measured.entropy).max() < 1e-4
    right = measured.predicted_class == measured.label
    assert ((probability > 0.5) == right).all()


def test_flips_lie_between_the_last_strength_that_keeps_the_label_and_the_first_that_does_not(measured: xr.Dataset) -> None:
    still = measured.reference_class.sel(reference=measured.reference_images).drop_vars("reference")
    flipped = (measured.predicted_class != still).transpose("perturbation", "sample", "draw", "strength").values
    norm = measured.norm.transpose("perturbation", "sample", "draw", "strength").values
    flip = measured.flip_norm.values
    assert (np.isnan(flip) == ~flipped.any(axis=-1)).all()
    assert np.isfinite(flip).sum() > 50
    first = flipped.argmax(axis=-1)
    upper = np.take_along_axis(norm, first[..., None], axis=-1)[..., 0]
    lower = np.where(first > 0, np.take_along_axis(norm, np.maximum(first - 1, 0)[..., None], axis=-1)[..., 0], 0)
    found = np.isfinite(flip)
    of_norm = found & np.isin(measured.kind.values, ["noise", "towards", "segment"])[:, None, None]
    assert (flip[of_norm] <= upper[of_norm] * (1 + 1e-5)).all()
    assert (flip[of_norm] >= lower[of_norm] * (1 - 1e-5)).all()


def test_all_images_are_taken_if_there_are_fewer(data: Path, tmp_path: Path) -> None:
    found = measure(data, tmp_path, images=1000, directions=["noise"], interpolations=["bilinear"])
    assert found.sizes["sample"] == TESTED
    assert found.perturbation.values.tolist() == ["noise"]


def test_the_same_images_move_the_same_way_whatever_else_is_measured(measured: xr.Dataset, data: Path, tmp_path: Path) -> None:
    alone = measure(data, tmp_path, directions=["noise"], interpolations=["bilinear"])
    together = measured.squared_distance.sel(perturbation=["noise"])
    np.testing.assert_allclose(alone.squared_distance, together, rtol=1e-4, atol=1e-9)


def test_a_known_boundary_in_two_dimensions_puts_bump_and_onset_where_they_belong() -> None:
    """Images at distance 1 from a straight boundary; the logits jump there, and are constant but for a slope of 1e-3 elsewhere.

    Along a direction at an angle a to the normal a step r crosses where r cos a > 1: labels change with probability
    arccos(1/r)/π, and G/r² goes as that over r². Its top is where r √(r² − 1) arccos(1/r)/π has derivative 0.
    """
    height, samples = 1.0, 400
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.Hardtanh(), nn.Linear(2, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[50.0, 0.0], [1e-3, 0.0]]))
        network[1].bias.zero_()
        network[3].weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
        network[3].bias.zero_()
    sides = torch.arange(samples).remainder(2) * 2.0 - 1
    images = torch.stack((sides * height, torch.linspace(-1, 1, samples)), dim=1).view(samples, 2, 1, 1)
    radii = torch.logspace(-0.6, 1.2, 40, dtype=torch.float64)
    noise: dict[str, Perturbation] = {"noise": Noise(for_all(radii, samples, 4), "bilinear", 0)}
    observed = ObservedNetwork(network, every_operation=False)
    read_out = class_read_out((sides < 0).long())
    moved = list(noise.values())
    sweep = stability_sweep(observed, images, moved, radii[None], draws=4, batch_size=100, read_out=read_out)
    dataset = as_dataset(sweep, noise)
    flips = flip_norms(observed, images, moved, torch.from_numpy(label_flips(dataset).values), batch_size=100, halvings=12)
    assert dataset.predicted_class.dims == ("perturbation", "strength", "sample", "draw")

    tops = np.linspace(1.01, 4, 30_000)
    top = tops[(np.arccos(1 / tops) / tops**2).argmax()]
    distance = dataset.squared_distance.sel(output="logits").mean(["sample", "draw"]).values[0]
    bump = find_bump(radii.numpy(), distance / radii.numpy() ** 2)
    assert bump.exists
    assert abs(np.log(bump.position / top)) < 0.15  # 1600 directions
    edge = linear_edge(radii.numpy(), distance / radii.numpy() ** 2)
    assert abs(np.log(edge)) < float(radii[1] / radii[0]) - 1 + 0.02  # a strength and the width of the jump
    changed = label_flips(dataset).mean(["sample", "draw"]).values[0]
    exact = np.arccos(1 / radii.numpy().clip(1)) / np.pi
    onset = first_reaching(radii.numpy(), exact, 0.1)
    assert abs(onset - 1 / np.cos(0.1 * np.pi)) < 0.05
    assert abs(first_reaching(radii.numpy(), changed, 0.1) / onset - 1) < 5 * 0.0077  # √(0.1 · 0.9/1600) over the slope there
    direction = torch.stack(
        [noise["noise"].direction(Probe(images, images, torch.arange(samples)), draw) for draw in range(4)], 1
    )
    towards = -sides[:, None].double() * direction[:, :, 0, 0, 0]
    expected = torch.where(towards * radii[-1] > height, height / towards, torch.nan)
    torch.testing.assert_close(flips[0], expected, rtol=1e-3, atol=0, equal_nan=True)
