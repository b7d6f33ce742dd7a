"""The benchmarks run, at a size that takes no time; what they measure is in docs/benchmarks.md."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import neuron_stability, receptive_fields, sweep, workflow


def test_table_of_the_sweep_has_a_ratio_for_every_network_observer_and_perturbation() -> None:
    head, rule, *rows = sweep.table(sizes=((0.0625, 4),), repeats=1)
    assert head.count("|") == rule.count("|") == rows[0].count("|") == 3 + len(sweep.perturbations(torch.zeros(2, 3, 32, 32)))
    assert len(rows) == 2
    ratios = [float(cell) for row in rows for cell in row.split("|")[3:-1]]
    assert min(ratios) > 0.1


def test_ratio_is_the_median_after_a_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(sweep.time, "perf_counter", lambda: clock[0])
    durations = iter([50.0, 1.0, 3.0, 1.0, 2.0, 1.0, 10.0, 2.0])

    def work() -> None:
        clock[0] += next(durations)

    assert sweep.ratio(work, work, repeats=3) == 3.0


def test_table_of_receptive_fields_shows_equal_profiles_and_how_much_faster_they_are() -> None:
    head, rule, *rows = receptive_fields.table(repeats=1, width=0.0625)
    assert head.count("|") == rule.count("|") == 4
    assert len(rows) == 2
    for row in rows:
        ratio, difference = map(float, row.split("|")[2:-1])
        assert ratio > 0.1
        assert difference < 1e-6


def test_table_of_neurons_shows_equal_numbers_and_how_much_faster_they_are() -> None:
    head, rule, *rows = neuron_stability.table(width=0.0625, patches=3, neurons=1)
    assert head.count("|") == rule.count("|") == 4
    assert len(rows) == 2
    for row in rows:
        ratio, difference = map(float, row.split("|")[2:-1])
        assert ratio > 0.1
        assert difference < 1e-5


def test_profiles_of_other_operations_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        receptive_fields.largest_difference({0: torch.zeros(1)}, {1: torch.zeros(1)})


def test_table_of_the_plan_counts_jobs_and_costs() -> None:
    head, rule, row, _, growth = workflow.plan_table(workflow.ROOT / "configs/smoke.yaml", shares=(1.0,))
    assert head.count("|") == rule.count("|") == 5
    share, jobs, seconds, memory = (cell.split()[0] for cell in row.split("|")[1:-1])
    assert (share, 100 < int(jobs) < 200) == ("1", True)
    assert float(seconds) > 0.5
    assert float(memory) > 50
    assert "power nan" in growth  # of one size


def test_fewer_seeds_leave_one_at_least() -> None:
    found = workflow.with_fewer_seeds({"runs": [{"seeds": [0, 1, 2, 3]}, {"seeds": [5]}], "probe": {}}, 0.5)
    assert found == {"runs": [{"seeds": [0, 1]}, {"seeds": [5]}], "probe": {}}


def test_results_that_are_up_to_date_leave_nothing_to_do() -> None:
    assert workflow.nothing_to_do("configs/smoke.yaml").seconds > 0.5


def test_a_command_that_fails_has_no_cost(tmp_path: Path) -> None:
    assert workflow.cost([sys.executable, "-c", "print(5)"], tmp_path).printed == "5\n"
    with pytest.raises(subprocess.CalledProcessError):
        workflow.cost([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
