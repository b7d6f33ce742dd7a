"""Trainings in processes of their own, killed (SIGKILL) at chosen instants and run again."""

import logging
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from workflow_scripts import initialise_network, train_network
from workflow_scripts.diffeo.training import Trainer, TrainingDiverged
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.checkpoints import load_checkpoint, load_network
from workflow_scripts.support.netcdf import read_dataset, write_dataset

RUN = {"dataset": "toy", "network": "lenet_narrow", "recipe": "short", "train_size": 60, "seed": 1}
NETWORK = {"architecture": "lenet", "width": 0.5}
RECIPE: dict[str, Any] = {
    "epochs": 4,
    "kept_epochs": [0, 1, 3, 4],
    "optimizer": "adamw",
    "learning_rate": 0.002,
    "momentum": 0.9,
    "weight_decay": 0.01,
    "schedule": "one_cycle",
    "batch_size": 16,
    "loss": "cross_entropy",
    "crop_padding": 1,
    "horizontal_flip": True,
}
OUTPUTS = ["best.pt", "epoch0001.pt", "epoch0003.pt", "epoch0004.pt"]


def write_data(path: Path) -> None:
    """Images of 16 pixels in the format of results/data: 80 to train, 30 to validate, 40 to test; two kinds of stripes."""
    generator = np.random.default_rng(0)
    split = np.repeat(np.array([0, 1, 2], np.int8), [80, 30, 40])
    label = generator.integers(0, 2, len(split)).astype(np.int16)
    stripes = 60 * (np.indices((16, 16)) // 2 % 2)
    images = (stripes[label][:, None] + generator.integers(0, 190, (len(split), 1, 16, 16))).astype(np.uint8)
    constants = {
        name: variable(("dataset", "channel"), [[value]], name) for name, value in (("mean", 0.49), ("standard_deviation", 0.24))
    }
    contents = {
        "images": variable(("image", "channel", "row", "column"), images, "images"),
        "label": variable(("image",), label, "label"),
        "split": variable(("image",), split, "split"),
        "source_index": variable(("image",), np.arange(len(split), dtype=np.int32), "position"),
    }
    dataset = xr.Dataset({**contents, **constants}, coords={"dataset": ["toy"]})
    write_dataset(dataset, path, title="toy", configuration={}, dataset="toy", classes=2)


@pytest.fixture(scope="module", autouse=True)
def torch_settings() -> Iterator[None]:
    """Undo what a job sets for its whole process."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data file and an initialisation."""
    folder = tmp_path_factory.mktemp("source")
    write_data(folder / "data.nc")
    initialise_network.main(folder / "data.nc", folder / "checkpoints" / "epoch0000.pt", RUN, NETWORK)
    return folder


@pytest.fixture
def folder(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "run"))


@pytest.fixture(scope="module")
def uninterrupted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(source, tmp_path_factory.mktemp("uninterrupted") / "run"))
    train(folder)
    return folder


def train(folder: Path, *, code: str = "a", **changes: Any) -> None:
    recipe = RECIPE | changes
    kept = [folder / "checkpoints" / f"epoch{epoch:04d}.pt" for epoch in recipe["kept_epochs"] if epoch > 0]
    train_network.main(
        data=folder / "data.nc",
        initial=folder / "checkpoints" / "epoch0000.pt",
        training=folder / "training.nc",
        checkpoints=kept,
        best=folder / "checkpoints" / "best.pt",
        labels=RUN,
        network=NETWORK,
        recipe=recipe,
        code=code,
        device="cpu",
        threads=1,
    )


def train_until_killed(folder: Path, function: str, call: int) -> None:
    """Train, but die of SIGKILL at the start of the given call (1, 2, ...) of a function (module.function, or Trainer.method)."""
    owner_name, name = function.split(".")
    owner = {"Trainer": Trainer, "os": os, "shutil": shutil}[owner_name]
    original, calls = getattr(owner, name), 0

    def deadly(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(owner, name, deadly)
    train(folder)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that start from a clean one in which torch is imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["netCDF4", "torch._dynamo", train_network.__name__])
    return context


def kill(processes: ForkServerContext, folder: Path, function: str, call: int) -> None:
    process = processes.Process(target=train_until_killed, args=(folder, function, call))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def delete_outputs(folder: Path) -> None:
    """What Snakemake does after a job that failed."""
    for path in [folder / "training.nc", *(folder / "checkpoints" / name for name in OUTPUTS)]:
        path.unlink(missing_ok=True)


def assert_identical(folder: Path, expected: Path) -> None:
    names = sorted(os.listdir(expected / "checkpoints"))
    assert sorted(os.listdir(folder / "checkpoints")) == names == [OUTPUTS[0], "epoch0000.pt", *OUTPUTS[1:]]
    for name in names:
        assert (folder / "checkpoints" / name).read_bytes() == (expected / "checkpoints" / name).read_bytes(), name
    xr.testing.assert_equal(read_dataset(folder / "training.nc"), read_dataset(expected / "training.nc"))


