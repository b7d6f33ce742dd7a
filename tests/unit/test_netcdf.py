"""The NetCDF writer and reader: provenance, and files that are whole, missing or refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.variables import described, variable
from workflow_scripts.support import netcdf
from workflow_scripts.support.netcdf import (
    IncompleteFileError,
    git_commit,
    open_dataset,
    read_dataset,
    with_run_dimensions,
    write_dataset,
)

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def dataset(count: int = 1000) -> xr.Dataset:
    values = np.random.default_rng(0).normal(size=(3, count))
    return xr.Dataset({"r": variable(("strength", "sample"), values, "norm of the noise", "normalised image")})


def write(path: Path, data: xr.Dataset | None = None) -> None:
    write_dataset(
        dataset() if data is None else data, path, title="A title", configuration={"b": [1, 2], "a": None}, device="cpu", seed=3
    )


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "new" / "r.nc")
    found = read_dataset(tmp_path / "new" / "r.nc")
    np.testing.assert_array_equal(found.r, dataset().r)
    assert found.r.attrs == {"long_name": "norm of the noise", "units": "normalised image"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.nc"]


def test_provenance_is_in_the_attributes(tmp_path: Path) -> None:
    write(tmp_path / "r.nc")
    attributes = read_dataset(tmp_path / "r.nc").attrs
    names = "title source history references git_commit package_versions configuration device seed complete"
    assert set(attributes) == set(names.split())
    assert attributes["title"] == "A title"
    assert json.loads(attributes["configuration"]) == {"a": None, "b": [1, 2]}
    versions = json.loads(attributes["package_versions"])
    assert versions["torch"] == version("torch")
    assert versions["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 created", attributes["history"])
    assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?|unknown", attributes["git_commit"])
    assert attributes["git_commit"] in attributes["source"]
    assert "Petrini" in attributes["references"]
    assert (attributes["device"], attributes["seed"], attributes["complete"]) == ("cpu", 3, 1)


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert netcdf.git_commit.__wrapped__() == "unknown"


def test_numbers_are_compressed(tmp_path: Path) -> None:
    write(tmp_path / "r.nc", xr.Dataset({"zero": variable(("sample",), np.zeros(1_000_000), "zeros")}))
    assert (tmp_path / "r.nc").stat().st_size < 100_000


def test_blocks_have_the_shapes_asked_for_and_are_compressed(tmp_path: Path) -> None:
    write_dataset(dataset(), tmp_path / "r.nc", title="A title", configuration={}, chunks={"r": (1, 100)})
    with netCDF4.Dataset(tmp_path / "r.nc") as opened:
        assert opened["r"].chunking() == [1, 100] and opened["r"].filters()["zlib"]
    np.testing.assert_array_equal(read_dataset(tmp_path / "r.nc").r, dataset().r)


def test_an_open_file_is_read_when_asked_and_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    write(tmp_path / "r.nc")
    with open_dataset(tmp_path / "r.nc") as opened:
        assert not opened.r.variable._in_memory
        np.testing.assert_array_equal(opened.r[1, 5:7], dataset().r[1, 5:7])
    with pytest.raises(ValueError, match=r"^mine$"), open_dataset(tmp_path / "r.nc"):
        raise ValueError("mine")


@pytest.mark.parametrize("lacking", ["units", "long_name"])
def test_a_variable_without_units_or_name_is_refused(tmp_path: Path, lacking: str) -> None:
    data = dataset()
    del data.r.attrs[lacking]
    with pytest.raises(ValueError, match=rf"^variable 'r' of r\.nc lacks the attributes \['{lacking}'\]$"):
        write(tmp_path / "r.nc", data)
    assert list(tmp_path.iterdir()) == []


def test_described_adds_the_two_attributes() -> None:
    assert described(xr.DataArray(1.0), "a name").attrs == {"long_name": "a name", "units": "1"}


KILLED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace
import xarray.backends.common
from tests.unit.test_netcdf import dataset, netcdf, write
moment, path = sys.argv[1], Path(sys.argv[2])
def die(*arguments, **keywords):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "before the mark":
    netcdf.netCDF4 = SimpleNamespace(Dataset=die)
elif moment == "before the rename":
    os.replace = die
else:
    xarray.backends.common.ArrayWriter.add = die
write(path, dataset(100_000))
"""


@pytest.mark.parametrize("moment", ["among the variables", "before the mark", "before the rename"])
def test_a_writer_that_is_killed_leaves_no_file_under_the_final_name(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "r.nc"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [left.name for left in tmp_path.iterdir()] == [".r.nc.partial"]
    write(path)
    assert [left.name for left in tmp_path.iterdir()] == ["r.nc"]
    assert read_dataset(path).sizes["sample"] == 1000


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
def test_a_truncated_file_is_refused_with_a_remedy(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "r.nc"
    write(path)
    os.truncate(path, int(kept * path.stat().st_size))
    with pytest.raises(IncompleteFileError, match=r"r\.nc cannot be read \(.+\); delete it and run snakemake again$"):
        read_dataset(path)


@pytest.mark.parametrize("mark", [None, 0])
def test_a_file_without_the_mark_of_a_finished_writer_is_refused(tmp_path: Path, mark: int | None) -> None:
    path = tmp_path / "r.nc"
    write(path)
    with netCDF4.Dataset(path, "a") as opened:
        if mark is None:
            opened.delncattr("complete")
        else:
            opened.complete = np.int8(mark)
    with pytest.raises(IncompleteFileError, match=r"r\.nc was not finished by its writer; delete it and run snakemake again$"):
        read_dataset(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IncompleteFileError, match=r"r\.nc does not exist; run snakemake to make it$"):
        read_dataset(tmp_path / "r.nc")


@contextmanager
def somebody_without_privileges() -> Iterator[None]:
    """Root may write anywhere: be nobody for a while."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_read_only_directory_gives_a_clear_error_and_no_leftover() -> None:
    git_commit()
    directory = Path(tempfile.mkdtemp())
    try:
        directory.chmod(0o555)
        with somebody_without_privileges(), pytest.raises(PermissionError, match=r"Permission denied: .*r\.nc"):
            write(directory / "r.nc")
        assert list(directory.iterdir()) == []
    finally:
        directory.chmod(0o755)
        shutil.rmtree(directory)


def test_run_dimensions_lead_every_variable_and_no_coordinate() -> None:
    run = {"dataset": "mnist", "network": "fc2", "recipe": "sgd", "train_size": 10, "seed": 0}
    found = with_run_dimensions(dataset().assign_coords(kind=("strength", list("abc"))), run)
    assert found.r.dims == (*run, "strength", "sample")
    assert found.kind.dims == ("strength",)
    assert {name: found[name].item() for name in run} == run
