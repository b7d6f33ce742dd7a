"""D, G and R from stability files, against brute force; standard errors against the bootstrap."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.stats import beta
from torch import nn

from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, for_all
from workflow_scripts.diffeo.stability import Sweep
from workflow_scripts.diffeo.statistics import fraction_standard_error, mean, median, relative_stability, softmax
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.measure_stability import as_dataset, layer_coordinates
from workflow_scripts.support.netcdf import read_dataset, with_run_dimensions, write_dataset

STRENGTHS, SAMPLES, DRAWS, CLASSES = 2, 21, 3, 4
INTERPOLATIONS = ("bilinear", "gaussian")
SHALLOW = nn.Sequential(nn.Flatten(), nn.Linear(16, CLASSES))
DEEP = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, CLASSES))
LABELS = {"dataset": "mnist", "network": "deep", "recipe": "sgd", "train_size": 100, "seed": 0, "epoch": 4}
LOADING = {"combine": "by_coords", "join": "outer", "data_vars": "minimal"}


def make_sweep(layers: int, seed: int = 0) -> Sweep:
    """A sweep with numbers that have nothing to do with a network."""
    generator = torch.Generator().manual_seed(seed)

    def positive(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).exp()

    return Sweep(
        squared_distance=positive(4, STRENGTHS, layers, SAMPLES, DRAWS),
        squared_deviation=positive(2, layers, SAMPLES),
        read_out=positive(4, STRENGTHS, SAMPLES, DRAWS, CLASSES),
        reference_read_out=positive(2, SAMPLES, CLASSES),
    )


def make_file(path: Path, module: nn.Module = DEEP, numbers: int = 0, **labels: str | int) -> xr.Dataset:
    """A stability file as `measure_stability` writes it, read back."""
    observed = ObservedNetwork(module)
    amounts = for_all(torch.ones(STRENGTHS), SAMPLES, DRAWS)
    perturbations = {f"diffeo_{name}": Diffeo(amounts, name, 0, 3, "disc") for name in INTERPOLATIONS}
    perturbations |= {f"noise_{name}": Noise(amounts, name, 0) for name in INTERPOLATIONS}
    dataset = as_dataset(make_sweep(len(observed.operations), numbers), perturbations)
    dataset["displacement"] = variable(("strength",), np.arange(STRENGTHS) + 0.5, "displacement", "pixel")
    dataset = with_run_dimensions(dataset, LABELS | labels).assign_coords(layer_coordinates(observed))
    write_dataset(dataset, path, title="made up", configuration={})
    return read_dataset(path)


@pytest.fixture(scope="module")
def stability(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return make_file(tmp_path_factory.mktemp("stability") / "epoch0004.nc")


def cell(kind: str, interpolation: str) -> tuple[int, int]:
    """Row of the perturbation and of its reference in `make_sweep`."""
    number = INTERPOLATIONS.index(interpolation)
    return (0 if kind == "diffeo" else 2) + number, number


@pytest.mark.parametrize("suffix", ["", "_median"])
def test_d_g_and_r_equal_brute_force_on_a_file_read_back(stability: xr.Dataset, suffix: str) -> None:
    sweep = make_sweep(5)
    reduced = relative_stability(stability)
    for interpolation in INTERPOLATIONS:
        for strength in range(STRENGTHS):
            for layer in range(5):
                numerators, (_, row) = {}, cell("noise", interpolation)
                for kind in ("diffeo", "noise"):
                    per_sample = []
                    for sample in range(SAMPLES):
                        draws = sweep.squared_distance[cell(kind, interpolation)[0], strength, layer, sample].tolist()
                        per_sample.append(sum(draws) / DRAWS)
                    numerators[kind] = sorted(per_sample)[SAMPLES // 2] if suffix else sum(per_sample) / SAMPLES
                delta = 2 * sum(sweep.squared_deviation[row, layer].tolist()) / (SAMPLES - 1)
                expected = {
                    "D": numerators["diffeo"] / delta,
                    "G": numerators["noise"] / delta,
                    "R": numerators["diffeo"] / numerators["noise"],
                }
                at = reduced.sel(interpolation=interpolation).isel(strength=strength, layer=layer).squeeze()
                for name, value in expected.items():
                    assert at[name + suffix].item() == pytest.approx(value, rel=1e-6)  # stored in float32
                assert at["Delta"].item() == pytest.approx(delta, rel=1e-12)


def test_result_keeps_run_dimensions_and_labels_and_describes_every_variable(stability: xr.Dataset) -> None:
    reduced = relative_stability(stability)
    assert reduced["R"].dims == (*LABELS, "interpolation", "strength", "layer")
    assert {name: reduced[name].item() for name in LABELS} == LABELS
    assert reduced.interpolation.values.tolist() == list(INTERPOLATIONS)
    for name, values in reduced.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name
    expected = {f"{name}{suffix}" for name in "DGR" for suffix in ("", "_median", "_coordinate_median")}
    expected |= {f"{name}{suffix}_standard_error" for name in "DGR" for suffix in ("", "_median")}
    assert set(reduced.data_vars) == expected | {"Delta"}


def test_standard_errors_of_means_equal_their_formulas(stability: xr.Dataset) -> None:
    """The error of a mean, and the delta method for ratios, with the covariance of numerator and denominator."""
    sweep = make_sweep(5)
    reduced = relative_stability(stability).squeeze()
    diffeo, noise = (sweep.squared_distance[cell(kind, "bilinear")[0], 1, 2].mean(dim=1).numpy() for kind in ("diffeo", "noise"))
    deviation = 2 * SAMPLES / (SAMPLES - 1) * sweep.squared_deviation[0, 2].numpy()
    at = reduced.sel(interpolation="bilinear").isel(strength=1, layer=2)
    for name, above, below in (("D", diffeo, deviation), ("G", noise, deviation), ("R", diffeo, noise)):
        ratio = above.mean() / below.mean()
        covariance = np.cov(above, below)
        variance = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
        expected = np.sqrt(variance / SAMPLES) / below.mean()
        assert at[f"{name}_standard_error"].item() == pytest.approx(expected, rel=1e-5)


def test_draws_are_averaged_before_anything_else(stability: xr.Dataset) -> None:
    averaged = stability.copy()
    means = stability.squared_distance.astype(float).mean("draw").expand_dims(draw=DRAWS, axis=-1)
    averaged["squared_distance"] = stability.squared_distance.astype(float).copy(data=means)
    one, other = relative_stability(stability), relative_stability(averaged)
    for name in ("D", "R_median", "R_standard_error", "R_median_standard_error"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12)


@pytest.mark.parametrize("output", ["logits", "softmax"])
def test_coordinate_medians_equal_a_slow_loop(stability: xr.Dataset, output: str) -> None:
    sweep = make_sweep(5)
    reduced = relative_stability(stability).squeeze()
    layer = {"logits": 3, "softmax": 4}[output]

    def function(logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(dim=-1) if output == "softmax" else logits

    for interpolation in INTERPOLATIONS:
        for strength in range(STRENGTHS):
            total = {"diffeo": 0.0, "noise": 0.0}
            for kind in total:
                moved, row = cell(kind, interpolation)
                for coordinate in range(CLASSES):
                    squares = []
                    for sample in range(SAMPLES):
                        reference = function(sweep.reference_read_out[row, sample])[coordinate]
                        changes = [
                            function(sweep.read_out[moved, strength, sample, draw])[coordinate] - reference
                            for draw in range(DRAWS)
                        ]
                        squares.append(sum(change.item() ** 2 for change in changes) / DRAWS)
                    total[kind] += sorted(squares)[SAMPLES // 2]
            delta = 2 * sweep.squared_deviation[row, layer].sum().item() / (SAMPLES - 1)
            at = reduced.sel(interpolation=interpolation, output=output).isel(strength=strength)
            assert at["D_coordinate_median"].item() == pytest.approx(total["diffeo"] / delta, rel=1e-4)
            assert at["G_coordinate_median"].item() == pytest.approx(total["noise"] / delta, rel=1e-4)
            assert at["R_coordinate_median"].item() == pytest.approx(total["diffeo"] / total["noise"], rel=1e-4)


def synthetic(samples: int, repetitions: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Correlated, skewed numerators and denominators, as per-sample squared distances are."""
    generator = np.random.default_rng(0)
    common = generator.normal(size=(repetitions, samples))
    above, below = (np.exp(0.7 * common + 0.5 * generator.normal(size=common.shape)) for _ in range(2))
    return xr.DataArray(above, dims=("set", "sample")), xr.DataArray(below, dims=("set", "sample"))