# Renames: after each epoch its checkpoint, if kept (1, 3, 4), and the state, 7 in all; then 3 checkpoints, best.pt, training.nc.
@pytest.mark.parametrize(
    ("function", "call", "resumed_after", "outputs"),
    [
        ("Trainer.step", 2, 0, "deleted"),
        ("Trainer.step", 7, 1, "deleted"),
        ("Trainer.evaluate", 8, 1, "deleted"),
        *(("os.replace", call, after, "deleted") for call, after in enumerate([0, 0, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4], 1)),
        ("os.replace", 9, 4, "left"),
        ("os.replace", 12, 4, "left"),
        ("shutil.copyfile", 2, 4, "left"),
        ("shutil.rmtree", 1, 0, "deleted"),
    ],
)
def test_killed_and_resumed_ends_bit_identical(
    folder: Path,
    uninterrupted: Path,
    processes: ForkServerContext,
    caplog: pytest.LogCaptureFixture,
    function: str,
    call: int,
    resumed_after: int,
    outputs: str,
) -> None:
    kill(processes, folder, function, call)
    if outputs == "deleted":
        delete_outputs(folder)
    with caplog.at_level(logging.INFO):
        train(folder)
    assert ("continuing" in caplog.text) == (resumed_after > 0)
    assert not resumed_after or f"after epoch {resumed_after}" in caplog.text
    assert_identical(folder, uninterrupted)


def test_killed_again_and_again(folder: Path, uninterrupted: Path, processes: ForkServerContext) -> None:
    for call in (6, 6, 6):
        kill(processes, folder, "Trainer.step", call)
        delete_outputs(folder)
    train(folder)
    assert_identical(folder, uninterrupted)


@pytest.mark.parametrize("damage", ["state", "truncated state", "checkpoint", "no checkpoint"])
def test_a_state_that_cannot_be_used_is_discarded(
    folder: Path, uninterrupted: Path, processes: ForkServerContext, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    kill(processes, folder, "Trainer.step", 10)
    damaged = folder / "checkpoints" / ".resume" / ("state.pt" if "state" in damage else "epoch0001.pt")
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content[:-50] if "truncated" in damage else content)
    if damage == "no checkpoint":
        damaged.unlink()
    train(folder)
    assert "discarding the resume state" in caplog.text and "continuing" not in caplog.text
    assert_identical(folder, uninterrupted)


@pytest.mark.parametrize("change", ["code", "recipe", "data", "initial"])
def test_a_state_of_another_training_is_discarded(
    folder: Path, processes: ForkServerContext, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    kill(processes, folder, "Trainer.step", 10)
    if change == "data":
        data = read_dataset(folder / "data.nc")
        data["mean"] = data["mean"] + 0.01
        write_dataset(data.drop_attrs(deep=False), folder / "data.nc", title="t", configuration={}, dataset="toy", classes=2)
    if change == "initial":
        initialise_network.main(folder / "data.nc", folder / "checkpoints" / "epoch0000.pt", RUN | {"seed": 2}, NETWORK)
    train(folder, code="b" if change == "code" else "a", **({"weight_decay": 0.02} if change == "recipe" else {}))
    assert "it belongs to another" in caplog.text and "continuing" not in caplog.text


def test_outputs(uninterrupted: Path) -> None:
    history = read_dataset(uninterrupted / "training.nc")
    assert history.loss.dims == history.error.dims == ("dataset", "network", "recipe", "train_size", "seed", "epoch", "split")
    assert history.split.values.tolist() == ["test", "train", "validation"]
    assert [history[name].item() for name in RUN] == list(RUN.values())
    history = history.squeeze()
    assert history.epoch.values.tolist() == [0, 1, 2, 3, 4] and history.kept.values.tolist() == [1, 1, 0, 1, 1]
    assert np.isfinite(history.loss).all() and (history.error >= 0).all() and (history.error <= 1).all()
    assert np.isnan(history.learning_rate[0]) and 0 < history.learning_rate[4] < 0.001 < history.learning_rate[1]
    validation = history.error.sel(split="validation").values[1:]
    assert history.best_epoch.item() == 1 + int(np.flatnonzero(validation == validation.min())[0])
    assert load_checkpoint(uninterrupted / "checkpoints" / "best.pt")["epoch"] == history.best_epoch.item()
    assert history.error.sel(split="train", epoch=4) < history.error.sel(split="train", epoch=0)


def test_checkpoints_hold_the_networks_that_the_history_tells_of(uninterrupted: Path) -> None:
    history = read_dataset(uninterrupted / "training.nc").squeeze()
    data = read_dataset(uninterrupted / "data.nc")
    chosen = data.split.values == 2
    images = torch.from_numpy((data.images.values[chosen] / 255 - 0.49) / 0.24).float()
    for epoch in (0, 1, 3, 4):
        network, content = load_network(uninterrupted / "checkpoints" / f"epoch{epoch:04d}.pt")
        assert (content["epoch"], content["run"], content["network"]) == (epoch, RUN, NETWORK)
        wrong = network.eval()(images).argmax(1).numpy() != data.label.values[chosen]
        assert wrong.mean() == history.error.sel(epoch=epoch, split="test")


def test_best_is_the_earliest_of_equals_after_the_initialisation() -> None:
    history = [{"error_validation": error} for error in (0.1, 0.5, 0.3, 0.3, 0.4)]
    assert train_network.best_epoch(history) == 2


def test_a_loss_that_is_no_number_names_run_and_epoch(folder: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"toy/lenet_narrow/short/60/1 diverged: the loss is \S+ in epoch 1"):
        train(folder, optimizer="sgd", learning_rate=1e30, schedule="constant")
    assert not any((folder / "checkpoints" / name).exists() for name in OUTPUTS)


def test_too_large_a_train_size_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUN, "train_size", 81)
    with pytest.raises(ValueError, match=r"81 train images are asked for, but .*data.nc has 80"):
        train(folder)
