"""Spectra of filters against an eigensolver, closed forms, and a slow obvious implementation."""

import numpy as np
import pytest

from workflow_scripts.diffeo.filter_spectra import channels_of, eigenvalues, filter_spectrum, laplacian_basis, mode_indices

SIZES = [2, 3, 5, 7, 9]


def grid_laplacian(size):
    """Degree minus adjacency of the grid of pixels, neighbours along rows and columns."""
    matrix = np.zeros((size**2, size**2))
    for row in range(size):
        for column in range(size):
            for other_row, other_column in ((row + 1, column), (row, column + 1)):
                if max(other_row, other_column) < size:
                    here, there = row * size + column, other_row * size + other_column
                    matrix[[here, there], [here, there]] += 1
                    matrix[[here, there], [there, here]] -= 1
    return matrix


def random_filters(size, count=40, seed=0):
    """One input channel: every filter is independent of the others."""
    return np.random.default_rng(seed).normal(size=(count, 1, size, size))


@pytest.mark.parametrize("size", SIZES)
def test_basis_is_orthonormal_and_diagonalises_the_grid_laplacian(size):
    vectors = laplacian_basis(size).reshape(size**2, -1)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(size**2), atol=1e-13)
    np.testing.assert_allclose(vectors @ grid_laplacian(size) @ vectors.T, np.diag(eigenvalues(size)), atol=1e-13)


def test_spectrum_of_three_by_three_is_that_of_the_slides():
    np.testing.assert_allclose(np.sort(eigenvalues(3)), [0, 1, 1, 2, 3, 3, 4, 4, 6], atol=1e-14)


def test_modes_are_numbered_alike_for_all_sizes_and_each_once():
    largest = mode_indices(9)
    for size in SIZES:
        np.testing.assert_array_equal(mode_indices(size), largest[: size**2])
        assert {tuple(mode) for mode in mode_indices(size)} == {(a, b) for a in range(size) for b in range(size)}
    assert mode_indices(3).tolist() == [[0, 0], [1, 0], [1, 1], [0, 1], [2, 0], [2, 1], [2, 2], [0, 2], [1, 2]]


@pytest.mark.parametrize("size", SIZES)
def test_coefficients_sum_to_the_mean_squared_norm(size):
    filters = random_filters(size)
    found = filter_spectrum(random_filters(size, seed=1), filters)
    norm = (filters**2).sum(axis=(2, 3)).mean()
    for name in ("coefficient", "eigenspace_coefficient"):
        assert found[name].sum().item() == pytest.approx(norm, rel=1e-10)


def test_numbers_are_those_of_loops_over_filters_and_modes():
    before, now = random_filters(3), random_filters(3, seed=1)
    found, basis, values = filter_spectrum(before, now), laplacian_basis(3), eigenvalues(3)
    powers = {
        name: np.array([[(w * psi).sum() ** 2 for psi in basis] for w in part[:, 0]])
        for name, part in (("0", before), ("t", now))
    }
    for mode in range(9):
        c0, ct = (powers[name][:, mode].mean() for name in ("0", "t"))
        same = [other for other in range(9) if abs(values[other] - values[mode]) < 1e-9]
        assert found.coefficient[mode].item() == pytest.approx(ct)
        assert found.coefficient_standard_error[mode].item() == pytest.approx(powers["t"][:, mode].std(ddof=1) / 40**0.5)
        assert found.ratio[mode].item() == pytest.approx(ct / c0)
        space = [np.mean([powers[name][:, other].mean() for other in same]) for name in ("0", "t")]
        assert found.eigenspace_coefficient[mode].item() == pytest.approx(space[1])
        assert found.eigenspace_ratio[mode].item() == pytest.approx(space[1] / space[0])
    low, high = (powers["t"][:, mode].mean() / powers["0"][:, mode].mean() for mode in (0, 6))  # 6 is (2, 2)
    assert found.low_pass.item() == pytest.approx(np.log10(low / high))
    assert found.pooling.item() == pytest.approx(np.log10(low / (powers["t"].mean() / powers["0"].mean())))


def test_unchanged_filters_have_ratios_of_one_without_error():
    filters = random_filters(5)
    found = filter_spectrum(filters, filters)
    for name in ("ratio", "eigenspace_ratio"):
        assert (found[name] == 1).all()
        assert (found[f"{name}_standard_error"] == 0).all()
    for name in ("low_pass", "pooling", "low_pass_standard_error", "pooling_standard_error"):
        assert abs(found[name]).item() < 1e-15


