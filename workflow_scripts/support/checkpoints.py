"""The one writer and the one reader of checkpoints (and of the states that trainings resume from)."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.support.atomic import atomic_path

KEYS = ("state_dict", "epoch", "network", "input_shape", "classes", "run")


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged, or does not fit its network."""


def checkpoint_content(network: nn.Module, described: Mapping[str, Any], epoch: int) -> dict[str, Any]:
    """All that `load_network` needs: a copy of the weights on the CPU, the epoch, and what they belong to.

    `described` holds `network` (the specification that `build_network` takes), `input_shape`, `classes` and `run`
    (`dataset, network, recipe, train_size, seed`); the content of an earlier checkpoint will do.
    """
    weights = {name: on_cpu(value) for name, value in network.state_dict().items()}
    same = {key: described[key] for key in ("network", "input_shape", "classes", "run")}
    return {"state_dict": weights, "epoch": epoch, **same}


def on_cpu(value: Tensor) -> Tensor:
    """A copy of `value` in CPU memory, in the plain order of its dimensions."""
    return value.detach().to("cpu", copy=True).contiguous()


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values to `path`, which appears whole or not at all; equal contents make equal bytes."""
    with atomic_path(path) as partial, partial.open("wb") as file:
        torch.save(dict(content), file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, tensors in CPU memory; only tensors and plain values are ever loaded.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"{damaged} does not have its checksum")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; run snakemake to make it") from error
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is truncated or not a checkpoint; delete it and run snakemake again") from error
    return content


def load_network(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Rebuild the network of a checkpoint, in training mode on the CPU; return it and the checkpoint's content.

    Raises:
        CheckpointError: the file is missing, damaged, or its weights do not fit the network it names.
    """
    content = load_checkpoint(path)
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise CheckpointError(f"{path} is not a checkpoint of a network: it lacks {', '.join(missing)}")
    shape = tuple(content["input_shape"])
    network = build_network(content["network"], input_shape=shape, classes=content["classes"], seed=content["run"]["seed"])
    try:
        network.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise CheckpointError(f"the weights in {path} do not fit a network {content['network']}") from error
    return network, content
