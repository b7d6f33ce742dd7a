"""Tables of runs: rows of what was measured, a line for each run that has nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.netcdf import RUN_DIMENSIONS, with_run_dimensions, write_dataset, write_empty
from workflow_scripts.support.tables import LABELS, run_table

LABELLED: dict[str, Any] = {"dataset": "dots", "recipe": "sgd", "train_size": 9}
ABOUT: dict[str, Any] = {"title": "test", "configuration": {}}


def labels(network: str, seed: int = 0) -> dict[str, Any]:
    return LABELLED | {"network": network, "seed": seed}


def write_run(path: Path, network: str, layers: list[str]) -> Path:
    """A file with two epochs; values count up."""
    values = np.arange(2.0 * len(layers)).reshape(2, -1)
    names = variable(("layer",), layers, "name")
    measured = xr.Dataset({"value": variable(("epoch", "layer"), values, "value"), "layer_name": names, "large": names})
    measured = measured.assign_coords(epoch=[0, 3], layer=range(len(layers)))
    write_dataset(with_run_dimensions(measured, labels(network)), path, **ABOUT)
    return path


def write_nothing(path: Path, network: str, seed: int = 0) -> Path:
    write_empty(path, labels(network, seed), note=f"{network} has no maps", **ABOUT)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "a.nc", "a", ["first", "second"]),
        write_nothing(tmp_path / "fc.nc", "fc"),
        write_nothing(tmp_path / "fc1.nc", "fc", seed=1),
        write_run(tmp_path / "b.nc", "b", ["only"]),
    ]


def table_of(files: list[Path]) -> xr.Dataset:
    names = {"a": "vgg11", "b": "lenet", "fc": "fully_connected"}
    return run_table(files, lambda measured: measured, names, text=("layer_name",), unread=("large",))


def test_runs_without_numbers_have_no_row_but_a_line(files: list[Path]) -> None:
    table = table_of(files)
    rows = list(zip(table.network.values, table.epoch.values, table.architecture.values, strict=True))
    assert rows == [("a", 0, "vgg11"), ("a", 3, "vgg11"), ("b", 0, "lenet"), ("b", 3, "lenet")]
    np.testing.assert_array_equal(table.value, [[0, 1], [2, 3], [0, np.nan], [1, np.nan]])
    assert table.layer_name.values.tolist() == [["first", "second"]] * 2 + [["only", ""]] * 2
    assert "large" not in table
    assert table.left_out == "fc on dots: fc has no maps"


def test_a_table_without_rows_has_labels_alone_and_can_be_written(files: list[Path], tmp_path: Path) -> None:
    table = table_of(files[1:3])
    assert not table.data_vars
    assert set(table.coords) == {*RUN_DIMENSIONS, "epoch", "architecture"} == {*LABELS, "architecture"}
    assert table.left_out == "fc on dots: fc has no maps"
    write_dataset(table, tmp_path / "table.nc", **ABOUT)
    with xr.open_dataset(tmp_path / "table.nc") as stored:
        assert stored.sizes == {"checkpoint": 0}
