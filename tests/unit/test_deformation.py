import math

import pytest
import torch

from workflow_scripts.diffeo import deformation
from workflow_scripts.diffeo.deformation import (
    critical_temperatures,
    displacement_field,
    displacement_gradient,
    folds,
    mean_square_displacement,
    mean_square_norms,
    mode_sums,
    modes,
    standard_deviations,
    temperature,
    unit_coefficients,
)

PINS = [  # rule, c, N, L, <C^2> at T = 1
    ("disc", 2, 1, 0.5, 1.233700550136),
    ("disc", 3, 4, 1.025, 4.934802200545),
    ("disc", 5, 15, 1.732048768225, 18.505508252043),
    ("padded", 3, 6, 1.225, 7.402203300817),
]
SIZE = 32


def single_modes(cutoff: int, rule: str) -> torch.Tensor:
    """One standard deviation in one mode of one component at a time, (2N, 2, c, c): their squares add up to means."""
    deviations = standard_deviations(cutoff, rule)
    coefficients = torch.zeros(2 * mode_sums(cutoff, rule)[0], 2, cutoff, cutoff, dtype=torch.float64)
    places = [(component, i - 1, j - 1) for component in (0, 1) for i, j in modes(cutoff, rule)]
    for number, (component, i, j) in enumerate(places):
        coefficients[number, component, i, j] = deviations[i, j]
    return coefficients


def parts(gradient: torch.Tensor) -> dict[str, torch.Tensor]:
    """Squared Frobenius norms of U and its parts, summed over modes and averaged over the grid."""
    transposed = gradient.transpose(1, 2)
    trace = torch.eye(2, dtype=gradient.dtype)[:, :, None, None] * (gradient[:, 0, 0] + gradient[:, 1, 1])[:, None, None] / 2
    found = {
        "C": trace,
        "S": (gradient + transposed) / 2 - trace,
        "R": (gradient - transposed) / 2,
        "U": gradient,
    }
    return {name: part.square().sum(dim=(0, 1, 2)).mean() for name, part in found.items()}


@pytest.mark.parametrize(("rule", "cutoff", "number", "inverse_squares", "trace"), PINS)
def test_sums_and_norms_of_the_specification(rule, cutoff, number, inverse_squares, trace):
    assert mode_sums(cutoff, rule) == (number, pytest.approx(inverse_squares, abs=1e-12))
    assert mean_square_displacement(1, cutoff, SIZE, rule) / SIZE**2 == pytest.approx(inverse_squares / 2, abs=1e-12)
    norms = mean_square_norms(1, cutoff, rule)
    for name, factor in (("C", 1), ("R", 1), ("S", 2), ("U", 4)):
        assert norms[name] == pytest.approx(factor * trace, abs=4e-12)


@pytest.mark.parametrize(("rule", "cutoff"), [pin[:2] for pin in PINS])
def test_fields_have_the_exact_norms_on_the_grid(rule, cutoff):
    coefficients = single_modes(cutoff, rule)
    displacement = displacement_field(coefficients, SIZE).square().sum(dim=(0, 1)).mean()
    expected = mean_square_displacement(1, cutoff, SIZE, rule, on_grid=True)
    assert displacement.item() == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx((SIZE - 1) ** 2 * mode_sums(cutoff, rule)[1] / 2, rel=1e-12)
    measured, exact = parts(displacement_gradient(coefficients, SIZE)), mean_square_norms(1, cutoff, rule, size=SIZE)
    assert {name: value.item() for name, value in measured.items()} == pytest.approx(exact, rel=1e-12)


def test_field_is_the_double_sum_of_sines():
    coefficients = unit_coefficients(1, torch.tensor([5]), 2, 4, "padded")
    field, gradient = displacement_field(coefficients, 9)[0], displacement_gradient(coefficients, 9)[0]
    for component in (0, 1):
        for row in range(9):
            for column in range(9):
                u, v = math.pi * row / 8, math.pi * column / 8
                value = along_u = along_v = 0.0
                for i in range(1, 5):
                    for j in range(1, 5):
                        amplitude = coefficients[0, component, i - 1, j - 1].item()
                        value += 9 * amplitude * math.sin(i * u) * math.sin(j * v)
                        along_u += amplitude * math.pi * i * math.cos(i * u) * math.sin(j * v)
                        along_v += amplitude * math.pi * j * math.sin(i * u) * math.cos(j * v)
                assert field[component, row, column].item() == pytest.approx(value, abs=1e-12)
                assert gradient[component, 0, row, column].item() == pytest.approx(along_u, abs=1e-12)
                assert gradient[component, 1, row, column].item() == pytest.approx(along_v, abs=1e-12)


@pytest.mark.parametrize("rule", ["disc", "padded"])
def test_coefficients_have_their_variances(rule):
    deviations = standard_deviations(3, rule)
    inside = deviations > 0
    coefficients = unit_coefficients(0, torch.arange(10000), 0, 3, rule)
    assert torch.all(coefficients[:, :, ~inside] == 0)
    scaled = (coefficients[:, :, inside] / deviations[inside]).flatten(1)
    covariance = scaled.T @ scaled / len(scaled)
    assert (covariance - torch.eye(scaled.shape[1])).abs().max() < 5 * (2 / len(scaled)) ** 0.5


