import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic import PLANTED, make_summary
from workflow_scripts.diffeo.run_averages import (
    along_training,
    at_strength,
    average_over_runs,
    dataset_with_most,
    initial,
    is_largest,
    last_of_runs,
    stability_of,
    trained,
)

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}


# Selection of checkpoints


def test_initial_counts_each_seed_once():
    summary = make_summary(initial_seeds=4, trained_seeds=2)
    chosen = initial(summary)
    assert set(chosen.epoch.values) == {0}
    labels = list(zip(chosen.network.values.tolist(), chosen.seed.values.tolist(), strict=True))
    assert sorted(labels) == sorted((name, seed) for name in PLANTED for seed in range(4))


def test_trained_takes_last_epoch_of_largest_training_set():
    one = make_summary(planted={"lenet": (1.0, 0.3)}, initial_seeds=0)
    early = one.isel(checkpoint=[1]).assign_coords(epoch=("checkpoint", [1]))
    small = one.isel(checkpoint=[1]).assign_coords(train_size=("checkpoint", [10]), epoch=("checkpoint", [9]))
    chosen = trained(xr.concat([small, one, early], "checkpoint"))
    assert chosen.sizes["checkpoint"] == 1
    assert (chosen.epoch.item(), chosen.train_size.item()) == (4, 1000)


def test_last_of_runs_has_every_train_size_and_is_largest_says_which_are_trained():
    one = make_summary(planted={"lenet": (1.0, 0.3)}, initial_seeds=0)
    small = one.assign_coords(train_size=("checkpoint", [10, 10]))
    both = xr.concat([small, one], "checkpoint")
    assert last_of_runs(both).train_size.values.tolist() == [10, 1000]
    assert trained(both).train_size.values.tolist() == [1000]
    assert is_largest([("a",), ("b",), ("a",)], [10, 3, 10]) == [True, True, True]
    assert is_largest([("a",), ("b",), ("a",)], [10, 3, 20]) == [False, True, True]


def test_along_training_are_the_epochs_that_all_trained_runs_kept():
    labels = {  # (train_size, recipe, seed): epochs
        (10, "sgd", 0): (0, 1, 2, 4),
        (100, "sgd", 0): (0, 1, 4),
        (100, "sgd", 1): (0, 2, 4),
        (100, "initial", 2): (0,),
    }
    rows = [(*label, epoch) for label, epochs in labels.items() for epoch in epochs]
    columns = dict(zip(("train_size", "recipe", "seed", "epoch"), map(list, zip(*rows, strict=True)), strict=True))
    columns |= {"dataset": ["a"] * len(rows), "network": ["vgg"] * len(rows)}
    summary = xr.Dataset(coords={name: ("checkpoint", values) for name, values in columns.items()})
    parts = along_training(summary)
    assert [part.epoch.values.tolist() for part in parts] == [[0, 0], [4, 4]]
    assert all(part.train_size.values.tolist() == [100, 100] and part.seed.values.tolist() == [0, 1] for part in parts)


def test_an_imported_network_counts_as_trained_and_not_as_an_initialisation():
    summary = make_summary(planted={"lenet": (1.0, None)}, initial_seeds=1)
    imported = summary.assign_coords(recipe=("checkpoint", ["imported"]), epoch=("checkpoint", [1]))
    assert (trained(imported).sizes["checkpoint"], initial(imported).sizes["checkpoint"]) == (1, 0)


def test_dataset_with_most_counts_networks_in_both_states():
    one, two = make_summary(("b",), {"lenet": (1.0, 0.3)}), make_summary(("a", "c"), {"lenet": (1.0, None), "fc2": (1.0, None)})
    assert dataset_with_most(one) == "b"
    assert dataset_with_most(two) == "a"  # the first of equals
    assert dataset_with_most(two.isel(checkpoint=np.flatnonzero((two.dataset == "c") | (two.network == "fc2")))) == "c"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"displacement": 3.0, "interpolation": "bilinear"}, "displacement is 3.0; the summary has 0.125, 0.25, 0.5, 1, 2, 4"),
        ({"displacement": 1.0, "interpolation": "bicubic"}, "interpolation is 'bicubic'; the summary has bilinear, gaussian"),
    ],
)
def test_at_strength_names_what_there_is(settings, message):
    with pytest.raises(ValueError, match=message):
        at_strength(make_summary(), **settings)


# Averages


def table(values, errors, networks):
    coordinates = {"dataset": ("checkpoint", ["a"] * len(values)), "network": ("checkpoint", networks)}
    return [xr.DataArray(np.array(numbers, float), dims="checkpoint", coords=coordinates) for numbers in (values, errors)]


def test_average_pools_scatter_over_networks():
    values, errors = table([1.0, 1.2, 5.0, 5.6, 9.0], [0.1, 0.3, 0.2, 0.2, 0.2], ["m", "m", "n", "n", "single"])
    found = average_over_runs(values, errors)
    pooled = (2 * 0.1**2 + 2 * 0.3**2) / 2
    expected = {"m": (1.1, (0.1**2 + 0.3**2) / 2, 2), "n": (5.3, 0.2**2, 2), "single": (9.0, 0.2**2, 1)}
    for network, (mean, measured, runs) in expected.items():
        average = found["a", network]
        assert float(average.value) == pytest.approx(mean, abs=1e-12)
        assert float(average.standard_error) == pytest.approx(math.sqrt(measured + pooled / runs), abs=1e-12)
        assert average.runs == runs


def test_average_of_single_runs_has_their_own_errors():
    found = average_over_runs(*table([1.0, 2.0], [0.1, 0.2], ["m", "n"]))
    assert [float(average.standard_error) for average in found.values()] == pytest.approx([0.1, 0.2], abs=1e-12)


def test_average_of_other_groups():
    values, errors = (
        numbers.assign_coords(recipe=("checkpoint", ["x", "y", "x"])) for numbers in table([1.0, 2.0, 3.0], [0.1] * 3, ["m"] * 3)
    )
    found = average_over_runs(values, errors, ("recipe", "network"))
    assert {group: (float(average.value), average.runs) for group, average in found.items()} == {
        ("x", "m"): (2.0, 2),
        ("y", "m"): (2.0, 1),
    }


def test_average_of_a_missing_number_is_missing():
    found = average_over_runs(*table([1.0, math.nan], [0.1, 0.1], ["m", "m"]))
    assert math.isnan(found["a", "m"].value)


def test_stability_error_is_relative_error_over_ln_10():
    chosen = at_strength(make_summary(relative_error=0.05), **SETTINGS)
    average = stability_of(initial(chosen))["fashion_mnist", "fc2"]
    assert float(average.value) == pytest.approx(math.log10(1.1), abs=1e-12)
    assert float(average.standard_error) == pytest.approx(0.05 / math.log(10), abs=1e-12)
