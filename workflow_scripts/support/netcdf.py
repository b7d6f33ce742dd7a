"""The one writer and the one reader of NetCDF files (the file contract: docs/results.md)."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from workflow_scripts.support.atomic import atomic_path

SLIDES = "L. Petrini, work in progress on diffeo, PCSL group meetings, October and November 2021"
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "xarray", "netCDF4", "snakemake")
RUN_DIMENSIONS = ("dataset", "network", "recipe", "train_size", "seed")


class IncompleteFileError(RuntimeError):
    """A NetCDF file that is missing, truncated, or was not finished by its writer."""


def write_dataset(
    dataset: xr.Dataset,
    path: Path,
    /,
    *,
    title: str,
    configuration: Mapping[str, Any],
    references: str = SLIDES,
    chunks: Mapping[str, tuple[int, ...]] | None = None,
    **attributes: str | int | float,
) -> None:
    """Write `dataset` atomically, compressed, with its provenance as attributes.

    Every data variable must carry `long_name` and `units` (`"1"` if dimensionless); `configuration` is the slice of the
    configuration that made the file; `chunks` are the shapes of the blocks, by variable, that are compressed (and read) as a
    whole, where the library's choice does not suit; further attributes (`device`, `seed`, ...) are stored as they are.

    Raises:
        ValueError: a data variable lacks `long_name` or `units`.
    """
    for name, variable in dataset.data_vars.items():
        missing = {"long_name", "units"} - set(variable.attrs)
        if missing:
            raise ValueError(f"variable {name!r} of {path.name} lacks the attributes {sorted(missing)}")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    stamped = dataset.assign_attrs(
        title=title,
        source=f"{script_name()}, git commit {git_commit()}",
        history=f"{now} created",
        references=references,
        git_commit=git_commit(),
        package_versions=json.dumps(package_versions(), sort_keys=True),
        configuration=json.dumps(configuration, sort_keys=True),
        **attributes,
    )
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 1, "shuffle": True}
        for name, variable in dataset.data_vars.items()
        if np.issubdtype(variable.dtype, np.number) and variable.size > 1
    }
    for name, shape in (chunks or {}).items():
        encoding[name]["chunksizes"] = shape
    with atomic_path(path) as partial:
        stamped.to_netcdf(partial, engine="netcdf4", encoding=encoding)
        with netCDF4.Dataset(partial, "a") as finished:
            finished.complete = np.int8(1)


def write_empty(path: Path, labels: Mapping[str, Any], /, *, note: str, **about: Any) -> None:
    """Write the file of an analysis that makes no sense for a network: its labels as coordinates, and why in `note`.

    `about` is what `write_dataset` wants to know besides.
    """
    write_dataset(with_run_dimensions(xr.Dataset(), labels), path, note=note, **about)


def read_dataset(path: Path) -> xr.Dataset:
    """Load a file of this workflow into memory.

    Raises:
        IncompleteFileError: the file is missing, unreadable, or lacks the mark of a finished writer.
    """
    with open_dataset(path) as dataset:
        return dataset.load()


@contextmanager
def open_dataset(path: Path) -> Iterator[xr.Dataset]:
    """Open a file of this workflow; inside the block, where nothing else should happen, values are read when asked for.

    Raises:
        IncompleteFileError: the file is missing, unreadable (here or inside the block), or lacks the mark of a finished writer.
    """
    remedy = "delete it and run snakemake again"
    try:
        dataset = xr.open_dataset(path, engine="netcdf4")
    except FileNotFoundError as error:
        raise IncompleteFileError(f"{path} does not exist; run snakemake to make it") from error
    except (OSError, RuntimeError, ValueError) as error:
        raise IncompleteFileError(f"{path} cannot be read ({error}); {remedy}") from error
    with dataset:
        if dataset.attrs.get("complete") != 1:
            raise IncompleteFileError(f"{path} was not finished by its writer; {remedy}")
        try:
            yield dataset
        except (OSError, RuntimeError) as error:
            raise IncompleteFileError(f"{path} cannot be read ({error}); {remedy}") from error


def with_run_dimensions(dataset: xr.Dataset, run: Mapping[str, Any]) -> xr.Dataset:
    """Give every data variable the run's labels as leading dimensions of size 1.

    `run` maps dimension names (`dataset, network, recipe, train_size, seed` and, where it applies, `epoch`) to labels.
    Files of several runs then combine by coordinates: `xr.open_mfdataset(..., combine="by_coords", join="outer")`.
    """
    return dataset.expand_dims({name: [run[name]] for name in (*RUN_DIMENSIONS, "epoch") if name in run})


def numbered(dataset: xr.Dataset) -> xr.Dataset:
    """Number the positions along every dimension without labels, so that files of different sizes can be combined."""
    return dataset.assign_coords({name: np.arange(size) for name, size in dataset.sizes.items() if name not in dataset.coords})


def package_versions() -> dict[str, str]:
    """Versions of the packages that a result depends on, as installed (none is imported for it)."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def script_name() -> str:
    """Name of the running script; Snakemake runs a copy called tmpXXXX.name.py."""
    return ".".join(Path(sys.argv[0]).name.split(".")[-2:]) or "python"


@cache
def git_commit() -> str:
    """Return the commit of this checkout, `+changes` appended if files differ from it, or `unknown`."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
