"""Make a network at initialisation: the checkpoint of epoch 0."""

from pathlib import Path
from typing import Any

from workflow_scripts.diffeo.networks import build_network, check_logits
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.images import load_images
from workflow_scripts.support.jobs import run


def main(data: Path, checkpoint: Path, labels: dict[str, Any], network: dict[str, Any]) -> None:
    """Draw the weights of `network` (its block of the configuration) for the images of `data` and the seed in `labels`."""
    stored = load_images(data, {})
    built = build_network(network, input_shape=stored.shape, classes=stored.classes, seed=labels["seed"])
    check_logits(built, stored.shape, stored.classes)
    described = {"network": network, "input_shape": stored.shape, "classes": stored.classes, "run": labels}
    save_checkpoint(checkpoint, checkpoint_content(built, described, epoch=0))


if "snakemake" in globals():
    run(main, globals()["snakemake"])
