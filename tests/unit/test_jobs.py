"""What every job does around its work: arguments by name, log file, progress bar."""

import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, ResourceList

from workflow_scripts.support.jobs import arguments, choose_device, log_to, memory_for_batches, progress, run


def make_job(**changes: Any) -> SimpleNamespace:
    """What Snakemake hands to a script, made of Snakemake's own containers."""
    job: dict[str, Any] = {
        "rule": "measure",
        "input": InputFiles(fromdict={"data": "a/data.nc", "checkpoints": ["b/0.pt", "b/1.pt"]}),
        "output": OutputFiles(fromdict={"result": "c/result.nc"}),
        "params": Params(fromdict={"code": "0123", "settings": {"images": 5}, "names": ["x", "y"]}),
        "resources": ResourceList(fromdict={"batch_mb": 750, "mem_mb": 4000}),
        "threads": 2,
        "log": Log(),
    }
    return SimpleNamespace(**{**job, **changes})


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def test_arguments_are_matched_by_name_in_any_order_and_paths_are_paths() -> None:
    def main(settings, result: Path, checkpoints: list[Path], data: Path, names: list[str]) -> None: ...

    assert arguments(main, make_job()) == {
        "settings": {"images": 5},
        "result": Path("c/result.nc"),
        "checkpoints": [Path("b/0.pt"), Path("b/1.pt")],
        "data": Path("a/data.nc"),
        "names": ["x", "y"],
    }


def test_a_list_of_one_path_stays_a_list() -> None:
    def main(checkpoints: list[Path]) -> None: ...

    job = make_job(input=InputFiles(fromdict={"checkpoints": ["b/0.pt"]}), output=OutputFiles(), params=Params())
    assert arguments(main, job) == {"checkpoints": [Path("b/0.pt")]}


def test_threads_memory_and_device_are_given_where_asked_for() -> None:
    def main(data, checkpoints, result, settings, names, code: str, threads: int, memory_mb: int, device: str) -> None: ...

    found = arguments(main, make_job())
    assert {name: found[name] for name in ("code", "threads", "memory_mb", "device")} == {
        "code": "0123", "threads": 2, "memory_mb": 750, "device": "cpu"}  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "device"),
    [({}, "cpu"), ({"gpu": 0}, "cpu"), ({"gpu": 1}, "cuda"), ({"gpu": 0, "gres": "gpu:1"}, "cuda"), ({"gres": "tmp:1"}, "cpu")],
)
def test_device_is_a_gpu_where_the_job_was_given_one(
    resources: dict[str, Any], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_device(ResourceList(fromdict=resources)) == device
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert choose_device(ResourceList(fromdict=resources)) == "cpu"


def test_memory_has_a_default() -> None:
    def main(memory_mb: int) -> None: ...

    job = make_job(input=InputFiles(), output=OutputFiles(), params=Params(), resources=ResourceList())
    assert arguments(main, job) == {"memory_mb": 2000}


def test_memory_on_a_gpu_is_most_of_what_is_free_there(monkeypatch: pytest.MonkeyPatch) -> None:
    resources = ResourceList(fromdict={"batch_mb": 750})
    assert memory_for_batches(resources, "cpu") == 750
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (10 * 2**30, 80 * 2**30))
    assert memory_for_batches(resources, "cuda") == 7168
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (70 * 2**30, 80 * 2**30))
    assert memory_for_batches(resources, "cuda") == 16384


def test_a_script_on_a_gpu_is_given_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(device: str, memory_mb: int) -> None: ...

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (2**30, 80 * 2**30))
    resources = ResourceList(fromdict={"gpu": 1, "batch_mb": 750})
    job = make_job(input=InputFiles(), output=OutputFiles(), params=Params(), resources=resources)
    assert arguments(main, job) == {"device": "cuda", "memory_mb": 716}


@pytest.mark.parametrize("unused", ["data", "checkpoints", "result", "settings"])
def test_a_named_item_that_the_script_does_not_take_is_refused(unused: str) -> None:
    names = [name for name in ("data", "checkpoints", "result", "settings", "names") if name != unused]
    main = eval(f"lambda {', '.join(names)}: None")
    with pytest.raises(TypeError, match=rf"^rule measure passes \['{unused}'\], which its script does not take$"):
        arguments(main, make_job())


def test_a_parameter_that_the_job_does_not_offer_is_refused() -> None:
    def main(data, checkpoints, result, settings, names, calibration: Path) -> None: ...

    with pytest.raises(TypeError, match=r"^rule measure does not pass \['calibration'\], which its script needs$"):
        arguments(main, make_job())


def empty_job(log: Path) -> SimpleNamespace:
    return make_job(input=InputFiles(), output=OutputFiles(), params=Params(), log=[str(log)])


def test_run_puts_messages_warnings_and_the_traceback_in_the_log(tmp_path: Path) -> None:
    def main() -> None:
        logging.getLogger("library").info("halfway")
        warnings.warn("careful", stacklevel=1)
        raise ArithmeticError("loss is NaN in run fc2, epoch 3")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with pytest.raises(ArithmeticError):
            run(main, empty_job(tmp_path / "job.log"))
    text = (tmp_path / "job.log").read_text()
    for expected in ("INFO library: halfway", "careful", "measure failed", "Traceback (most recent call last)", "in main"):
        assert expected in text
    assert "ArithmeticError: loss is NaN in run fc2, epoch 3" in text


def test_a_new_attempt_starts_a_new_log(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("old failure\n")
    run(lambda: None, empty_job(log))
    assert "old failure" not in log.read_text()
    assert "measure finished" in log.read_text()


def test_without_a_log_file_messages_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log_to(None)
    logging.getLogger("library").info("here")
    assert "INFO library: here" in capsys.readouterr().err


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stream)
    assert list(progress(range(3), desc="epochs", file=stream)) == [0, 1, 2]
    assert ("epochs: 100%" in stream.getvalue()) == terminal
    assert bool(stream.getvalue()) == terminal
