import numpy as np
import pytest

from tests.synthetic_predictor_summary import HEIGHT, make_predictor_summary
from workflow_scripts.diffeo.predictor_averages import averages, log_averages, positions, radii, stability_per_square

GROUP = ("mnist_5k", "lenet")


def predictor(**options):
    return make_predictor_summary(("mnist_5k",), {"lenet": 10.0, "fc2": None}, **options)


def noise(**options):
    return predictor(**options).sel(perturbation="noise", output="logits", statistic="mean")


def test_stability_per_square_at_small_r_is_the_planted_one():
    share = stability_per_square(noise(relative_error=0.05))[GROUP]
    assert 10 ** share.value.values[0] == pytest.approx(1 / (2 * HEIGHT[0, 0] * 100), rel=1e-4)
    assert share.standard_error.values == pytest.approx(0.05 / np.log(10))
    assert share.runs == 2


def test_relative_curves_start_at_one():
    share = stability_per_square(noise(scatter=0.2), relative=True)[GROUP]
    assert share.value.values[0] == 0


def test_stability_per_square_is_missing_where_r_is_zero():
    share = stability_per_square(predictor().sel(perturbation="segment", output="logits"))[GROUP]
    assert np.isnan(share.value.values).tolist() == [True] + [False] * 11


def test_averages_of_a_variable_and_of_its_logarithm():
    plain, logarithm = (average(noise(), "label_changed")[GROUP] for average in (averages, log_averages))
    assert plain.value.values == pytest.approx(noise().label_changed.values[0])
    assert plain.standard_error.values == pytest.approx(noise().label_changed_standard_error.values[0])
    assert logarithm.value.values == pytest.approx(np.log10(plain.value.values))
    assert logarithm.standard_error.values == pytest.approx(0.03 / np.log(10))


def test_positions_are_geometric_means_over_the_runs_that_have_one():
    rows = noise(seeds=3)
    assert set(positions(rows, "bump_position")) == {GROUP}
    lenet = np.flatnonzero(rows.network == "lenet")
    rows.bump_position[lenet] = [8.0, 18.0, np.nan]
    found = positions(rows, "bump_position")[GROUP]
    assert 10 ** float(found.value) == pytest.approx(12)
    assert found.runs == 2
    scatter = np.std(np.log10([8, 18]), ddof=1) ** 2 / 2
    assert float(found.standard_error) == pytest.approx((0.05**2 + scatter) ** 0.5)


def test_no_positions():
    assert positions(noise().isel(checkpoint=slice(0, 0)), "bump_position") == {}


def test_radii_are_means_over_runs():
    rows = noise()
    rows.r[np.flatnonzero(rows.network == "lenet")[0]] *= 3
    assert radii(rows)[GROUP].values == pytest.approx(2 * np.geomspace(0.3, 100, 12))
