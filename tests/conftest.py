"""The smoke experiment, made once for all tests that look at a finished workflow."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: test processes run side by side

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SOURCES = ("Snakefile", "config.yaml", "configs", "profiles", "report", "rules", "schemas", "workflow_scripts")


def copy_sources(destination: Path) -> Path:
    """Copy what the workflow consists of, with new time stamps, as a clone has them."""
    destination.mkdir(parents=True, exist_ok=True)
    for name in SOURCES:
        source, target = ROOT / name, destination / name
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    return destination


def fenced_blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language on a page, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def run_snakemake(directory: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `directory`; the output holds stdout and stderr together."""
    command = [str(BIN / "snakemake"), *arguments]
    done = subprocess.run(command, cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
    assert not check or done.returncode == 0, done.stdout[-6000:]
    return done


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sources and the finished smoke experiment, shared by all test processes: do not change it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    directory = shared / "smoke"
    with FileLock(shared / "smoke.lock"):
        if not (directory / "finished").exists():
            copy_sources(directory)
            run_snakemake(directory, "--cores", "2", "--configfile", "configs/smoke.yaml")
            (directory / "finished").touch()
    return directory


@pytest.fixture
def smoke_copy(smoke_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished smoke experiment that a test may change; time stamps of the results are kept."""
    directory = copy_sources(tmp_path / "project")
    for name in ("results", ".snakemake"):
        shutil.copytree(smoke_run / name, directory / name, symlinks=True)
    return directory


@pytest.fixture
def rules_to_run() -> Callable[..., set[str]]:
    """Names of the rules that a dry run of a directory would run again."""

    def dry_run(directory: Path, configuration: str = "configs/smoke.yaml") -> set[str]:
        printed = run_snakemake(directory, "--dry-run", "--configfile", configuration).stdout
        if "Nothing to be done" in printed:
            return set()
        table = printed.split("Job stats:")[1].split("total")[0].splitlines()[3:]
        return {line.split()[0] for line in table if line.strip()} - {"all"}

    return dry_run
