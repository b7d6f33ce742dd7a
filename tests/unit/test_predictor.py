"""The reduction of predictor files: networks whose answers are known in closed form, slow loops."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_predictor import CLASSES, IMAGES, KINDS, PIXELS, RADII, SAMPLES, bent, direction, linear, make_predictor_file
from workflow_scripts.diffeo.predictor import predictor_statistics

DRAWS = 3
CURVES = ("perturbation", "strength")
LANDMARKS = ("perturbation", "output", "statistic")
DIMS = {
    "r": CURVES,
    **dict.fromkeys(["stability", "stability_median", "stability_worst"], (*CURVES, "output")),
    **dict.fromkeys(["label_changed", "wrong_label", "probability_true", "probability_reference", "entropy"], CURVES),
    **dict.fromkeys(["linear_edge", "bump_position", "bump_height", "bump_width", "bump_probability"], LANDMARKS),
    **dict.fromkeys(["onset_over_bump", "flip_over_bump", "rise", "rise_and_fall"], LANDMARKS),
    "relative_stability": (*LANDMARKS, "strength"),
    **dict.fromkeys(["onset", "half", "flip_median", "flip_fraction"], ("perturbation",)),
    "flip_histogram": ("perturbation", "bin"),
    **dict.fromkeys(["agreement_r", "agreement_displacement"], ("pair",)),
    "agreement_ratio": ("pair", "strength"),
    **dict.fromkeys(["displacement", "temperature", "radius", "segment_fraction"], ("strength",)),
    **dict.fromkeys(["image_norm", "pixels"], ()),
}
WITHOUT_ERROR = {"r", "bump_probability", "flip_histogram", "displacement", "temperature", "radius", "segment_fraction"}
WITHOUT_ERROR |= {"image_norm", "pixels", "agreement_r", "agreement_displacement", "agreement_ratio"}


@pytest.fixture(scope="module")
def measured() -> xr.Dataset:
    """Everything there is, of a network with a bump in some directions and none in others; some labels are unknown or wrong."""
    labels = bent(IMAGES).argmax(-1)
    labels[:4] = [-1, (labels[1] + 1) % CLASSES, -1, (labels[3] + 1) % CLASSES]
    return make_predictor_file(bent, IMAGES, labels, draws=DRAWS)


@pytest.fixture(scope="module")
def reduced(measured: xr.Dataset) -> xr.Dataset:
    return predictor_statistics(measured)


# What is there


def test_variables_and_their_dims_are_those_of_the_page_of_results(reduced: xr.Dataset) -> None:
    expected = DIMS | {f"{name}_standard_error": dims for name, dims in DIMS.items() if name not in WITHOUT_ERROR}
    assert {name: values.dims for name, values in reduced.data_vars.items()} == expected
    for name, values in reduced.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name


def test_coordinates_say_what_the_labels_are(reduced: xr.Dataset) -> None:
    assert reduced.perturbation.values.tolist() == sorted(KINDS)
    about = zip(reduced.kind.values.tolist(), reduced.interpolation.values.tolist(), strict=True)
    assert list(about) == [KINDS[name] for name in sorted(KINDS)]
    assert reduced.output.values.tolist() == ["logits", "softmax"]
    assert reduced.statistic.values.tolist() == ["mean", "median"]
    assert reduced.pair.values.tolist() == ["bicubic-bilinear", "bicubic-gaussian", "bilinear-gaussian"]
    np.testing.assert_allclose(reduced.bin_high / reduced.bin_low, 10**0.125)
    assert (reduced.bin_low[0].item(), reduced.bin_high[-1].item()) == (0.01, 1000)


def test_strengths_and_images_are_passed_on(measured: xr.Dataset, reduced: xr.Dataset) -> None:
    for name in ("displacement", "temperature", "radius", "segment_fraction", "pixels"):
        xr.testing.assert_identical(
            reduced[name].drop_vars("strength", errors="ignore"), measured[name].drop_vars("strength", errors="ignore")
        )
    assert reduced.image_norm.item() == pytest.approx(np.linalg.norm(IMAGES, axis=1).mean(), rel=1e-6)
    np.testing.assert_allclose(reduced.r, measured.norm.astype(float).mean(("sample", "draw")), rtol=1e-12)


# Averages against loops


def slow_mean(per_draw: np.ndarray) -> tuple[float, float]:
    """Mean of (sample, draw) and its standard error over samples."""
    per_sample = [sum(row) / len(row) for row in per_draw.astype(float).tolist()]
    return float(np.mean(per_sample)), float(np.std(per_sample, ddof=1) / math.sqrt(len(per_sample)))


def test_means_over_images_equal_slow_loops(measured: xr.Dataset, reduced: xr.Dataset) -> None:
    label = measured.label.values
    known = [sample for sample in range(SAMPLES) if label[sample] >= 0]
    assert len(known) == SAMPLES - 2
    for place, name in enumerate(measured.perturbation.values.tolist()):
        reference = measured.reference.values.tolist().index("smoothed" if KINDS[name][1] == "gaussian" else "original")
        still = measured.reference_class.values[reference]
        for strength in (0, 4, 11):
            at = measured.isel(perturbation=place, strength=strength)
            predicted = at.predicted_class.values
            expected = {
                "label_changed": slow_mean(predicted != still[:, None]),
                "wrong_label": slow_mean((predicted != label[:, None])[known]),
                "probability_true": slow_mean(at.probability_true.values[known]),
                "probability_reference": slow_mean(at.probability_reference.values),
                "entropy": slow_mean(at.entropy.values),
            }
            for quantity, values in expected.items():
                found = reduced.isel(perturbation=place, strength=strength)
                pair = (found[quantity].item(), found[f"{quantity}_standard_error"].item())
                assert pair == pytest.approx(values, rel=1e-12, abs=1e-15), (name, quantity)
        assert reduced.flip_fraction[place].item() == pytest.approx(slow_mean(~np.isnan(measured.flip_norm.values[place]))[0])
        error = slow_mean(~np.isnan(measured.flip_norm.values[place]))[1]
        assert reduced.flip_fraction_standard_error[place].item() == pytest.approx(error, abs=1e-15)
    assert 0 < reduced.wrong_label[:, 0].min() < reduced.wrong_label[:, -1].min()


@pytest.mark.parametrize("name", ["noise", "diffeo_gaussian", "segment", "towards"])
def test_stabilities_and_their_errors_equal_the_delta_method(measured: xr.Dataset, reduced: xr.Dataset, name: str) -> None:
    reference = "smoothed" if name == "diffeo_gaussian" else "original"
    for output in ("logits", "softmax"):
        every = measured.sel(perturbation=name, output=output).squared_distance.values.astype(float)
        pairs = 2 * SAMPLES / (SAMPLES - 1) * measured.squared_deviation.sel(reference=reference, output=output).values
        below = every[-1].mean(axis=1) if name == "segment" else pairs
        for strength in (1, 6):
            for suffix, above in (("", every[strength].mean(axis=1)), ("_worst", every[strength].max(axis=1))):
                ratio = above.mean() / below.mean()
                covariance = np.cov(above, below)
                variance = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
                found = reduced.sel(perturbation=name, output=output).isel(strength=strength)
                assert found[f"stability{suffix}"].item() == pytest.approx(ratio, rel=1e-12)
                error = found[f"stability{suffix}_standard_error"].item()
                assert error == pytest.approx(math.sqrt(variance / SAMPLES) / below.mean(), rel=1e-9)
            median = sorted(every[strength].mean(axis=1))[SAMPLES // 2] / below.mean()
            assert found.stability_median.item() == pytest.approx(median, rel=1e-12)


def test_pairs_are_the_distinct_pairs_of_reference_images(reduced: xr.Dataset, measured: xr.Dataset) -> None:
    for name, images in (("noise", IMAGES), ("noise_smoothed", IMAGES / 2)):
        answers = bent(images)
        pairs = [((a - b) ** 2).sum() for i, a in enumerate(answers) for b in answers[:i]]
        numerator = measured.squared_distance.sel(perturbation=name, output="logits").isel(strength=5).astype(float).mean()
        found = reduced.stability.sel(perturbation=name, output="logits").isel(strength=5)
        assert found.item() == pytest.approx(numerator.item() / np.mean(pairs), rel=1e-9)


# Networks with known answers


def test_a_linear_network_has_flat_curves_and_no_bump() -> None:
    found = predictor_statistics(make_predictor_file(linear, IMAGES)).sel(output="logits")
    share = found.stability.where(found.r > 0) / found.r**2
    flat = share.sel(perturbation=["noise", "towards", "diffeo_bilinear", "noise_smoothed"])
    np.testing.assert_allclose(flat / flat[:, 0], 1, rtol=1e-6)
    np.testing.assert_allclose(
        found.linear_edge, found.r.isel(strength=-1, drop=True).expand_dims(statistic=2, axis=1), rtol=1e-6
    )
    assert (found.bump_probability == 0).all()
    for name in ("bump_position", "bump_height", "bump_width", "onset_over_bump", "flip_over_bump"):
        assert found[name].isnull().all()
        assert found[f"{name}_standard_error"].isnull().all()
    noise = direction("noise", IMAGES, DRAWS, 0)
    delta = 2 * np.var(linear(IMAGES), axis=0, ddof=1).sum()
    expected = RADII**2 * (linear(noise) ** 2).sum(-1).mean() / delta
    np.testing.assert_allclose(found.stability.sel(perturbation="noise"), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["diffeo_bilinear", "diffeo_gaussian"])
def test_relative_stability_of_a_linear_network_is_d_over_g_at_any_r(name: str) -> None:
    """Along noise a linear network moves by r² g, whatever r: D/(g r²), with the errors of the two and what they share."""
    measured = make_predictor_file(linear, IMAGES)
    found = predictor_statistics(measured, resamples=4000).sel(output="logits", statistic="mean", perturbation=name)
    noise = measured.sel(perturbation="noise", output="logits").isel(strength=3)  # smoothing an image does not matter here
    shares = (noise.squared_distance / RADII[3] ** 2).astype(float).mean("draw").values
    for strength in (0, 5, 10):
        moved = measured.sel(perturbation=name, output="logits").isel(strength=strength)
        above = moved.squared_distance.astype(float).mean("draw").values
        norm = moved.norm.astype(float).mean("draw").values
        expected = above.mean() / norm.mean() ** 2 / shares.mean()
        assert found.relative_stability[strength].item() == pytest.approx(expected, rel=1e-6)
        influence = above / above.mean() - 2 * norm / norm.mean() - shares / shares.mean()
        error = expected * influence.std(ddof=1) / math.sqrt(SAMPLES)
        assert found.relative_stability_standard_error[strength].item() == pytest.approx(error, rel=0.1)


def test_relative_stability_is_that_of_deformations_within_the_norms_of_noise(reduced: xr.Dataset) -> None:
    known = reduced.relative_stability.notnull().all(["output", "statistic"])
    inside = (reduced.r >= RADII[0]) & (reduced.r <= RADII[-1])
    assert (known == (inside & (reduced.kind == "diffeo"))).all()


def test_a_segment_of_a_linear_network_goes_as_the_square_of_the_fraction() -> None:
    found = predictor_statistics(make_predictor_file(linear, IMAGES)).sel(perturbation="segment")
    np.testing.assert_allclose(found.stability.sel(output="logits"), found.segment_fraction**2, rtol=2e-6)


def test_a_segment_starts_at_0_and_ends_at_exactly_1(reduced: xr.Dataset) -> None:
    segment = reduced.sel(perturbation="segment")
    for output in ("logits", "softmax"):
        at = segment.sel(output=output)
        assert (at.stability[0], at.stability[-1]) == (0, 1)
        assert (at.stability_standard_error[0], at.stability_standard_error[-1]) == (0, 0)
        assert at.stability_worst[-1] > 1
    assert segment.r[0] == 0
    assert np.isfinite(segment.linear_edge).all()


def test_every_direction_is_alike_for_an_isotropic_network() -> None:
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(PIXELS, PIXELS)))[0]
    found = predictor_statistics(make_predictor_file(lambda images: images @ rotation, IMAGES)).stability.sel(output="logits")
    np.testing.assert_allclose(found.sel(perturbation="towards"), found.sel(perturbation="noise"), rtol=1e-6)


B, STEEPNESS, STEPS = 2.0, 6.0, 40


@pytest.fixture(scope="module")
def half_plane() -> xr.Dataset:
    """Two classes in the plane, the boundary at distance B of every image; the logits jump there within B/STEEPNESS."""

    def logits(images: np.ndarray) -> np.ndarray:
        return np.tanh(STEEPNESS / B * images[..., :1]) * [1, -1]

    generator = np.random.default_rng(0)
    images = np.stack([B * np.where(np.arange(400) % 2, 1, -1), generator.normal(size=400)], axis=1)
    radii = np.geomspace(B / 20, 10 * B, STEPS)
    measured = make_predictor_file(logits, images, perturbations=["noise"], radii=radii)
    return predictor_statistics(measured).isel(perturbation=0).sel(output="logits")


def within(found: xr.Dataset, name: str, expected: float, **selection: str) -> bool:
    """Whether log10 of a landmark is half a step of the grid and five standard errors from the expected one at most."""
    at = found.sel(selection)
    allowed = math.log10(200) / (STEPS - 1) / 2 + 5 * at[f"{name}_standard_error"].item()
    return abs(math.log10(at[name].item() / expected)) < allowed


def test_a_known_boundary_puts_bump_edge_and_onset_where_they_belong(half_plane: xr.Dataset) -> None:
    """Noise at an angle θ crosses the boundary at r cos θ = B; ⟨|Δf|²⟩ is an integral over θ."""
    angle = (np.arange(4000) + 0.5) / 4000 * np.pi
    r = np.geomspace(B / 20, 10 * B, 4001)
    jump = np.tanh(STEEPNESS * (1 + r[:, None] / B * np.cos(angle))) - np.tanh(STEEPNESS)
    curve = 2 * (jump**2).mean(axis=1) / r**2
    position = r[curve.argmax()]
    assert B < position < 1.5 * B
    assert within(half_plane, "bump_position", position, statistic="mean")
    assert within(half_plane, "linear_edge", r[(np.abs(curve / curve[0] - 1) > 0.1).argmax()], statistic="mean")
    height = half_plane.bump_height.sel(statistic="mean").item() / (curve.max() / curve[0])
    assert math.log10(height) == pytest.approx(0, abs=5 * half_plane.bump_height_standard_error[0].item() + 0.02)
    assert within(half_plane, "onset", B / math.cos(0.1 * math.pi))
    assert half_plane.bump_probability.min() == 1
    changed = np.arccos(np.minimum(B / half_plane.r, 1)) / np.pi
    assert (abs(half_plane.label_changed - changed) <= 5 * half_plane.label_changed_standard_error + 1e-12).all()


def test_labels_that_change_in_less_than_half_of_all_directions(half_plane: xr.Dataset) -> None:
    """No direction away from the boundary ever meets it: neither `half` nor a median distance exists."""
    for name in ("half", "flip_median"):
        assert np.isnan(half_plane[name])
        assert np.isnan(half_plane[f"{name}_standard_error"])
    assert half_plane.flip_over_bump.isnull().all()
    assert half_plane.onset_over_bump.notnull().all()
    expected = math.acos(0.1) / math.pi
    assert half_plane.flip_fraction.item() == pytest.approx(expected, abs=5 * half_plane.flip_fraction_standard_error.item())


def test_distances_to_a_round_boundary_are_those_of_geometry() -> None:
    """The class of a centre is a disc of radius B around it; images lie a little off their centre, and all directions leave."""
    centres = np.array([[0.0, 0.0], [50.0, 0.0]])

    def logits(images: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(images[..., None, :] - centres, axis=-1)
        inside = np.tanh(STEEPNESS * (1 - distance / B))
        return np.concatenate([inside, np.zeros_like(inside[..., :1])], axis=-1)

    offset = 0.1 * B * np.random.default_rng(0).normal(size=(200, 2))
    images = offset + centres[np.arange(200) % 2]
    radii = np.geomspace(B / 20, 10 * B, STEPS)
    measured = make_predictor_file(logits, images, perturbations=["noise"], radii=radii)
    found = predictor_statistics(measured).isel(perturbation=0)
    along = (offset[:, None] * direction("noise", images, DRAWS, 0)).sum(-1)
    distances = np.sqrt(along**2 + B**2 - (offset**2).sum(1)[:, None]) - along
    assert found.flip_median.item() == pytest.approx(np.median(distances), rel=1e-5)
    assert (found.flip_fraction, found.flip_fraction_standard_error) == (1, 0)
    counts = np.histogram(distances, np.logspace(-2, 3, 41))[0] / distances.size
    np.testing.assert_allclose(found.flip_histogram, counts, atol=1e-12)
    assert within(found, "onset", np.quantile(distances, 0.1))
    assert within(found, "half", np.median(distances))
    over = found.flip_over_bump.sel(output="logits", statistic="mean")
    position = found.bump_position.sel(output="logits", statistic="mean")
    assert over.item() == pytest.approx(math.log10(np.median(distances) / position.item()), abs=1e-5)
    assert B < position < 1.5 * B


# Edges


def test_nothing_is_known_without_labels() -> None:
    found = predictor_statistics(make_predictor_file(bent, IMAGES, [-1] * SAMPLES))
    for name in ("wrong_label", "probability_true"):
        assert found[name].isnull().all()
        assert found[f"{name}_standard_error"].isnull().all()
    assert found.label_changed.notnull().all()
    assert found.probability_reference.notnull().all()


def test_one_image_has_values_without_errors() -> None:
    found = predictor_statistics(make_predictor_file(bent, IMAGES[:1], perturbations=["noise"], draws=1))
    assert found.stability.isnull().all()
    assert found.entropy.notnull().all()
    assert found.entropy_standard_error.isnull().all()
    assert found.linear_edge.notnull().all()


def test_labels_that_never_change() -> None:
    found = predictor_statistics(make_predictor_file(lambda images: bent(images) * 0.01 + [9, 0, 0, 0], IMAGES))
    assert (found.label_changed == 0).all()
    for name in ("onset", "half", "flip_median", "onset_over_bump", "flip_over_bump"):
        assert found[name].isnull().all()
        assert found[f"{name}_standard_error"].isnull().all()
    assert (found.flip_histogram == 0).all()
    assert (found.flip_fraction == 0).all()


@pytest.mark.parametrize("samples", range(10, 130, 10))
def test_a_tenth_of_the_labels_is_a_tenth_whatever_its_rounding(samples: int) -> None:
    """One of three draws of three images in ten, at the last strength alone."""
    images = np.random.default_rng(0).normal(size=(samples, PIXELS))
    measured = make_predictor_file(bent, images, perturbations=["noise"])
    measured.predicted_class.values[:] = measured.reference_class.values[0][:, None]
    measured.predicted_class.values[0, -1, : 3 * samples // 10, 0] += 1
    assert predictor_statistics(measured, resamples=2).onset.item() == pytest.approx(RADII[-1], rel=1e-6)


def test_a_curve_that_starts_at_0_has_no_landmarks() -> None:
    """A softmax so sure that small noise does not move it in single precision."""
    measured = make_predictor_file(bent, IMAGES, perturbations=["noise"])
    measured.squared_distance.values[:, :2, 1] = 0
    found = predictor_statistics(measured).sel(output="softmax")
    assert found.linear_edge.isnull().all()
    assert found.bump_position.isnull().all()
    assert (found.bump_probability == 0).all()


def test_the_order_of_the_images_does_not_matter(measured: xr.Dataset, reduced: xr.Dataset) -> None:
    other = predictor_statistics(measured.isel(sample=slice(None, None, -1)))
    for name in DIMS:
        if name not in ("bump_probability", "bump_position", "bump_height", "bump_width", "onset_over_bump", "flip_over_bump"):
            np.testing.assert_allclose(other[name], reduced[name], rtol=1e-9, atol=1e-12, err_msg=name)
