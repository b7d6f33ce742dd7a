"""What Snakemake and the start of a job cost: the plan of the largest experiment, a run that finds nothing to do, imports."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake")]
SHARES = (0.25, 0.5, 1.0)  # of the seeds of the largest experiment
TENSOR = "import workflow_scripts.measure_stability as script, torch; torch.zeros(1).sum()"
STARTS = {
    "a sweep to its first tensor operation": TENSOR,
    "a script that reduces": "import workflow_scripts.summarise",
    "a script that draws": "import workflow_scripts.draw_depth",
}


class Cost(NamedTuple):
    """Processor time in seconds and largest memory in MiB of a command, and what it printed."""

    seconds: float
    memory: float
    printed: str


def cost(command: Sequence[str], folder: Path) -> Cost:
    """Run a command in a folder.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        printed = output.read().decode()
    if status:
        raise subprocess.CalledProcessError(status, command, printed)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed)


def snakemake(results: Path, configuration: Path, *options: str) -> Cost:
    """Run Snakemake for an experiment whose results are below a folder."""
    return cost([*SNAKEMAKE, *options, "--directory", str(results), "--configfile", str(configuration)], ROOT)


def with_fewer_seeds(configuration: Any, share: float) -> Any:
    """The configuration with that share of the seeds of each line of runs, one at least."""
    runs = [line | {"seeds": line["seeds"][: max(1, round(share * len(line["seeds"])))]} for line in configuration["runs"]]
    return configuration | {"runs": runs}


def plan(folder: Path, configuration: Path) -> tuple[int, Cost]:
    """Jobs of the dry run of an experiment, and what it costs."""
    found = snakemake(folder, configuration, "--dry-run", "--quiet", "rules")
    table = found.printed.split("Job stats:")[1].splitlines()
    return next(int(line.split()[1]) for line in table if line.startswith("total")), found


def plan_table(configuration: Path = ROOT / "configs/slides.yaml", shares: Iterable[float] = SHARES) -> list[str]:
    """A row for each share of the experiment, and how the time grows with the number of jobs."""
    whole = yaml.safe_load(configuration.read_text())
    lines = ["| share of the seeds | jobs | processor time | memory |", "|---|---|---|---|"]
    jobs, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.yaml"
        for share in shares:
            part.write_text(yaml.safe_dump(with_fewer_seeds(whole, share)))
            number, found = plan(Path(folder), part)
            jobs.append(number)
            seconds.append(found.seconds)
            lines.append(f"| {share:g} | {number} | {found.seconds:.1f} s | {found.memory:.0f} MiB |")
    exponent = np.polyfit(np.log(jobs), np.log(seconds), 1)[0] if len(jobs) > 1 else np.nan
    return [*lines, "", f"Time grows as the number of jobs to the power {exponent:.2f}."]


def nothing_to_do(configuration: str) -> Cost:
    """What a run costs that finds all results of an experiment up to date."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder), ROOT / configuration
        listed = snakemake(*experiment, "--summary").printed.splitlines()
        (head,) = [number for number, line in enumerate(listed) if line.startswith("output_file")]
        for line in listed[head + 1 :]:
            made = Path(folder) / line.split("\t")[0]
            made.parent.mkdir(parents=True, exist_ok=True)
            made.touch()
        snakemake(*experiment, "--cores", "1", "--touch")
        found = snakemake(*experiment, "--cores", "1")
    if "Nothing to be done" not in found.printed:
        raise RuntimeError(f"a run on results that were all touched has something to do:\n{found.printed[-2000:]}")
    return found


def start_table(repeats: int = 3) -> list[str]:
    """A row for each kind of job: processor time until its script has been imported, and a run with nothing to do."""
    lines = ["| what | processor time | memory |", "|---|---|---|"]
    for name, statement in STARTS.items():
        runs = [cost([sys.executable, "-c", statement], ROOT) for _ in range(repeats + 1)][1:]
        lines.append(f"| {name} | {np.median([run.seconds for run in runs]):.1f} s | {runs[0].memory:.0f} MiB |")
    found = nothing_to_do("config.yaml")
    return [*lines, f"| `snakemake` when the default experiment is up to date | {found.seconds:.1f} s | {found.memory:.0f} MiB |"]
