"""What holds for the statistics of any numbers."""

import numpy as np
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workflow_scripts.diffeo.statistics import Estimate, mean, median, relative_stability

SCALES = st.floats(1e-6, 1e6)
LAYERS = ("input", "logits", "softmax")


def numbers(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, shape, elements=st.floats(1e-3, 1e3))


def make_stability(distance: np.ndarray, deviation: np.ndarray) -> xr.Dataset:
    """A stability file with one interpolation, two strengths and three layers; the logits play no part."""
    samples = deviation.shape[-1]
    return xr.Dataset(
        {
            "squared_distance": (("perturbation", "strength", "layer", "sample", "draw"), distance),
            "squared_deviation": (("reference", "layer", "sample"), deviation),
            "logits": (
                ("perturbation", "strength", "sample", "draw", "class"),
                np.arange(2 * 2 * samples * 2 * 2.0).reshape(2, 2, samples, 2, 2),
            ),
            "reference_logits": (("reference", "sample", "class"), np.full((1, samples, 2), -1.0)),
        },
        coords={
            "perturbation": ["diffeo_bilinear", "noise_bilinear"],
            "kind": ("perturbation", ["diffeo", "noise"]),
            "interpolation": ("perturbation", ["bilinear"] * 2),
            "reference_images": ("perturbation", ["original"] * 2),
            "reference": ["original"],
            "layer": [0, 1, 2],
            "operation": ("layer", list(LAYERS)),
        },
    )


@settings(max_examples=25, deadline=None)
@given(numbers(2, 2, 3, 7, 2), numbers(1, 3, 7), SCALES)
def test_scaling_a_network_changes_neither_d_nor_g_nor_r(distance: np.ndarray, deviation: np.ndarray, scale: float) -> None:
    one, other = (relative_stability(make_stability(factor * distance, factor * deviation)) for factor in (1.0, scale))
    for name in ("D", "G", "R"):
        for suffix in ("", "_median"):
            np.testing.assert_allclose(one[name + suffix], other[name + suffix], rtol=1e-10)
            error = f"{name}{suffix}_standard_error"
            np.testing.assert_allclose(one[error], other[error], rtol=1e-6, atol=1e-10 * float(one[name + suffix].max()))


@settings(max_examples=25, deadline=None)
@given(numbers(2, 2, 3, 7, 2), numbers(1, 3, 7), SCALES)
def test_r_is_proportional_to_d_and_knows_nothing_of_the_denominator(
    distance: np.ndarray, deviation: np.ndarray, scale: float
) -> None:
    one = relative_stability(make_stability(distance, deviation))
    distance[0] *= scale
    other = relative_stability(make_stability(distance, deviation[..., ::-1] * 3))
    for name in ("R", "R_median"):
        np.testing.assert_allclose(other[name], scale * one[name], rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(numbers(2, 2, 3, 7, 2), numbers(1, 3, 7), st.permutations(range(7)))
def test_the_order_of_the_samples_does_not_matter(distance: np.ndarray, deviation: np.ndarray, order: list[int]) -> None:
    one = relative_stability(make_stability(distance, deviation))
    other = relative_stability(make_stability(distance[:, :, :, order], deviation[..., order]))
    for name in ("D", "R", "R_median", "Delta"):
        np.testing.assert_allclose(other[name], one[name], rtol=1e-10)


@given(hnp.arrays(np.float64, 20, elements=st.floats(-1e3, 1e3)), st.sampled_from([mean, median]))
def test_a_statistic_over_itself_is_1_without_error(values: np.ndarray, statistic) -> None:
    samples = xr.DataArray(np.exp(values / 1e3), dims="sample")
    ratio: Estimate = statistic(samples).over(statistic(samples))
    assert float(ratio.value) == 1
    assert float(ratio.standard_error()) < 1e-12
