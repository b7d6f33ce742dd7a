import math

import pytest
import torch

from workflow_scripts.diffeo.deformation import standard_deviations
from workflow_scripts.diffeo.field_norms import FORMULAS, PARTS, asymptotic_mean_squares, mean_norms, mean_squares

ENSEMBLES = [("disc", 2), ("disc", 3), ("disc", 5), ("padded", 3)]
SIZE = 32


def trapezoids(cutoff: int, rule: str, points: int) -> dict[str, float]:
    """Mean norms over the unit square, written out: eigenvalues of the covariance at every point of a fine midpoint rule."""
    variance = standard_deviations(cutoff, rule).square()
    u = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    field, covariance = torch.zeros(points, points), torch.zeros(points, points, 2, 2, dtype=torch.float64)
    for i in range(1, cutoff + 1):
        for j in range(1, cutoff + 1):
            row, column = math.pi * i * u[:, None], math.pi * j * u[None, :]
            wave = row.sin() * column.sin()
            slope = torch.stack((math.pi * i * row.cos() * column.sin(), math.pi * j * row.sin() * column.cos()), dim=-1)
            field = field + variance[i - 1, j - 1] * wave**2
            covariance += variance[i - 1, j - 1] * slope[..., :, None] * slope[..., None, :]
    small, large = torch.linalg.eigvalsh(covariance).clamp(min=0).unbind(dim=-1)
    trace = small + large
    # The mean root of the sum of two exponential numbers of means 2 small and 2 large.
    exponential = math.sqrt(math.pi) / 2 * ((2 * large) ** 1.5 - (2 * small) ** 1.5) / (2 * (large - small))
    norms = {"tau": SIZE * (math.pi / 2 * field) ** 0.5, "C": (trace / math.pi) ** 0.5, "U": exponential}
    return {name: values.mean().item() for name, values in norms.items()}


@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_means_over_the_square_are_those_of_a_fine_midpoint_rule(rule, cutoff):
    found = mean_norms(cutoff, rule, size=SIZE, on_grid=False)
    for name, value in trapezoids(cutoff, rule, 400).items():
        assert found[name] == pytest.approx(value, rel=2e-5)


@pytest.mark.parametrize("on_grid", [True, False])
@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_shear_over_compression_is_half_pi_and_rotation_equals_compression(rule, cutoff, on_grid):
    found = mean_norms(cutoff, rule, size=SIZE, on_grid=on_grid)
    assert found["S"] / found["C"] == pytest.approx(math.pi / 2, rel=1e-12)
    assert found["R"] == found["C"]


def test_one_mode_is_a_closed_form():
    # disc, c = 2 has the mode (1, 1) alone: <|tau|> = sqrt(pi/2) sigma <sin><sin>, with <sin> = 2/pi and sigma² = 1/2.
    found = mean_norms(2, size=SIZE, on_grid=False)
    assert found["tau"] == pytest.approx(SIZE * math.sqrt(math.pi / 2 / 2) * (2 / math.pi) ** 2, rel=1e-12)
    # |U| at a point is sqrt(trace) times a Rayleigh number, as the two directions are one and the same normal number.
    assert found["U"] / found["C"] == pytest.approx(math.pi / math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("on_grid", [True, False])
def test_means_are_below_the_roots_of_the_mean_squares(on_grid):
    means, squares = (moments(5, size=SIZE, on_grid=on_grid) for moments in (mean_norms, mean_squares))
    assert list(means) == list(squares) == list(PARTS)
    for part in PARTS:
        assert 0.5 < means[part] / squares[part] ** 0.5 < 1


def test_mean_squares_are_those_of_the_specification():
    squares = mean_squares(3, size=SIZE, on_grid=False)
    assert squares["tau"] / SIZE**2 == pytest.approx(0.5125, abs=1e-12)
    assert (squares["C"], squares["S"]) == (pytest.approx(4.934802200545, abs=1e-12), pytest.approx(9.869604401089, abs=1e-12))
    assert mean_squares(3, size=SIZE, on_grid=True)["tau"] == pytest.approx((SIZE - 1) ** 2 * 0.5125, abs=1e-12)


def test_the_formulas_of_the_slides_lack_a_factor_pi_in_the_gradients():
    printed, corrected = (asymptotic_mean_squares(formula, 4, SIZE) for formula in FORMULAS)
    assert printed["tau"] == corrected["tau"] == pytest.approx(math.pi / 4 * SIZE**2 * math.log(4), rel=1e-14)
    assert (printed["S"], printed["C"], printed["R"]) == pytest.approx((math.pi**2, math.pi**2 / 2, math.pi**2 / 2))
    for part in ("C", "S", "R", "U"):
        assert corrected[part] / printed[part] == pytest.approx(math.pi, rel=1e-14)


@pytest.mark.parametrize("rule", ["disc", "padded"])
def test_only_with_the_factor_pi_they_are_the_limit_at_large_cutoff(rule):
    exact = mean_squares(150, rule, size=400, on_grid=False)
    corrected, printed = (asymptotic_mean_squares(formula, 150, 400) for formula in ("asymptotic", "slides"))
    assert exact["S"] / corrected["S"] == pytest.approx(1, abs=0.01)
    assert exact["S"] / printed["S"] == pytest.approx(math.pi, abs=0.03)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_norms(1, size=SIZE, on_grid=True), "cutoff is 1; it must be an integer of at least 2"),
        (lambda: mean_norms(31, size=SIZE, on_grid=False), "images of 32 pixels a side resolve at most 30"),
        (lambda: mean_norms(3, "square", size=SIZE, on_grid=True), "mode_rule is 'square'"),
        (lambda: asymptotic_mean_squares("exact", 3, SIZE), "formula is 'exact'; it must be one of slides, asymptotic"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
