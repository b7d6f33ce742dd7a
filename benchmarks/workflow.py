"""What Snakemake and the start of a job cost: the plan of the largest experiment, a run that finds nothing to do, imports."""

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from benchmarks.timing import Growth, Judged, Table, table

ROOT = Path(__file__).parents[1]
SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake")]
SHARES = (0.25, 0.5, 1.0)  # of the seeds of the largest experiment
TENSOR = "import workflow_scripts.measure_stability as script, torch; torch.zeros(1).sum()"
STARTS = {  # what is imported, and how many seconds it may take
    "a sweep to its first tensor operation": (TENSOR, 3.0),
    "a script that reduces": ("import workflow_scripts.summarise", 1.5),
    "a script that draws": ("import workflow_scripts.draw_depth", 1.5),
}
BETWEEN = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
open(sys.argv[1], "w").write(f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
sys.exit(status)
"""  # a small process: what is started has at first the memory of what starts it, which would count
NOTHING_TARGET, PLAN_TARGET, PLAN_MEMORY_TARGET = 5.0, 60.0, 2048.0


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
    with tempfile.NamedTemporaryFile() as usage:
        between = [sys.executable, "-c", BETWEEN, usage.name, *command]
        done = subprocess.run(between, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
        seconds, kibibytes = map(float, usage.read().split())
    return Cost(seconds, kibibytes / 1024, done.stdout)


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


def measure_plan(configuration: Path = ROOT / "configs/slides.yaml", shares: Iterable[float] = SHARES) -> Table:
    """A row for each share of the experiment, and how the time grows with the number of jobs."""
    whole = yaml.safe_load(configuration.read_text())
    rows, judged, jobs, times = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.yaml"
        for share in shares:
            part.write_text(yaml.safe_dump(with_fewer_seeds(whole, share)))
            number, found = plan(Path(folder), part)
            jobs.append(number)
            times.append(found.seconds)
            judged = [
                Judged("plan of the largest experiment", found.seconds, PLAN_TARGET, unit="s"),
                Judged("memory of that plan", found.memory, PLAN_MEMORY_TARGET, unit="MiB"),
            ]
            costs = (f"{found.seconds:.1f} s", judged[0].cells, f"{found.memory:.0f} MiB", judged[1].cells)
            rows.append([f"{share:g}", f"{number}", *costs])
    head = ["share of the seeds", "jobs", "processor time", "target", "", "memory", "target", ""]
    return Table(table(head, rows), judged, [Growth("the plan", "number of jobs", jobs, times)])


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


def measure_starts(repeats: int = 3) -> Table:
    """A row for each kind of job: processor time until its script has been imported, and a run with nothing to do."""
    found = {}
    for name, (statement, target) in STARTS.items():
        runs = [cost([sys.executable, "-c", statement], ROOT) for _ in range(repeats + 1)][1:]
        taken = float(np.median([run.seconds for run in runs]))
        found[name] = Judged(name, taken, target, unit="s"), runs[0].memory
    nothing = nothing_to_do("config.yaml")
    name = "`snakemake` when the default experiment is up to date"
    found[name] = Judged(name, nothing.seconds, NOTHING_TARGET, unit="s"), nothing.memory
    rows = [[name, f"{each.value:.1f} s", each.cells, f"{memory:.0f} MiB"] for name, (each, memory) in found.items()]
    judged = [each for each, _ in found.values()]
    return Table(table(["what", "processor time", "target", "", "memory"], rows), judged, [])