def bootstrap(statistic, *values: xr.DataArray, resamples: int = 400) -> float:
    """Root-mean-square, over the sets, of the bootstrap's standard error."""
    generator = np.random.default_rng(1)
    samples = values[0].sizes["sample"]
    drawn = []
    for _ in range(resamples):
        chosen = generator.integers(samples, size=samples)
        drawn.append(statistic(*(value.values[:, chosen] for value in values)))
    return float(np.sqrt(np.var(drawn, axis=0, ddof=1).mean()))


@pytest.mark.parametrize(("ours", "theirs"), [(mean, np.mean), (median, np.median)], ids=["mean", "median"])
@pytest.mark.parametrize("ratio", [False, True], ids=["alone", "ratio"])
def test_standard_errors_agree_with_the_bootstrap(ours, theirs, ratio: bool) -> None:
    above, below = synthetic(400, 60)
    if ratio:
        estimate = ours(above).over(ours(below))
        expected = bootstrap(lambda a, b: theirs(a, axis=1) / theirs(b, axis=1), above, below)
    else:
        estimate = ours(above)
        expected = bootstrap(lambda a: theirs(a, axis=1), above)
    found = float(np.sqrt((estimate.standard_error() ** 2).mean()))
    assert found == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("statistic", [mean, median])