def test_mean_displacement_of_drawn_fields():
    squares = displacement_field(unit_coefficients(0, torch.arange(2000), 0, 3), SIZE).square().sum(dim=1).mean(dim=(1, 2))
    error = squares.std() / len(squares) ** 0.5
    assert abs(squares.mean() - mean_square_displacement(1, 3, SIZE, on_grid=True)) < 5 * error


@pytest.mark.parametrize(("rule", "cutoff"), [pin[:2] for pin in PINS])
def test_mean_norms_of_shear_and_compression_have_the_ratio_half_pi(rule, cutoff):
    # |C| is the modulus of one normal number, |S| of two: the ratio of their means is pi/2 at every point where the two are
    # independent and all three have one variance.
    gradient = displacement_gradient(single_modes(cutoff, rule), SIZE)
    trace, along = gradient[:, 0, 0] + gradient[:, 1, 1], gradient[:, 0, 0] - gradient[:, 1, 1]
    across = gradient[:, 0, 1] + gradient[:, 1, 0]
    variance = trace.square().sum(dim=0)
    torch.testing.assert_close(along.square().sum(dim=0), variance, rtol=0, atol=1e-12)
    torch.testing.assert_close(across.square().sum(dim=0), variance, rtol=0, atol=1e-12)
    torch.testing.assert_close((along * across).sum(dim=0), torch.zeros_like(variance), rtol=0, atol=1e-12)


def test_temperatures_of_the_specification():
    assert temperature(1, 3, 32) == pytest.approx(0.001131789627, abs=5e-13)
    assert mean_square_displacement(temperature(1, 3, 32), 3, 32) ** 0.5 == pytest.approx(0.7707, abs=5e-5)
    assert mean_square_displacement(temperature(1, 3, 32), 3, 32, "padded") ** 0.5 == pytest.approx(0.8425, abs=5e-5)
    first, second = critical_temperatures(3, 32)
    assert first == pytest.approx(1 / (math.pi * 32**2 * math.log(3)), rel=1e-14)
    assert second == pytest.approx(4 / (math.pi**3 * 9 * math.log(3)), rel=1e-14)


@pytest.mark.parametrize("rule", ["disc", "padded"])
def test_exact_convention_is_the_root_mean_square(rule):
    exact = temperature(0.7, 5, 28, "exact", rule)
    assert mean_square_displacement(exact, 5, 28, rule) ** 0.5 == pytest.approx(0.7, rel=1e-14)


@pytest.mark.parametrize("convention", ["asymptotic", "exact"])
def test_displacement_inverts_temperature(convention):
    value = temperature(1.3, 4, 28, convention, "padded")
    assert deformation.displacement(value, 4, 28, convention, "padded") == pytest.approx(1.3, rel=1e-14)


def folded_slowly(coefficients: torch.Tensor, value: float) -> list[bool]:
    """A deformation folds where the determinant of its Jacobian, by torch, is not positive."""
    jacobian = torch.eye(2) - math.sqrt(value) * displacement_gradient(coefficients, SIZE).permute(0, 3, 4, 1, 2)
    return [bool(torch.linalg.det(one).min() <= 0) for one in jacobian]


@pytest.mark.parametrize("rule", ["disc", "padded"])
def test_folds_equal_the_determinant(rule):
    coefficients = unit_coefficients(0, torch.arange(200), 0, 3, rule)
    second = critical_temperatures(3, SIZE)[1]
    assert folds(coefficients, second, SIZE).tolist() == folded_slowly(coefficients, second)


@pytest.mark.parametrize(("rule", "at_second", "at_quarter"), [("disc", 0.111, 0.0001), ("padded", 0.331, 0.0011)])
def test_folded_fraction_at_the_second_temperature(rule, at_second, at_quarter):
    # Reference: 20000 fields of an independent numpy code. At T2 a third of the padded fields fold, a ninth of the disc's.
    coefficients = unit_coefficients(0, torch.arange(4000), 0, 3, rule)
    second = critical_temperatures(3, SIZE)[1]
    for value, expected in ((second, at_second), (second / 4, at_quarter)):
        error = math.sqrt(expected * (1 - expected) * (1 / 4000 + 1 / 20000))
        assert abs(folds(coefficients, value, SIZE).double().mean() - expected) < 5 * error + 1 / 4000


def test_zero_temperature_does_not_fold():
    assert not folds(unit_coefficients(0, torch.arange(50), 0, 3), 0, SIZE).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: modes(1), "cutoff is 1; it must be an integer of at least 2"),
        (lambda: modes(0), "cutoff is 0"),
        (lambda: modes(2.5), "cutoff is 2.5"),
        (lambda: modes(3, "square"), "mode_rule is 'square'; it must be one of disc, padded"),
        (lambda: temperature(1, 1, 32), "cutoff is 1"),
        (lambda: temperature(1, 31, 32), "cutoff is 31; images of 32 pixels a side resolve at most 30"),
        (lambda: temperature(-1, 3, 32), "displacement is -1; it must be a finite number of at least 0"),
        (lambda: temperature(math.nan, 3, 32), "displacement is nan"),
        (lambda: temperature(1, 3, 32, "true"), "delta_convention is 'true'; it must be one of asymptotic, exact"),
        (lambda: deformation.displacement(-1, 3, 32), "temperature is -1"),
        (lambda: folds(torch.zeros(1, 2, 3, 3), math.inf, 32), "temperature is inf"),
        (lambda: displacement_field(torch.zeros(1, 2, 3, 3), 4), "resolve at most 2"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
