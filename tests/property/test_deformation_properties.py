import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.diffeo.deformation import (
    MODE_RULES,
    displacement,
    displacement_field,
    displacement_gradient,
    modes,
    temperature,
    unit_coefficients,
)
from workflow_scripts.diffeo.randomness import standard_normal

seeds = st.integers(0, 2**31)
cutoffs = st.integers(2, 8)
rules = st.sampled_from(MODE_RULES)
draws = st.integers(0, 100)
images = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=20)
few = settings(max_examples=30, deadline=None)


@few
@given(seeds, images, draws, st.integers(1, 60), st.data())
def test_numbers_do_not_depend_on_batch_order_or_length(seed, index, draw, elements, data):
    whole = standard_normal(seed, "noise", torch.tensor(index), draw, elements)
    order = data.draw(st.permutations(range(len(index))))[: data.draw(st.integers(1, len(index)))]
    length = data.draw(st.integers(1, elements))
    part = standard_normal(seed, "noise", torch.tensor(index)[order], draw, length)
    torch.testing.assert_close(part, whole[order, :length], rtol=0, atol=1e-14)


@few
@given(seeds, images, draws, cutoffs, rules, st.data())
def test_fields_do_not_depend_on_batch_or_order(seed, index, draw, cutoff, rule, data):
    field = displacement_field(unit_coefficients(seed, torch.tensor(index), draw, cutoff, rule), 16)
    order = data.draw(st.permutations(range(len(index))))[: data.draw(st.integers(1, len(index)))]
    part = displacement_field(unit_coefficients(seed, torch.tensor(index)[order], draw, cutoff, rule), 16)
    torch.testing.assert_close(part, field[order], rtol=0, atol=1e-12)


@few
@given(seeds, images, draws, cutoffs, cutoffs, rules, rules)
def test_ensembles_share_their_common_modes(seed, index, draw, cutoff, other_cutoff, rule, other_rule):
    one = unit_coefficients(seed, torch.tensor(index), draw, cutoff, rule)
    other = unit_coefficients(seed, torch.tensor(index), draw, other_cutoff, other_rule)
    for i, j in set(modes(cutoff, rule)) & set(modes(other_cutoff, other_rule)):
        torch.testing.assert_close(one[:, :, i - 1, j - 1], other[:, :, i - 1, j - 1], rtol=0, atol=1e-14)


@few
@given(seeds, images, cutoffs, rules, st.integers(10, 40))
def test_fields_vanish_on_the_border_and_only_there(seed, index, cutoff, rule, size):
    field = displacement_field(unit_coefficients(seed, torch.tensor(index), 0, cutoff, rule), size)
    for border in (field[:, :, 0], field[:, :, -1], field[:, :, :, 0], field[:, :, :, -1]):
        assert not border.any()
    assert field[:, :, 1:-1, 1:-1].flatten(1).any(dim=1).all()


@few
@given(seeds, cutoffs, rules, st.floats(1e-6, 1))
def test_fields_are_linear_in_the_root_of_the_temperature(seed, cutoff, rule, value):
    coefficients = unit_coefficients(seed, torch.arange(3), 0, cutoff, rule)
    for of in (displacement_field, displacement_gradient):
        torch.testing.assert_close(of(value**0.5 * coefficients, 16), value**0.5 * of(coefficients, 16), rtol=1e-12, atol=1e-12)


@few
@given(st.floats(0, 100), cutoffs, st.integers(10, 300), st.sampled_from(["asymptotic", "exact"]), rules)
def test_displacement_and_temperature_are_inverse(delta, cutoff, size, convention, rule):
    value = temperature(delta, cutoff, size, convention, rule)
    assert abs(displacement(value, cutoff, size, convention, rule) - delta) <= 1e-12 * delta + 1e-150
