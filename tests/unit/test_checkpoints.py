import os
from pathlib import Path

import pytest
import torch

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.support.checkpoints import (
    CheckpointError,
    checkpoint_content,
    load_checkpoint,
    load_network,
    save_checkpoint,
)

SPECIFICATION = {"architecture": "vgg11_bn", "width": 0.05}
RUN = {"dataset": "d", "network": "n", "recipe": "r", "train_size": 10, "seed": 3}
DESCRIBED = {"network": SPECIFICATION, "input_shape": (3, 16, 16), "classes": 4, "run": RUN}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    network = build_network(SPECIFICATION, input_shape=(3, 16, 16), classes=4, seed=8)
    network(torch.randn(5, 3, 16, 16))
    path = tmp_path / "new" / "epoch0002.pt"
    save_checkpoint(path, checkpoint_content(network.to(memory_format=torch.channels_last), DESCRIBED, 2))
    return path


def test_a_network_comes_back_as_it_was_saved(saved: Path) -> None:
    network, content = load_network(saved)
    expected = build_network(SPECIFICATION, input_shape=(3, 16, 16), classes=4, seed=8)
    expected_weights = dict(expected.named_parameters())
    assert all(torch.equal(value, expected_weights[name]) for name, value in network.named_parameters())
    assert network.features[1].num_batches_tracked == 1
    assert content["epoch"] == 2 and content["run"] == RUN and content["network"] == SPECIFICATION
    assert content["state_dict"]["features.0.weight"].is_contiguous()
    assert os.listdir(saved.parent) == ["epoch0002.pt"]


def test_equal_contents_make_equal_bytes(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "another_name.pt"
    save_checkpoint(other, load_checkpoint(saved))
    assert load_checkpoint(other).keys() == load_checkpoint(saved).keys()
    twice = tmp_path / "twice.pt"
    save_checkpoint(twice, load_checkpoint(saved))
    assert other.read_bytes() == twice.read_bytes()


def test_the_content_is_a_copy(saved: Path) -> None:
    network, described = load_network(saved)
    content = checkpoint_content(network, described, 3)
    before = content["state_dict"]["features.0.weight"].clone()
    torch.nn.init.zeros_(network.features[0].weight)
    assert torch.equal(content["state_dict"]["features.0.weight"], before) and before.abs().sum() > 0


@pytest.mark.parametrize("damage", ["truncated", "flipped", "text", "empty"])
def test_a_damaged_file_is_named(saved: Path, damage: str) -> None:
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = {"truncated": saved.read_bytes()[:-100], "flipped": bytes(content), "text": b"not a checkpoint", "empty": b""}
    saved.write_bytes(damaged[damage])
    with pytest.raises(CheckpointError, match=r"epoch0002.pt is truncated or not a checkpoint; delete it"):
        load_network(saved)


def test_a_missing_file_and_missing_keys_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere.pt does not exist"):
        load_checkpoint(tmp_path / "nowhere.pt")
    save_checkpoint(saved, {"epoch": 1, "run": RUN})
    with pytest.raises(CheckpointError, match="lacks state_dict, network, input_shape, classes"):
        load_network(saved)


def test_weights_of_another_network_are_refused(saved: Path) -> None:
    save_checkpoint(saved, load_checkpoint(saved) | {"classes": 5})
    with pytest.raises(CheckpointError, match="do not fit"):
        load_network(saved)


def test_code_is_never_run(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"state_dict": Harmful()}, tmp_path / "harmful.pt")
    with pytest.raises(CheckpointError, match=r"harmful.pt"):
        load_checkpoint(tmp_path / "harmful.pt")
    assert not (tmp_path / "harm").exists()


def test_a_write_that_fails_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        save_checkpoint(saved, {"state_dict": lambda: None})
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]
