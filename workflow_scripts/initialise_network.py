"""Make a network at initialisation: the checkpoint of epoch 0."""

from pathlib import Path
from typing import Any

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.images import load_classes, load_split
from workflow_scripts.support.jobs import run


def main(data: Path, checkpoint: Path, labels: dict[str, Any], network: dict[str, Any]) -> None:
    """Draw the weights of `network` (its block of the configuration) for the images of `data` and the seed in `labels`."""
    images, _ = load_split(data, "train", 1)
    channels, height, width = images.shape[1:]
    shape, classes = (channels, height, width), load_classes(data)
    built = build_network(network, input_shape=shape, classes=classes, seed=labels["seed"])
    described = {"network": network, "input_shape": shape, "classes": classes, "run": labels}
    save_checkpoint(checkpoint, checkpoint_content(built, described, epoch=0))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
