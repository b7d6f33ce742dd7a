"""The profile for Slurm on a real one: the smoke experiment to its report, and a training that is cancelled on the way."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import xarray as xr
import yaml

from tests.cluster.local_slurm import local_slurm, missing, slurm, wait_for
from tests.conftest import BIN, ROOT, copy_sources, fenced_blocks, run_snakemake

pytestmark = [pytest.mark.skipif(missing() is not None, reason=str(missing())), pytest.mark.usefixtures("cluster")]

COMMAND = ["--workflow-profile", "profiles/slurm"]
QUICKLY = ["--slurm-init-seconds-before-status-checks", "1"]  # the profile asks as seldom as large clusters need
SMOKE = ["--configfile", "configs/smoke.yaml"]

# One training, long enough to be caught on its way.
LONG = """
datasets: {mnist_5k: {collection: mnist_5k, validation: 200, test: 200}}
networks: {fc2: {architecture: fully_connected, depth: 2, width: 0.1}}
recipes: {long: {epochs: 100, optimizer: adamw, learning_rate: 0.001}}
runs:
  - {datasets: [mnist_5k], networks: [fc2], recipes: [long], train_sizes: [1000], seeds: [0], analyses: [stability]}
probe: {images: 50, draws: 1}
"""
RUN = "results/runs/mnist_5k/fc2/long/P1000/seed0"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A running Slurm that the commands of a test reach, in a folder of its own: names of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, local_slurm(Path(folder) / "cluster") as variables:
        for name in [name for name in os.environ if name.startswith("SLURM_")]:  # of a job on a cluster, where this may run
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield


def submitted(comment: str = "") -> list[dict[str, str]]:
    """What Slurm says of its jobs, ended ones too; Snakemake's comment on a job names its rule or group."""
    jobs = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in slurm("scontrol", "--oneliner", "show", "jobs").splitlines()]
    return [job for job in jobs if comment in job["Comment"]]


def assert_same(first: Path, second: Path) -> None:
    """Two folders hold the same checkpoints, byte by byte, and the same NetCDF files, every number of them."""
    paths, others = (
        {path.relative_to(folder) for kind in ("nc", "pt") for path in folder.rglob(f"*.{kind}")} for folder in (first, second)
    )
    assert paths == others != set()
    for path in paths:
        if path.suffix == ".pt":
            assert (first / path).read_bytes() == (second / path).read_bytes(), path
        else:  # attributes say when and where it was made
            with xr.open_dataset(first / path) as one, xr.open_dataset(second / path) as other:
                xr.testing.assert_equal(one, other)


def test_smoke_experiment_is_the_same_on_a_cluster(
    smoke_run: Path, tmp_path: Path, rules_to_run: Callable[..., set[str]]
) -> None:
    assert f"\nsnakemake {' '.join(COMMAND)}\n" in (ROOT / "README.md").read_text()
    directory = copy_sources(tmp_path / "project")
    run_snakemake(directory, *COMMAND, *SMOKE, *QUICKLY)
    assert_same(smoke_run / "results", directory / "results")
    comments = [job["Comment"] for job in submitted()]
    assert len(set(comments)) == len(comments)
    measured = {path.parents[1] for path in directory.glob("results/runs/*/*/*/*/*/*/epoch*.nc")}
    assert sum(comment.startswith("rule_run_") for comment in comments) == len(measured)  # one submission measures a run
    for job in submitted():
        on_gpu = re.match("rule_(train|run|calibration)_", job["Comment"]) is not None
        assert job["JobState"] == "COMPLETED"
        assert (job["Partition"], job.get("TresPerJob")) == (("gpu", "gres:gpu:1") if on_gpu else ("cpu", None)), job
        assert Path(job["StdOut"]).is_relative_to(directory / ".snakemake/slurm_logs")
        assert Path(job["StdOut"]).exists()
    assert rules_to_run(directory) == set()
    run_snakemake(directory, *SMOKE, "--report", "results/report.html")
    assert (directory / "results/report.html").stat().st_size > 1e6


def test_cancelled_training_resumes_and_ends_the_same(smoke_run: Path, tmp_path: Path) -> None:
    """Its GPU is asked for with --gres, as the page on clusters says."""
    cluster, local = (copy_sources(tmp_path / name) for name in ("cluster", "local"))
    for directory in (cluster, local):
        (directory / "long.yaml").write_text(LONG)
        (directory / "results/data").mkdir(parents=True)
        (directory / "results/data/mnist_5k.nc").hardlink_to(smoke_run / "results/data/mnist_5k.nc")
    target = ["--configfile", "long.yaml", "--", f"{RUN}/training.nc"]
    command = [BIN / "snakemake", *COMMAND, *QUICKLY, "--set-resources", *gres("train_long"), *target]
    with subprocess.Popen(command, cwd=cluster, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        state = cluster / f"{RUN}/checkpoints/.resume/state.pt"
        wait_for(lambda: state.exists() or running.poll() is not None, 300, "state of the training")
        for job in submitted("train_long"):
            slurm("scancel", job["JobId"])
        printed, _ = running.communicate(timeout=600)
    assert running.returncode == 0, printed[-6000:]
    states = {job["JobState"]: (job["Partition"], job["TresPerNode"], job.get("TresPerJob")) for job in submitted("train_long")}
    assert states == dict.fromkeys(("CANCELLED", "COMPLETED"), ("gpu", "gres:gpu:1", None))
    log = (cluster / RUN.replace("results/", "results/logs/") / "training.log").read_text()
    assert re.search(r"continuing mnist_5k/fc2/\S+ after epoch [1-9]", log)
    run_snakemake(local, "--cores", "1", *target)
    assert_same(cluster / RUN, local / RUN)


def gres(rule: str) -> list[str]:
    """The resources that the page on clusters gives to the rules of sites that want --gres, on the command line for one rule."""
    blocks = fenced_blocks(ROOT / "docs/cluster.md", "yaml")
    (resources,) = (yaml.safe_load(block)["set-resources"]["measure_stability"] for block in blocks if "gres" in block)
    return [f"{rule}:{name}={value}" for name, value in resources.items()]