def test_standard_errors_agree_with_the_scatter_of_repetitions(statistic) -> None:
    above, below = synthetic(400, 1500)
    estimate = statistic(above).over(statistic(below))
    scatter = float(estimate.value.std("set", ddof=1))
    assert float(np.sqrt((estimate.standard_error() ** 2).mean())) == pytest.approx(scatter, rel=0.15)


ROWS, COLUMNS = 12, 20
CLUSTERS = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)


def two_way(rows: float, columns: float) -> xr.Variable:
    """5000 sets of ROWS × COLUMNS samples of mean 5 and scatter 1, plus what each row and each column shares."""
    generator = np.random.default_rng(4)
    shared = rows * generator.normal(size=(ROWS, 1, 5000)) + columns * generator.normal(size=(1, COLUMNS, 5000))
    values = 5 + shared + generator.normal(size=(ROWS, COLUMNS, 5000))
    return xr.Variable(("sample", "set"), values.reshape(-1, 5000))


@pytest.mark.parametrize(("rows", "columns"), [(0.5, 0.0), (0.0, 0.5), (0.7, 0.7)])
def test_two_way_errors_are_the_scatter_of_repetitions(rows: float, columns: float) -> None:
    estimate = mean(two_way(rows, columns))
    scatter = float(estimate.value.std("set", ddof=1))
    claimed = float(np.sqrt((estimate.two_way_standard_error(*CLUSTERS) ** 2).mean()))
    assert claimed == pytest.approx(scatter, rel=0.08)
    independent = float(np.sqrt((estimate.standard_error() ** 2).mean()))
    assert independent < 0.7 * scatter  # the error that this replaces


def test_two_way_errors_of_ratios_count_what_both_share() -> None:
    above, below = two_way(0.5, 0.5), two_way(0.0, 0.0)
    estimate = mean(above).over(mean(above + 0.2 * below))
    scatter = float(estimate.value.std("set", ddof=1))
    assert float(np.sqrt((estimate.two_way_standard_error(*CLUSTERS) ** 2).mean())) == pytest.approx(scatter, rel=0.1)


def test_two_way_error_is_that_of_a_sum_over_pairs_of_samples() -> None:
    values = two_way(1.0, 1.0).isel(set=0)
    influence = values.values - values.values.mean()
    variance = 0.0
    for kind, count in zip((*CLUSTERS, np.arange(len(influence))), (ROWS, COLUMNS, len(influence)), strict=True):
        pairs = (np.outer(influence, influence) * (kind[:, None] == kind)).sum()
        variance += (-1 if count == len(influence) else 1) * pairs * count / (count - 1) / len(influence) ** 2
    found = mean(values).two_way_standard_error(*CLUSTERS).item()
    assert found == pytest.approx(variance**0.5, rel=1e-12)


