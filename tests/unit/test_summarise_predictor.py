"""One row for each checkpoint from files that differ in directions, images and classes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from tests.synthetic_predictor import KINDS, make_predictor_file
from workflow_scripts import summarise_predictor
from workflow_scripts.diffeo.predictor import predictor_statistics
from workflow_scripts.support.netcdf import read_dataset, with_run_dimensions, write_dataset
from workflow_scripts.support.tables import LABELS, checkpoint_table

ARCHITECTURES = {"fc2": "fully_connected", "lenet": "lenet"}
RUN = {"dataset": "mnist", "network": "fc2", "recipe": "sgd", "train_size": 100, "seed": 0, "epoch": 4}
RUNS: list[dict[str, Any]] = [
    RUN,
    RUN | {"network": "lenet", "seed": 1, "epoch": 0},
    RUN | {"dataset": "photographs", "recipe": "pretrained", "train_size": 0},
]
FILES = [
    {"perturbations": sorted(KINDS), "samples": 11, "pixels": 4, "classes": 3, "labels": None, "draws": 2},
    {"perturbations": ["diffeo_bilinear", "noise"], "samples": 8, "pixels": 9, "classes": 5, "labels": None, "draws": 1},
    {"perturbations": ["noise", "segment"], "samples": 6, "pixels": 5, "classes": 2, "labels": [-1] * 6, "draws": 3},
]


def make_file(path: Path, labels: dict[str, Any], size: dict[str, Any], seed: int = 0) -> xr.Dataset:
    """A predictor file of a made-up network, as it is without the dims of its run."""
    generator = np.random.default_rng([seed, size["samples"]])
    weights = generator.normal(size=(size["pixels"], size["classes"]))
    images = generator.normal(size=(size["samples"], size["pixels"]))
    measured = make_predictor_file(
        lambda moved: np.tanh(moved) @ weights,
        images,
        size["labels"],
        perturbations=size["perturbations"],
        draws=size["draws"],
    )
    write_dataset(with_run_dimensions(measured, labels), path, title="made up", configuration={})
    return measured


@pytest.fixture(scope="module")
def summarised(tmp_path_factory: pytest.TempPathFactory) -> tuple[xr.Dataset, list[xr.Dataset]]:
    folder = tmp_path_factory.mktemp("predictor")
    paths = [folder / f"{row}.nc" for row in range(len(RUNS))]
    measured = [make_file(path, labels, size) for path, labels, size in zip(paths, RUNS, FILES, strict=True)]
    summarise_predictor.main(paths, folder / "predictor.nc", ARCHITECTURES)
    return read_dataset(folder / "predictor.nc"), [predictor_statistics(file) for file in measured]


def test_each_row_is_the_reduction_of_its_file(summarised: tuple[xr.Dataset, list[xr.Dataset]]) -> None:
    table, rows = summarised
    assert set(table.data_vars) == set(rows[0].data_vars)
    for place, row in enumerate(rows):
        at = table.isel(checkpoint=place).sel(perturbation=row.perturbation)
        for name, values in row.data_vars.items():
            np.testing.assert_allclose(at[name], values, rtol=1e-15, err_msg=str(name))
            assert table[name].dims == ("checkpoint", *values.dims)


def test_what_a_file_does_not_have_is_missing(summarised: tuple[xr.Dataset, list[xr.Dataset]]) -> None:
    table, _ = summarised
    assert table.perturbation.values.tolist() == sorted(KINDS)
    assert table.stability.isel(checkpoint=1).sel(perturbation=["segment", "noise_smoothed"]).isnull().all()
    assert table.wrong_label.isel(checkpoint=2).isnull().all()
    assert table.wrong_label.isel(checkpoint=0).notnull().all()
    assert table.agreement_ratio.isel(checkpoint=[1, 2]).isnull().all()


def test_labels_are_coordinates_of_the_checkpoints(summarised: tuple[xr.Dataset, list[xr.Dataset]]) -> None:
    table, _ = summarised
    for name in LABELS:
        assert table[name].dims == ("checkpoint",)
        assert table[name].values.tolist() == [labels[name] for labels in RUNS]
    assert table.architecture.values.tolist() == ["fully_connected", "lenet", "fully_connected"]
    assert table.pixels.values.tolist() == [4, 9, 5]
    assert table.pixels.dtype.kind == "i"


def test_labels_of_other_dims_are_the_same_for_all_checkpoints(summarised: tuple[xr.Dataset, list[xr.Dataset]]) -> None:
    table, rows = summarised
    about = zip(table.kind.values.tolist(), table.interpolation.values.tolist(), strict=True)
    assert table.kind.dims == table.interpolation.dims == ("perturbation",)
    assert list(about) == [KINDS[name] for name in table.perturbation.values.tolist()]
    np.testing.assert_array_equal(table.bin_low, rows[0].bin_low)
    assert table.bin_high.attrs["units"] == "normalised image"


def test_every_variable_is_described_and_the_file_says_what_made_it(
    summarised: tuple[xr.Dataset, list[xr.Dataset]],
) -> None:
    table, rows = summarised
    for name, values in table.data_vars.items():
        assert values.attrs == rows[0][name].attrs
        assert {"long_name", "units"} <= set(values.attrs), name
    assert "fully_connected" in table.attrs["configuration"]


def test_a_label_that_means_two_things_is_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "0.nc", tmp_path / "1.nc"]
    for path, labels, size in zip(paths, RUNS, FILES, strict=False):
        make_file(path, labels, size)

    def reduce(measured: xr.Dataset, labels: Any) -> xr.Dataset:
        kinds = {"kind": ("perturbation", [labels["network"]] * measured.sizes["perturbation"])}
        return measured[["norm"]].assign_coords(kinds)

    with pytest.raises(xr.MergeError, match="kind"):
        checkpoint_table(paths, reduce, ARCHITECTURES)


@pytest.mark.parametrize("script", ["summarise", "summarise_predictor"])
def test_the_scripts_import_no_torch(script: str) -> None:
    check = f"import sys, workflow_scripts.{script}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=Path(__file__).parents[2], check=False).returncode == 0