def test_scaled_filters_have_a_ratio_without_error_but_no_preference():
    filters = random_filters(3)
    found = filter_spectrum(filters, 3 * filters)
    np.testing.assert_allclose(found.ratio, 9)
    np.testing.assert_allclose(found.ratio_standard_error, 0, atol=1e-12)
    np.testing.assert_allclose([found.low_pass, found.pooling], 0, atol=1e-12)


def test_constant_parts_that_grow_are_low_pass_and_pool():
    """The constant part of each filter is doubled: c_t/c_0 is 4 at λ = 0 and 1 elsewhere."""
    filters = random_filters(3)
    mean = filters.mean(axis=(2, 3), keepdims=True)
    found = filter_spectrum(filters, filters + mean)
    np.testing.assert_allclose(found.ratio, [4] + [1] * 8)
    assert found.low_pass.item() == pytest.approx(np.log10(4))
    assert found.low_pass_standard_error.item() == pytest.approx(0, abs=1e-12)
    total, constant = (filters**2).sum(), 9 * (mean**2).sum()
    assert found.pooling.item() == pytest.approx(np.log10(4 * total / (total + 3 * constant)))


def test_errors_are_the_scatter_of_repeated_draws():
    """Filters after training keep half of what they were: their correlation lowers the error, and must be counted."""
    generator = np.random.default_rng(3)
    found = []
    for _ in range(300):
        before = generator.normal(size=(200, 1, 3, 3))
        found.append(filter_spectrum(before, before + 0.5 * generator.normal(size=before.shape)))
    for name in ("ratio", "eigenspace_ratio", "low_pass", "pooling"):
        scatter = np.std([np.ravel(one[name])[0] for one in found], ddof=1)
        claimed = np.mean([np.ravel(one[f"{name}_standard_error"])[0] for one in found])
        assert claimed == pytest.approx(scatter, rel=0.12), name  # three standard errors of a scatter of 300


def test_a_single_filter_has_no_error():
    found = filter_spectrum(random_filters(3, 1), random_filters(3, 1, seed=1))
    assert np.isfinite(found.ratio).all()
    assert found.ratio_standard_error.isnull().all()


def test_what_is_zero_at_initialisation_has_no_ratio():
    found = filter_spectrum(np.zeros((4, 1, 3, 3)), random_filters(3, 4))
    for name in ("ratio", "eigenspace_ratio", "low_pass", "pooling"):
        assert found[name].isnull().all()
        assert found[f"{name}_standard_error"].isnull().all()
    assert np.isfinite(found.coefficient).all()


@pytest.mark.parametrize("shapes", [((4, 2, 1, 1),) * 2, ((4, 2, 3, 2),) * 2, ((4, 2, 3, 3), (5, 2, 3, 3)), ((4, 3, 3),) * 2])
def test_filters_of_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="must be of equal shapes"):
        filter_spectrum(*map(np.ones, shapes))


def test_errors_count_what_filters_of_a_channel_share():
    """Input channels scale their filters: the error of c is that of as many independent samples as there are input channels."""
    scale = np.exp(np.random.default_rng(5).normal(size=(1, 30, 1, 1)))
    filters = scale * np.ones((40, 30, 2, 2))
    found = filter_spectrum(filters, filters)
    expected = 4 * (scale**2).std(ddof=1) / 30**0.5  # (w·Ψ_0)² = (2 scale)²
    assert found.coefficient_standard_error[0].item() == pytest.approx(expected, rel=0.02)
    assert found.coefficient_standard_error[0].item() > 5 * 4 * (scale**2).std() / 1200**0.5
    assert found.ratio_standard_error[0].item() == 0


def test_channels_of_grouped_convolutions_are_their_own():
    output, inputs = channels_of(4, 2, groups=2)
    assert output.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert inputs.tolist() == [0, 1, 0, 1, 2, 3, 2, 3]
    assert channels_of(3, 1, groups=3)[1].tolist() == [0, 1, 2]  # depthwise


@pytest.mark.parametrize("groups", [1, 6])
def test_filters_of_one_input_channel_each_are_independent(groups):
    """A layer that reads one channel, and a depthwise one."""
    filters = random_filters(3, 6)
    found = filter_spectrum(filters, filters, groups=groups)
    power = np.tensordot(filters[:, 0], laplacian_basis(3), axes=([1, 2], [1, 2])) ** 2
    np.testing.assert_allclose(found.coefficient_standard_error, power.std(axis=0, ddof=1) / 6**0.5)