def test_two_way_error_is_never_below_that_of_independent_samples() -> None:
    estimate = mean(two_way(0.0, 0.0))
    independent, found = estimate.standard_error(), estimate.two_way_standard_error(*CLUSTERS)
    assert (found >= independent).all()
    assert float(np.sqrt((found**2).mean())) < 1.15 * float(np.sqrt((independent**2).mean()))
    alone, zero = np.arange(len(CLUSTERS[0])), np.zeros(len(CLUSTERS[0]), int)
    for labels in ((alone, zero), (zero, alone), (alone, alone)):
        np.testing.assert_allclose(estimate.two_way_standard_error(*labels), independent, rtol=1e-12)


@pytest.mark.parametrize(("count", "number"), [(0, 10), (3, 10), (50, 100), (2000, 2000)])
def test_error_of_a_fraction_is_that_of_the_beta_distribution(count: int, number: int) -> None:
    error = fraction_standard_error(xr.DataArray(count / number), xr.DataArray(float(number)))
    assert error.item() == pytest.approx(beta(count + 1, number - count + 1).std(), rel=1e-12)


def test_softmax_is_normalised_and_does_not_overflow() -> None:
    logits = xr.DataArray([[0.0, np.log(3.0)], [1000.0, 1000.0]], dims=("sample", "class"))
    np.testing.assert_allclose(softmax(logits), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_files_of_all_runs_open_as_one_cube_with_the_right_values_at_the_right_labels(tmp_path: Path) -> None:
    networks = {"shallow": SHALLOW, "deep": DEEP}
    runs = [(name, seed, epoch) for name in networks for seed in (0, 1) for epoch in (0, 4)]
    files = {}
    for number, (name, seed, epoch) in enumerate(runs):
        path = tmp_path / f"results/runs/mnist/{name}/sgd/P100/seed{seed}/stability/epoch{epoch:04d}.nc"
        files[name, seed, epoch] = make_file(path, networks[name], number, network=name, seed=seed, epoch=epoch)
    cube = xr.open_mfdataset(str(tmp_path / "results/runs/*/*/*/*/*/stability/*.nc"), **LOADING)
    assert cube.squared_distance.dims == (*LABELS, "perturbation", "strength", "layer", "sample", "draw")
    assert {name: cube.sizes[name] for name in (*LABELS, "layer")} == {
        "dataset": 1, "network": 2, "recipe": 1, "train_size": 1, "seed": 2, "epoch": 2, "layer": 5}  # fmt: skip
    for (name, seed, epoch), one in files.items():
        labels = LABELS | {"network": name, "seed": seed, "epoch": epoch}
        there = cube.sel(labels)
        for variable_name in one.data_vars:
            found = there[variable_name]
            found = found.sel(layer=one.layer) if "layer" in found.dims else found
            np.testing.assert_array_equal(found, one[variable_name].sel(labels))
        assert there.layer_name.values.tolist()[: one.sizes["layer"]] == one.layer_name.values[0].tolist()
        assert there.operation.values.tolist()[one.sizes["layer"] - 1] == "softmax"
        assert there.relative_depth.values[one.sizes["layer"] - 1] == 1
    assert cube.sel(network="shallow").squared_distance.isel(layer=slice(3, None)).isnull().all()
    assert cube.kind.values.tolist() == ["diffeo", "diffeo", "noise", "noise"]
    cube.close()


@pytest.mark.filterwarnings("error")
def test_runs_that_form_no_full_product_open_as_one_cube_too(tmp_path: Path) -> None:
    one = make_file(tmp_path / "a.nc", SHALLOW, 0, network="shallow", recipe="sgd", epoch=4)
    other = make_file(tmp_path / "b.nc", DEEP, 1, dataset="svhn", recipe="initial", seed=7, epoch=0, train_size=20)
    make_file(tmp_path / "c.nc", DEEP, 2, epoch=0)
    with xr.open_mfdataset(str(tmp_path / "*.nc"), **LOADING) as cube:
        for dataset in (one, other):
            labels = {name: dataset[name].item() for name in LABELS}
            found = cube.squared_distance.sel(labels).sel(layer=dataset.layer)
            np.testing.assert_array_equal(found, dataset.squared_distance.sel(labels))
        assert int(cube.squared_distance.isel(layer=0, sample=0, draw=0, strength=0, perturbation=0).notnull().sum()) == 3
