"""The benchmarks run, at a size that takes no time; what they measure is in docs/benchmarks.md."""

import pytest
import torch

from benchmarks import receptive_fields, sweep


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


def test_profiles_of_other_operations_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        receptive_fields.largest_difference({0: torch.zeros(1)}, {1: torch.zeros(1)})
