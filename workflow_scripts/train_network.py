"""Train a network: its checkpoints, the best of them, and losses and errors by epoch. Killed at any instant, it resumes."""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from workflow_scripts.diffeo.training import ImageSet, Recipe, Trainer
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.atomic import atomic_path
from workflow_scripts.support.checkpoints import (
    CheckpointError,
    checkpoint_content,
    load_checkpoint,
    load_network,
    save_checkpoint,
)
from workflow_scripts.support.images import load_images
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import with_run_dimensions, write_dataset
from workflow_scripts.support.tensors import prepare_torch

SPLITS = ("test", "train", "validation")
logger = logging.getLogger(__name__)


def main(
    data: Path,
    initial: Path,
    training: Path,
    checkpoints: list[Path],
    best: Path,
    labels: dict[str, Any],
    network: dict[str, Any],
    recipe: dict[str, Any],
    code: str,
    device: str,
    threads: int,
) -> None:
    """Train from the checkpoint `initial`; keep the epochs that the names of `checkpoints` (epochNNNN.pt) say.

    `labels` names the run, `network` and `recipe` are blocks of the configuration, `code` is the digest of the source code.
    """
    prepare_torch(threads, device)
    name = "/".join(map(str, labels.values()))
    images = image_sets(data, labels["train_size"], device)
    model, start = load_network(initial)
    plan = Recipe(**{key: value for key, value in recipe.items() if key != "kept_epochs"})
    trainer = Trainer(model.to(device), plan, images["train"], seed=labels["seed"], run=name)
    identity = {"run": labels, "network": network, "recipe": recipe, "code": code, "torch": torch.__version__}
    key = digest_of(identity, images, initial)
    resume = Resume(best.parent / ".resume", {file_epoch(path): path for path in checkpoints})
    state = resume.load(key)
    if state is None:
        state = {"key": key, "epoch": 0, "history": [record(trainer, images, 0, float("nan"))]}
    else:
        trainer.load_state_dict(state["trainer"])
        logger.info("continuing %s after epoch %d", name, state["epoch"])
    for epoch in progress(range(state["epoch"] + 1, plan.epochs + 1), desc=name, unit="epoch"):
        learning_rate = trainer.train_epoch(epoch)
        state["history"].append(record(trainer, images, epoch, learning_rate))
        content = checkpoint_content(trainer.network, start, epoch)
        if best_epoch(state["history"]) == epoch:
            state["best"] = content
        state |= {"epoch": epoch, "trainer": trainer.state_dict()}
        resume.save(state, content)
    resume.publish()
    save_checkpoint(best, state["best"])
    save_history(training, state["history"], [0, *resume.kept], run=labels, network=network, recipe=recipe, device=device)
    resume.remove()


def image_sets(data: Path, train_size: int, device: str) -> dict[str, ImageSet]:
    """Put every split (of the training part its first `train_size` images) on the device."""
    stored = load_images(data, {split: train_size if split == "train" else None for split in SPLITS})
    constants = [constant.astype(np.float32) for constant in (stored.mean, stored.standard_deviation)]
    return {
        split: ImageSet(
            *(torch.from_numpy(array).to(device) for array in (stored.images[split], stored.labels[split], *constants))
        )
        for split in SPLITS
    }


def file_epoch(path: Path) -> int:
    """Epoch of a checkpoint called epochNNNN.pt."""
    return int(path.stem.removeprefix("epoch"))


