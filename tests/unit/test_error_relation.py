"""The table of the relation: planted laws are found, unrelated numbers are not, and few networks say so."""

import math

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_relation import COLLECTIONS, MANY, NETWORKS, SETTINGS, make_related_summary
from workflow_scripts import summarise_error_relation
from workflow_scripts.diffeo import error_relation as module
from workflow_scripts.diffeo.error_points import error_points
from workflow_scripts.diffeo.error_relation import ALL, COMPARED, LARGEST, error_relation, relation_of
from workflow_scripts.diffeo.power_laws import network_weights, rank_correlations
from workflow_scripts.support.netcdf import read_dataset, write_dataset


def related(*summaries: xr.Dataset) -> xr.Dataset:
    return error_relation(xr.concat(summaries, "checkpoint", join="outer"), SETTINGS, COLLECTIONS)


@pytest.fixture
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 100)


@pytest.mark.parametrize(("prefactor", "exponent"), [(0.2, 0.5), (0.4, 1.0), (0.05, -0.2)])
def test_the_planted_power_law_is_found(prefactor: float, exponent: float) -> None:
    relation = related(make_related_summary(lambda r, d, g: prefactor * r**exponent))
    found = relation.sel(dataset="a", selection=LARGEST, quantity="R")
    assert found.exponent.item() == pytest.approx(exponent, abs=1e-12)
    assert found.prefactor.item() == pytest.approx(prefactor, rel=1e-12)
    assert found.exponent_standard_error.item() < 1e-12
    assert found.rank_correlation.item() == math.copysign(1, exponent)
    assert found.log_correlation.item() == pytest.approx(math.copysign(1, exponent), abs=1e-12)
    assert found.note.item() == ""
    assert (found.networks.item(), found.number_of_points.item(), found.number_of_runs.item()) == (6, 6, 6)


def test_the_published_law_is_compared_with() -> None:
    relation = related(make_related_summary(lambda r, d, g: 0.3 * r**0.5))
    assert relation.published_ratio.values == pytest.approx(np.full((1, 2), 1.5), rel=1e-12)
    assert relation.log10_published_ratio_standard_error.values.max() < 1e-12
    steeper = related(make_related_summary(lambda r, d, g: 0.3 * r**0.7 * np.resize([1.0, 1.1], r.shape)))
    found = steeper.sel(dataset="a", selection=LARGEST)
    of_r = found.sel(quantity="R")
    z = (of_r.exponent - 0.5) / of_r.exponent_standard_error
    assert found.exponent_z.item() == pytest.approx(z.item(), rel=1e-12) and z > 2


def test_the_quantity_that_makes_the_error_correlates_more(few_resamples: None) -> None:
    for maker, law in {"R": lambda r, d, g: 0.3 * r, "D": lambda r, d, g: 0.3 * d, "G": lambda r, d, g: 0.1 / g**0.1}.items():
        found = related(make_related_summary(law, MANY)).sel(dataset="a", selection=LARGEST)
        assert abs(found.rank_correlation.sel(quantity=maker).item()) == pytest.approx(1, abs=1e-12)
        others = abs(found.rank_correlation).sel(quantity=[name for name in "RDG" if name != maker])
        assert (others < 1 - 1e-9).all()
        for other in "DG":
            if maker in ("R", other):
                assert np.sign(found.rank_advantage.sel(other=other).item()) == (1 if maker == "R" else -1)


