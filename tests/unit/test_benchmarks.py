"""The benchmarks run, at a size that takes no time; what they measure is in docs/benchmarks.md."""

import pytest
import torch

from benchmarks import sweep


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