def digest_of(identity: Mapping[str, Any], images: Mapping[str, ImageSet], initial: Path) -> str:
    """Digest of all that a training is a function of: what it is called and told, its images, its initial weights."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    digest.update(initial.read_bytes())
    for split in SPLITS:
        for tensor in vars(images[split]).values():
            digest.update(f"{split} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy())
    return digest.hexdigest()


def record(trainer: Trainer, images: Mapping[str, ImageSet], epoch: int, learning_rate: float) -> dict[str, float]:
    """Evaluate all splits, of the training images as many as there are test images; one flat dictionary of numbers."""
    found = {"learning_rate": learning_rate}
    for split in SPLITS:
        part = images[split].first(len(images["test"])) if split == "train" else images[split]
        found[f"loss_{split}"], found[f"error_{split}"] = trainer.evaluate(part, epoch)
    return found


def best_epoch(history: list[dict[str, float]]) -> int:
    """Epoch after the initialisation with the lowest validation error, the earliest of equals."""
    return min(range(1, len(history)), key=lambda epoch: history[epoch]["error_validation"])


class Resume:
    """The hidden folder of a training under way: its state after the last epoch, and the checkpoints kept so far.

    Snakemake deletes the declared outputs of a job that fails, and knows nothing of this folder. Outputs are copied out of
    it, never moved, and the state goes first when it is removed: at any instant it is complete or void.
    """

    def __init__(self, folder: Path, kept: Mapping[int, Path]) -> None:
        """`kept` maps the epochs to keep to where their checkpoints belong in the end."""
        self.folder, self.kept, self.state = folder, dict(sorted(kept.items())), folder / "state.pt"

    def load(self, key: str) -> dict[str, Any] | None:
        """Return the state of the training that `key` identifies; None if there is none, or none that can be used."""
        try:
            return self.read(key) if self.state.exists() else None
        except CheckpointError as error:
            logger.warning("discarding the resume state in %s: %s", self.folder, error)
            self.remove()
            return None

    def read(self, key: str) -> dict[str, Any]:
        """Read the state and check it; raises CheckpointError if it, or a checkpoint it counts on, cannot be used."""
        state = load_checkpoint(self.state)
        if state.get("key") != key:
            raise CheckpointError("it belongs to another recipe, network, data set, initialisation, code or torch")
        for epoch in self.kept:
            if epoch <= state["epoch"]:
                load_checkpoint(self.checkpoint(epoch))
        return state

    def checkpoint(self, epoch: int) -> Path:
        """Where the checkpoint of a kept epoch waits for the end."""
        return self.folder / self.kept[epoch].name

    def save(self, state: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        """Write the checkpoint of the epoch, if kept, and then the state that counts on it."""
        if state["epoch"] in self.kept:
            save_checkpoint(self.checkpoint(state["epoch"]), content)
        save_checkpoint(self.state, state)

    def publish(self) -> None:
        """Copy the kept checkpoints to where they belong."""
        for epoch, path in self.kept.items():
            with atomic_path(path) as partial:
                shutil.copyfile(self.checkpoint(epoch), partial)

    def remove(self) -> None:
        """Remove the folder."""
        self.state.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def save_history(
    path: Path,
    history: list[dict[str, float]],
    kept: list[int],
    *,
    run: dict[str, Any],
    network: dict[str, Any],
    recipe: dict[str, Any],
    device: str,
) -> None:
    """Write `training.nc`."""
    write_dataset(
        with_run_dimensions(as_dataset(history, kept), run),
        path,
        title=f"Training of {run['network']} on {run['dataset']}",
        configuration={"run": run, "network": network, "recipe": recipe},
        device=device,
        seed=run["seed"],
    )


def as_dataset(history: list[dict[str, float]], kept: list[int]) -> xr.Dataset:
    """Loss, error and learning rate by epoch, the best epoch, and which epochs have a checkpoint."""
    epochs = np.arange(len(history), dtype=np.int32)

    def by_split(quantity: str) -> np.ndarray:
        return np.array([[row[f"{quantity}_{split}"] for split in SPLITS] for row in history])

    note = "in eval mode after the epoch; train: the first images of the training set, at most as many as test has"
    dims = ("epoch", "split")
    rates = np.array([row["learning_rate"] for row in history])
    return xr.Dataset(
        {
            "loss": variable(dims, by_split("loss"), "mean training loss function", comment=note),
            "error": variable(dims, by_split("error"), "fraction of misclassified images", comment=note),
            "learning_rate": variable(("epoch",), rates, "learning rate of the last step of the epoch"),
            "best_epoch": variable((), np.int32(best_epoch(history)), "epoch of lowest validation error, the earliest of equals"),
            "kept": variable(("epoch",), np.isin(epochs, kept).astype(np.int8), "whether the epoch's checkpoint is kept"),
        },
        coords={
            "epoch": ("epoch", epochs, {"long_name": "epoch; 0 is the initialisation", "units": "1"}),
            "split": ("split", list(SPLITS), {"long_name": "part of the data set"}),
        },
    )


if "snakemake" in globals():
    run(main, globals()["snakemake"])
