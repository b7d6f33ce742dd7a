"""The benchmarks run, at a size that takes no time; what they measure is in docs/benchmarks.md."""

import time

import torch

from benchmarks import sweep


def test_table_of_the_sweep_has_a_ratio_for_every_network_observer_and_perturbation() -> None:
    head, rule, *rows = sweep.table(sizes=((0.0625, 4),), repeats=1)
    assert head.count("|") == rule.count("|") == rows[0].count("|") == 3 + len(sweep.perturbations(torch.zeros(2, 3, 32, 32)))
    assert len(rows) == 2
    ratios = [float(cell) for row in rows for cell in row.split("|")[3:-1]]
    assert min(ratios) > 0.1


def test_ratio_is_the_median_after_a_first_run() -> None:
    waits = iter([50.0, 1.0, 3.0, 1.0, 2.0, 1.0, 5.0, 1.0])

    def busy() -> None:
        end = time.perf_counter() + 0.01 * next(waits)
        while time.perf_counter() < end:
            pass

    assert 2.5 < sweep.ratio(busy, busy, repeats=3) < 3.5
