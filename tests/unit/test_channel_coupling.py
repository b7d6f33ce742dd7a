"""The test of rotated neurons: its pieces against slow implementations, its power on planted copies, its level on random nets."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from workflow_scripts.diffeo.channel_coupling import (
    FEWEST_CHANNELS,
    Association,
    Similarity,
    associate,
    coupling,
    random_orders,
    rotations,
    similarities,
    transformations,
    translations,
)

Floats = NDArray[np.float64]
Layers = tuple[Floats, Floats]


def turn(matrix: Floats, filters: Floats) -> Floats:
    """A matrix of transformations on (..., k, k)."""
    size = filters.shape[-1]
    turned: Floats = (filters.reshape(-1, size**2) @ matrix.T).reshape(filters.shape)
    return turned


def result_of(layers: Layers, kind: str = "rotation", permutations: int = 199, seed: int = 1) -> Association | None:
    filters, weights = layers
    similarity = similarities(filters, transformations(kind, filters.shape[-1]))
    return associate(similarity, coupling(weights), random_orders(len(filters), permutations, seed))


# Transformations


@pytest.mark.parametrize("size", [2, 3])
def test_rotations_of_small_filters_are_the_symmetries_of_the_square(size: int) -> None:
    picture = np.random.default_rng(0).standard_normal((size, size))
    expected = [np.rot90(flipped, turns) for flipped in (picture, picture[:, ::-1]) for turns in range(4)]
    found = [turn(matrix, picture) for matrix in rotations(size)]
    assert len(found) == 8
    np.testing.assert_array_equal(found[0], picture)
    for one in expected:
        assert min(abs(one - other).max() for other in found) < 1e-12
    assert len(rotations(size, reflections=False)) == 4
    for matrix in rotations(size, reflections=False):
        assert min(abs(turn(matrix, picture) - np.rot90(picture, turns)).max() for turns in range(4)) < 1e-12


@pytest.mark.parametrize("size", [5, 9])
def test_rotations_of_large_filters_are_those_of_a_disc(size: int) -> None:
    matrices = rotations(size)
    assert matrices.shape == (16, size**2, size**2)
    centre = (size - 1) / 2
    row, column = np.indices((size, size)) - centre
    disc = np.hypot(row, column) <= size / 2
    picture = np.random.default_rng(0).standard_normal((size, size))
    np.testing.assert_array_equal(turn(matrices[0], picture), picture * disc)
    quarter = [abs(turn(matrix, picture) - np.rot90(picture) * disc).max() for matrix in matrices]
    assert sorted(quarter)[0] < 1e-12 < sorted(quarter)[1]
    # an eighth of a turn of a straight ramp is a straight ramp, where it reads inside the disc
    eighth, inner = matrices[1], np.hypot(row, column) <= centre - 1.5
    assert turn(eighth, row.astype(float))[inner] == pytest.approx(((row - column) / 2**0.5)[inner])


def test_translations_are_shifts_that_lose_what_leaves_the_filter() -> None:
    picture = np.arange(1.0, 10).reshape(3, 3)
    found = [turn(matrix, picture) for matrix in translations(3)]
    np.testing.assert_array_equal(found[0], picture)
    padded = np.pad(picture, 1)
    expected = {padded[down : down + 3, right : right + 3].tobytes() for down in range(3) for right in range(3)}
    assert {one.tobytes() for one in found} == expected


# Likeness and coupling


@pytest.mark.parametrize("kind", ["rotation", "translation"])
def test_similarities_equal_a_slow_obvious_implementation(kind: str) -> None:
    filters = np.random.default_rng(1).standard_normal((5, 2, 3, 3))
    matrices = transformations(kind, 3)
    found = similarities(filters, matrices)

    def cosine(one: Floats, other: Floats) -> float:
        return float((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))

    changed = [one - np.mean([turn(matrix, one) for matrix in matrices], axis=0) for one in filters]
    for i in range(5):
        for j in range(5):
            both = [max(cosine(changed[a], turn(m, changed[b])) for m in matrices[1:]) for a, b in ((i, j), (j, i))]
            assert found.best[i, j] == pytest.approx(np.mean(both))
            assert found.whole[i, j] == pytest.approx(cosine(filters[i], filters[j]))
            assert found.changed[i, j] == pytest.approx(cosine(changed[i], changed[j]))


def test_a_rotated_copy_has_likeness_1_whatever_its_scale_and_its_isotropic_part() -> None:
    one = np.random.default_rng(2).standard_normal((3, 3, 3))
    for matrix in rotations(3)[1:]:
        pair = np.stack([one, 2.5 * turn(matrix, one) + 0.7])
        assert similarities(pair, rotations(3)).best[0, 1] == pytest.approx(1)


def test_filters_that_no_rotation_changes_have_no_likeness() -> None:
    flat = np.ones((1, 2, 3, 3))
    other = np.random.default_rng(3).standard_normal((1, 2, 3, 3))
    found = similarities(np.concatenate([flat, other, 0 * other]), rotations(3))
    assert np.isnan(found.best[0]).all()
    assert np.isnan(found.best[2]).all()
    assert np.isfinite(found.best[1, 1])
    assert np.isfinite(found.whole[0, 1])


def test_coupling_is_the_cosine_of_summed_weights_each_neuron_counting_the_same() -> None:
    weights = np.random.default_rng(4).standard_normal((6, 4, 3, 3))
    summed = weights.sum(axis=(2, 3))
    summed /= np.linalg.norm(summed, axis=1, keepdims=True)
    found = coupling(weights)
    for i in range(4):
        for j in range(4):
            expected = summed[:, i] @ summed[:, j] / np.linalg.norm(summed[:, i]) / np.linalg.norm(summed[:, j])
            assert found[i, j] == pytest.approx(expected)
    np.testing.assert_allclose(coupling(weights * np.arange(1, 7)[:, None, None, None]), found)
    weights[:, 1] = weights[:, 0][:, ::-1]
    weights[:, 2] = -weights[:, 0]
    weights[:, 3] = 0
    weights[5] = 0
    found = coupling(weights)
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 2] == pytest.approx(-1)
    assert np.isnan(found[3]).all()


# The statistic


def symmetric(seed: int, channels: int) -> Floats:
    values = np.random.default_rng(seed).standard_normal((channels, channels))
    return (values + values.T) / 2


def slow_correlation(similarity: Similarity, coupled: Floats) -> float:
    """Residuals of least squares, pair by pair."""
    channels = range(len(coupled))
    pairs = [(i, j) for i in channels for j in channels if i < j and similarity.best[i, j] > similarity.changed[i, j]]
    controls = np.array([[1, similarity.whole[pair], similarity.changed[pair]] for pair in pairs])
    residuals = []
    for values in (similarity.best, coupled):
        column = np.array([values[pair] for pair in pairs])
        residuals.append(column - controls @ np.linalg.lstsq(controls, column, rcond=None)[0])
    return float(np.corrcoef(*residuals)[0, 1])


def test_correlation_and_null_equal_slow_implementations() -> None:
    channels = 9
    parts = [symmetric(seed, channels) for seed in range(4)]
    similarity, coupled = Similarity(parts[0] + 0.5, parts[1], parts[2]), parts[3] + parts[1] + 0.5 * parts[0]
    orders = random_orders(channels, 20, 3)
    found = associate(similarity, coupled, orders)
    assert found is not None
    assert found.correlation == pytest.approx(slow_correlation(similarity, coupled))
    assert found.null == pytest.approx([slow_correlation(similarity, coupled[np.ix_(order, order)]) for order in orders])
    assert found.z == pytest.approx((found.correlation - np.mean(found.null)) / np.std(found.null, ddof=1))
    assert found.p_value == (1 + sum(found.null >= found.correlation)) / 21
    assert found.channels == channels


def test_many_orders_are_worked_on_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = planted(3, 2, copies_of=2)
    whole = result_of(layers)
    monkeypatch.setattr("workflow_scripts.diffeo.channel_coupling.CHUNK_BYTES", 7000)
    chunked = result_of(layers)
    assert whole is not None
    assert chunked is not None
    np.testing.assert_allclose(chunked.null, whole.null)


def test_channels_that_are_dead_or_not_read_are_left_out() -> None:
    filters, weights = random_layers(np.random.default_rng(6), 12)
    filters[3], weights[:, 7] = 0, 0
    found = result_of((filters, weights))
    kept = np.delete(np.arange(12), [3, 7])
    coupled = coupling(weights)[np.ix_(kept, kept)]
    assert found is not None
    assert found.channels == 10
    assert found.correlation == pytest.approx(slow_correlation(similarities(filters[kept], rotations(3)), coupled))
    order = random_orders(12, 199, 1)[0, kept]
    first = np.ix_(*[[sorted(order).index(channel) for channel in order]] * 2)
    assert found.null[0] == pytest.approx(slow_correlation(similarities(filters[kept], rotations(3)), coupled[first]))


def test_nothing_to_test_with_few_channels_equal_filters_or_equal_couplings() -> None:
    filters, weights = random_layers(np.random.default_rng(7), 12)
    few = FEWEST_CHANNELS - 1
    assert result_of((filters[:few], weights[:, :few])) is None
    assert result_of((np.repeat(filters[:1], 12, axis=0), weights)) is None
    assert result_of((filters, np.ones_like(weights))) is None


def test_random_orders_are_permutations_and_a_function_of_the_seed() -> None:
    orders = random_orders(7, 500, 3)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(7), (500, 1)))
    np.testing.assert_array_equal(orders, random_orders(7, 500, 3))
    assert (orders != random_orders(7, 500, 4)).any()
    assert abs((orders == np.arange(7)).mean() - 1 / 7) < 5 * (6 / 49 / 3500) ** 0.5


# Planted truth, and networks without any


def planted(size: int, colours: int, *, copies_of: int, kind: str = "rotation", noise: float = 0.0, seed: int = 0) -> Layers:
    """All transformed copies of a few filters; each neuron of the second layer reads all copies of a filter with one weight."""
    generator = np.random.default_rng(seed)
    matrices = transformations(kind, size)
    originals = generator.standard_normal((copies_of, colours, size, size))
    filters = np.concatenate([turn(matrix, originals) for matrix in matrices])
    pooled = generator.standard_normal((24, copies_of))
    weights = np.tile(pooled, (1, len(matrices)))[:, :, None, None] * np.ones((3, 3))
    noisy = (part + noise * part.std() * generator.standard_normal(part.shape) for part in (filters, weights))
    order = generator.permutation(len(filters))
    filters, weights = noisy
    return filters[order], weights[:, order]


@pytest.mark.parametrize(
    ("size", "colours", "copies_of", "noise"),
    [(3, 1, 2, 0.0), (3, 3, 2, 0.0), (3, 1, 4, 0.3), (3, 8, 4, 1.0), (5, 2, 3, 0.3), (9, 1, 3, 0.3), (9, 3, 4, 0.5)],
)
def test_a_network_of_rotated_copies_comes_out_positive(size: int, colours: int, copies_of: int, noise: float) -> None:
    found = result_of(planted(size, colours, copies_of=copies_of, noise=noise))
    assert found is not None
    assert found.p_value < 0.01
    assert found.z > 5
    assert found.correlation > 0.3


def test_a_network_of_shifted_copies_comes_out_positive_for_translations() -> None:
    found = result_of(planted(5, 3, copies_of=4, kind="translation", noise=0.2), "translation")
    assert found is not None
    assert found.p_value < 0.01


def random_layers(generator: np.random.Generator, channels: int = 16, colours: int = 2) -> Layers:
    return generator.standard_normal((channels, colours, 3, 3)), generator.standard_normal((20, channels, 3, 3))


def copies_that_are_not_coupled(generator: np.random.Generator) -> Layers:
    """Rotated copies, read by a random second layer."""
    filters, _ = planted(3, 2, copies_of=2, seed=int(generator.integers(2**32)))
    return filters, generator.standard_normal((20, len(filters), 3, 3))


def coupled_where_alike(generator: np.random.Generator) -> Layers:
    """Random filters; the second layer couples channels by their likeness without a rotation."""
    filters, _ = random_layers(generator)
    weights = generator.standard_normal((30, 18)) @ filters.reshape(16, 18).T
    return filters, weights[:, :, None, None] + 0.3 * generator.standard_normal((30, 16, 1, 1))


def coupled_by_input_channels(generator: np.random.Generator) -> Layers:
    """Random filters; the second layer couples channels that read the same input channels, whatever their shape."""
    filters, _ = random_layers(generator)
    weights = generator.standard_normal((30, 2)) @ filters.sum(axis=(2, 3)).T
    return filters, weights[:, :, None, None] + 0.3 * generator.standard_normal((30, 16, 1, 1))


@pytest.mark.parametrize("kind", ["rotation", "translation"])
@pytest.mark.parametrize(
    "make",
    [random_layers, copies_that_are_not_coupled, coupled_where_alike, coupled_by_input_channels],
    ids=lambda make: make.__name__,
)
def test_networks_without_coupled_copies_come_out_positive_at_the_level(
    make: Callable[[np.random.Generator], Layers], kind: str
) -> None:
    """200 networks at the level of 5 %: as many positives as a binomial variable has; fewer where likeness couples by itself."""
    generator = np.random.default_rng(11)
    found = [result_of(make(generator), kind, permutations=99, seed=network) for network in range(200)]
    tested = [one.p_value <= 0.05 for one in found if one]
    assert len(tested) > 190
    assert sum(tested) <= binom.ppf(0.999, len(tested), 0.05)
    if make in (random_layers, copies_that_are_not_coupled):
        assert sum(tested) >= binom.ppf(0.001, len(tested), 0.05)


@pytest.mark.parametrize("noise", [None, 1.0, 2.0])
def test_standard_error_is_the_scatter_between_networks(noise: float | None) -> None:
    generator = np.random.default_rng(12)
    seeds = range(150)
    if noise is None:
        layers = [random_layers(generator, 24) for _ in seeds]
    else:
        layers = [planted(3, 3, copies_of=4, noise=noise, seed=seed) for seed in seeds]
    found = [one for one in (result_of(one, permutations=19) for one in layers) if one]
    scatter = np.std([one.correlation for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(scatter, rel=0.35)
