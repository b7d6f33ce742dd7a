"""The benchmarks run, at a size that takes no time; what they measure is in docs/benchmarks.md."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import deformation, files, neuron_stability, page, plot, receptive_fields, sweep, timing, training, workflow
from benchmarks.sweep_memory import Peak
from benchmarks.timing import Growth, Judged, Table
from workflow_scripts.diffeo import interpolation as interpolation_module
from workflow_scripts.diffeo.interpolation import INTERPOLATIONS
from workflow_scripts.diffeo.training import draw_epoch
from workflow_scripts.support.netcdf import read_dataset


def cells_of(table: Table) -> list[list[str]]:
    """The cells of each row; every row has as many as the head."""
    head, rule, *rows = table.lines
    assert {line.count("|") for line in (rule, *rows)} == {head.count("|")}
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]


def test_ratio_is_the_median_after_a_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    durations = iter([50.0, 1.0, 3.0, 1.0, 2.0, 1.0, 10.0, 2.0])

    def work() -> None:
        clock[0] += next(durations)

    assert timing.ratio(work, work, repeats=3) == (3.0, 3.0, 1.0)


def test_time_of_a_short_call_is_that_of_the_calls_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    durations = iter([0.1, 0.02, 0.03, 0.04])

    def work() -> None:
        clock[0] += next(durations)

    assert timing.settled_seconds(work) == pytest.approx(0.03)
    assert next(durations, None) is None  # three calls fill as much time as it takes to settle


def test_growth_takes_all_sizes_in_turn_and_the_median_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    durations = {1: iter([50.0, 1.0, 2.0, 9.0]), 4: iter([70.0, 4.0, 20.0, 16.0])}
    order = []

    def prepare(size: int) -> Callable[[], None]:
        def work() -> None:
            order.append(size)
            clock[0] += next(durations[size])

        return work

    found = timing.growth("work", "size", (1, 4), prepare, repeats=3)
    assert order == [1, 4] * 4
    assert found.seconds == [2.0, 16.0]
    assert found.exponent == pytest.approx(1.5)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.5])
def test_exponent_of_an_exact_power_law(exponent: float) -> None:
    sizes = (1, 3, 10, 20)
    found = Growth("work", "size", sizes, [0.2 * size**exponent for size in sizes])
    assert found.exponent == pytest.approx(exponent, abs=1e-12)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    assert f"as the size (1 to 20) to the power {exponent:.2f} ± 0.00" in found.sentence


def test_standard_error_of_an_exponent_is_that_of_the_least_squares() -> None:
    sizes, seconds = (1, 2, 4, 8, 16), (1.0, 2.5, 3.0, 9.0, 15.0)
    found = Growth("work", "size", sizes, seconds)
    (exponent, _), covariance = np.polyfit(np.log(sizes), np.log(seconds), 1, cov=True)
    assert (found.exponent, found.standard_error) == pytest.approx((exponent, covariance[0, 0] ** 0.5), rel=1e-10)
    assert np.isnan(Growth("work", "size", (1,), (1.0,)).exponent)
    assert np.isnan(Growth("work", "size", (1, 2), (1.0, 2.0)).standard_error)


def test_verdict_says_by_how_much_a_target_is_missed() -> None:
    assert Judged("at most", 1.05, 1.05).cells == "≤ 1.05 | met"
    assert Judged("at most", 3.3, 3, unit="s").cells == "≤ 3 s | **missed by 10.0 %**"
    assert Judged("at least", 10.0, 10, at_least=True).cells == "≥ 10 | met"
    assert Judged("at least", 8.0, 10, at_least=True).cells == "≥ 10 | **missed by 20.0 %**"


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_deformations_image_by_image_are_those_of_the_batch(interpolation: str) -> None:
    images = deformation.some_images(3, 17, torch.float64)
    tolerance = 1e-7 if interpolation == "gaussian" else 1e-10  # its weights beyond three pixels are left out
    assert deformation.largest_difference(images, interpolation) < tolerance
    moved = deformation.deform_one_by_one(images, interpolation) - images.cpu()
    assert moved[:, :, 1:-1].abs().amax(dim=(1, 2, 3)).min() > 0.1  # every image is deformed


def test_gaussian_weights_of_the_batch_differ_by_those_beyond_its_window_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    images = deformation.some_images(2, 9, torch.float64)
    monkeypatch.setattr(interpolation_module, "GAUSSIAN_TAPS", range(-9, 10))
    assert deformation.largest_difference(images, "gaussian") < 1e-12


def test_table_of_deformations_has_every_interpolation() -> None:
    found = deformation.measure(images=4, repeats=1, counts=(2, 4), sides=(8, 16))
    rows = cells_of(found)
    assert [row[0] for row in rows] == list(INTERPOLATIONS)
    assert all(float(row[1]) > 1 and float(row[-1]) < 1e-4 for row in rows)
    assert [(each.target, each.at_least) for each in found.judged] == [(10, True), (100, True)]
    assert len(found.growths) == 4


def test_table_of_the_sweep_has_a_ratio_for_every_network_observer_and_perturbation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "TARGETS", {(0.0625, False): 1e-9, (0.0625, True): 1e9})
    found = sweep.measure(sizes=((0.0625, 4),), repeats=1)
    rows = cells_of(found)
    assert [row[1] for row in rows] == ["outputs", "every operation"]
    assert min(float(cell) for row in rows for cell in row[2:7]) > 0.1
    assert [each.met for each in found.judged] == [False] * 5 + [True] * 5
    assert [row[-2] for row in rows] == ["≤ 1e-09", "≤ 1e+09"]
    assert rows[0][-1].startswith("noise **missed by ") and rows[0][-1].count("; ") == 4
    assert rows[1][-1] == "met"


def test_table_of_sizes_has_time_and_memory_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {"strengths": 1024, "layers": 3000}
    monkeypatch.setattr(
        sweep, "peak", lambda every_operation, **size: Peak(0, sum(memory[what] * number for what, number in size.items()))
    )
    found = sweep.measure_series({"strengths": (1, 2, 3), "layers": (11, 13)}, images=2, repeats=1)
    rows = cells_of(found)
    assert [row[0] for row in rows] == ["strengths: 1", "strengths: 2", "strengths: 3", "layers: 11", "layers: 13"]
    assert [row[3:5] for row in rows[:3]] == [["1", "1"], ["2", "2"], ["3", "3"]]
    assert rows[1][5:] == ["2.000", "≤ 1.05", "**missed by 90.5 %**"]
    assert [(each.value, each.met) for each in found.judged] == [(3.0, False)]
    assert [growth.size for growth in found.growths] == ["number of strengths"]


def test_bare_loop_does_to_a_network_what_the_trainer_does() -> None:
    images = training.some_images(40)
    ours, bare = (training.trainer_of({"architecture": "lenet"}, images, batch_size=40) for _ in range(2))
    order = draw_epoch(40, ours.recipe, training.SEED, 1, images.images.device).order
    batch = images.network_input(images.images[order]), images.labels[order]
    before = {name: value.clone() for name, value in ours.network.state_dict().items()}
    ours.train_epoch(1)
    training.bare_epoch(bare, [batch], lambda: None)
    assert all(torch.equal(value, before[name]) for name, value in bare.network.state_dict().items())
    training.bare_epoch(bare, [batch], bare.optimizer.step)
    assert all(torch.equal(value, ours.network.state_dict()[name]) for name, value in bare.network.state_dict().items())


def test_table_of_training_has_every_network(monkeypatch: pytest.MonkeyPatch) -> None:
    small = dict(list(training.NETWORKS.items())[:2])
    monkeypatch.setattr(training, "NETWORKS", small)
    found = training.measure(repeats=1, share=0.02, images=(64, 128), batch_sizes=(8, 16))
    assert [row[0] for row in cells_of(found)] == list(small)
    assert all(each.value > 0.1 and each.target == 1.05 for each in found.judged)
    assert len(found.growths) == 2


def test_table_of_files_has_both_ways_and_sizes(tmp_path: Path) -> None:
    rows = cells_of(files.measure(samples=(20, 40), repeats=1))
    assert [row[0] for row in rows] == ["writing", "reading"]
    assert all(float(row[1]) > 0.1 for row in rows)
    dataset = files.stability_file(20)
    files.write(dataset, tmp_path / "file.nc")
    assert read_dataset(tmp_path / "file.nc").equals(dataset)


def test_table_of_receptive_fields_shows_equal_profiles_and_how_much_faster_they_are() -> None:
    found = receptive_fields.measure(repeats=1, width=0.0625, sides=(32,))
    rows = cells_of(found)
    assert len(rows) == len(found.judged) == 2
    assert all(float(row[1]) > 0.1 and row[2] == "≥ 20" and float(row[-1]) < 1e-6 for row in rows)


def test_table_of_neurons_shows_equal_numbers_and_how_much_faster_they_are() -> None:
    found = neuron_stability.measure(width=0.0625, patches=3, neurons=1, numbers=(2,), repeats=1)
    rows = cells_of(found)
    assert [row[2] for row in rows] == ["≥ 100", "—"]
    assert all(float(row[1]) > 0.1 and float(row[-1]) < 1e-5 for row in rows)


def test_picture_fills_the_marks_of_targets_that_are_met() -> None:
    judged = [Judged("fast", 20.0, 10, at_least=True), Judged("slow", 1.5, 1.2), Judged("start", 2.0, 3, unit="s")]
    figure = plot.draw(judged, [Growth("work", "size", (2, 4, 8), (1.0, 2.0, 4.0))])
    reached, right, exceeded = figure.axes
    for axes, name, value, filled in ((reached, "fast (≥ 10)", 20.0, True), (exceeded, "slow (≤ 1.2)", 1.5, False)):
        assert [label.get_text() for label in axes.get_yticklabels()] == [name]
        (mark,) = (line for line in axes.lines if line.get_marker() == "o")
        assert mark.get_xdata()[0] == value
        assert (mark.get_markerfacecolor() != "white") is filled
    assert right.lines[0].get_xdata().tolist() == right.lines[0].get_ydata().tolist() == [1, 2, 4]
    assert "1.00 ± 0.00" in right.lines[0].get_label()


def test_page_shows_the_picture_and_says_first_what_is_missed(tmp_path: Path) -> None:
    made = Table(
        ["| a |"],
        [Judged("slow", 1.5, 1.2), Judged("fast", 9, 5, at_least=True)],
        [Growth("work", "size", (2, 4, 8), (1.0, 2.0, 4.0))],
    )
    found = page.page(tmp_path / "picture.svg", (page.Section("Title", "About.", lambda: made),))
    assert (
        "Of 2 targets 1 are met; missed:\n\n- slow: 1.5 (≤ 1.2, **missed by 25.0 %**)\n\n## Title\n\nAbout.\n\n| a |\n" in found
    )
    assert "(pictures/benchmarks.svg)" in found
    assert (tmp_path / "picture.svg").read_text().startswith("<?xml")


def test_profiles_of_other_operations_are_not_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        receptive_fields.largest_difference({0: torch.zeros(1)}, {1: torch.zeros(1)})


def test_table_of_the_plan_counts_jobs_and_costs() -> None:
    found = workflow.measure_plan(workflow.ROOT / "configs/smoke.yaml", shares=(1.0,))
    ((share, jobs, seconds, *_, memory, _, _),) = cells_of(found)
    assert (share, 100 < int(jobs) < 200) == ("1", True)
    assert float(seconds.split()[0]) > 0.5
    assert float(memory.split()[0]) > 50
    assert [each.target for each in found.judged] == [60, 2048]
    assert "power nan" in found.growths[0].sentence  # of one size


def test_fewer_seeds_leave_one_at_least() -> None:
    found = workflow.with_fewer_seeds({"runs": [{"seeds": [0, 1, 2, 3]}, {"seeds": [5]}], "probe": {}}, 0.5)
    assert found == {"runs": [{"seeds": [0, 1]}, {"seeds": [5]}], "probe": {}}


def test_results_that_are_up_to_date_leave_nothing_to_do() -> None:
    assert workflow.nothing_to_do("configs/smoke.yaml").seconds > 0.5


def test_memory_of_a_command_is_not_that_of_what_starts_it(tmp_path: Path) -> None:
    ballast = np.ones(2**26)  # half a gibibyte
    found = workflow.cost([sys.executable, "-c", "ballast = bytearray(2**27); sum(range(10**6))"], tmp_path)
    assert 128 < found.memory < 200 < ballast.nbytes / 2**20
    assert 0.01 < found.seconds < 10


def test_a_command_that_fails_has_no_cost(tmp_path: Path) -> None:
    assert workflow.cost([sys.executable, "-c", "print(5)"], tmp_path).printed == "5\n"
    with pytest.raises(subprocess.CalledProcessError):
        workflow.cost([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