def test_advantage_is_the_paired_difference_of_effects(few_resamples: None) -> None:
    relation = related(
        make_related_summary(lambda r, d, g: np.resize([0.3, 0.1, 0.2, 0.12, 0.07, 0.09], r.shape[0] // 2).repeat(2), MANY)
    )
    points, weights = relation, network_weights(list(MANY), 100, module.SEED)
    rho = [abs(rank_correlations(weights, row, points.test_error.values)) for row in points.stability.values.T]
    largest = 1 - 6 / (len(MANY) ** 3 - len(MANY))
    effect = np.log10((1 + np.minimum(rho, largest)) / (1 - np.minimum(rho, largest)))
    found = relation.sel(dataset="a", selection=LARGEST)
    assert found.rank_advantage.values == pytest.approx(effect[0, 0] - effect[1:, 0], abs=1e-12)
    for place, error in enumerate(found.rank_advantage_standard_error.values, start=1):
        drawn = (effect[0] - effect[place])[1:]
        assert error >= drawn.std(ddof=1) * (1 - 1e-12)


def test_quantities_that_order_the_networks_alike_cannot_be_told_apart(few_resamples: None) -> None:
    points = error_points(make_related_summary(lambda r, d, g: np.resize([0.3, 0.1, 0.2, 0.12], r.shape), MANY), SETTINGS)
    of_r = points.stability.sel(quantity="R")
    for other in (2 * of_r, 1 / of_r**2):
        mirrored = points.assign(stability=points.stability.where(points.quantity != "G", other))
        found = relation_of(mirrored)
        assert np.isnan(found["rank_advantage"]).tolist() == [False, True]
        assert np.isnan(found["rank_advantage_standard_error"]).tolist() == [False, True]
        assert abs(found["rank_correlation"][2]) == pytest.approx(abs(found["rank_correlation"][0]), abs=1e-12)


def test_unrelated_errors_correlate_with_nothing(few_resamples: None) -> None:
    points = error_points(make_related_summary(stabilities=MANY), SETTINGS)
    errors = 10 ** np.random.default_rng(0).normal(-1, 0.2, (200, len(MANY)))
    found = [relation_of(points.assign(test_error=("point", error))) for error in errors]
    z = np.array([cell["rank_effect"] / cell["rank_effect_standard_error"] for cell in found])
    assert 0.91 < (abs(z) < 1.96).mean() <= 1
    assert (abs(z.mean(axis=0)) < 4 / math.sqrt(200)).all()
    exponents = np.array([cell["exponent"] for cell in found])
    assert (abs(exponents.mean(axis=0)) < 4 * exponents.std(axis=0) / math.sqrt(200)).all()
    advantages = np.array([cell["rank_advantage"] / cell["rank_advantage_standard_error"] for cell in found])
    assert 0.91 < (abs(advantages) < 1.96).mean() <= 1


def test_train_sizes_are_in_one_selection_only() -> None:
    """R falls with P and the error does not: the order over networks is perfect, that over all points is not."""
    flat = {1000: 1.0, 10: 0.25}
    summaries = [
        make_related_summary(
            lambda r, d, g: 0.2 * r**0.5, {name: value * flat[size] for name, value in NETWORKS.items()}, train_sizes=(size,)
        )
        for size in flat
    ]
    summaries[1]["error"] = summaries[1].error * 0 + 0.5
    relation = related(*summaries).sel(dataset="a", quantity="R")
    assert relation.number_of_points.values.tolist() == [6, 12]
    assert relation.networks.values.tolist() == [6, 6]
    assert relation.exponent.sel(selection=LARGEST).item() == pytest.approx(0.5, abs=1e-12)
    assert relation.rank_correlation.sel(selection=LARGEST).item() == 1
    assert relation.rank_correlation.sel(selection=ALL).item() < 0.9


def test_three_networks_have_no_number_and_a_note() -> None:
    relation = related(
        make_related_summary(stabilities=dict(list(NETWORKS.items())[:3])),
        make_related_summary(stabilities=MANY, datasets=("b",)),
        make_related_summary(datasets=("dots",), trained_seeds=0, initial_seeds=1),
    )
    assert relation.dataset.values.tolist() == ["a", "b", "dots"]
    assert relation.collection.values.tolist() == ["mnist", "cifar10", "scale_detection"]
    assert relation.note.sel(selection=ALL).values.tolist() == [
        "trained networks with a known test error: 3, needed: 4",
        "",
        "trained networks with a known test error: 0, needed: 4",
    ]
    assert relation.networks.sel(selection=ALL).values.tolist() == [3, 16, 0]
    for name in (*module.BY_QUANTITY, *module.COMPARED, *module.OF_R):
        assert relation[name].sel(dataset=["a", "dots"]).isnull().all(), name
        assert relation[name].sel(dataset="b").notnull().all(), name


def test_errors_of_zero_are_ordered_and_not_fitted() -> None:
    relation = related(make_related_summary(lambda r, d, g: np.where(r < 0.04, 0.0, 0.2 * r**0.5)))
    found = relation.sel(dataset="a", selection=LARGEST, quantity="R")
    assert found.exponent.item() == pytest.approx(0.5, abs=1e-12)
    assert found.rank_correlation.item() == 1
    assert (found.networks.item(), found.fitted_networks.item()) == (6, 5)
    assert found.note.item() == "1 of 6 points are not fitted: no test image is misclassified"
    most = related(make_related_summary(lambda r, d, g: np.where(r < 0.2, 0.0, 0.2 * r**0.5)))
    found = most.sel(dataset="a", selection=LARGEST, quantity="R")
    assert math.isnan(found.exponent) and found.rank_correlation.item() == pytest.approx(0.941, abs=1e-3)
    assert found.note.item().endswith("; networks to fit: 3, needed: 4")


def test_script_writes_a_file_that_describes_itself(tmp_path) -> None:
    write_dataset(make_related_summary(train_sizes=(10, 100, 1000)), tmp_path / "summary.nc", title="made up", configuration={})
    summarise_error_relation.main(tmp_path / "summary.nc", tmp_path / "relation.nc", SETTINGS, COLLECTIONS)
    relation = read_dataset(tmp_path / "relation.nc")
    assert '"displacement": 1.0' in relation.attrs["configuration"]
    for name, values in relation.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name
    assert set(COMPARED) < set(relation.data_vars)


def test_without_usual_networks_the_file_is_empty_and_can_be_read(tmp_path) -> None:
    summary = make_related_summary(stabilities={"conv": 0.3}, networks={"conv": {"architecture": "local_model"}})
    write_dataset(error_relation(summary, SETTINGS, COLLECTIONS), tmp_path / "relation.nc", title="made up", configuration={})
    relation = read_dataset(tmp_path / "relation.nc")
    assert (relation.sizes["point"], relation.sizes["dataset"], relation.sizes["curve"]) == (0, 0, 0)
