"""Make a checkpoint of a network that was trained elsewhere."""

from pathlib import Path
from typing import Any

from workflow_scripts.diffeo.networks import build_network, check_logits
from workflow_scripts.support.checkpoints import checkpoint_content, save_checkpoint
from workflow_scripts.support.images import load_images
from workflow_scripts.support.jobs import run
from workflow_scripts.support.weights import named_weights, packaged_weights, put_weights


def main(data: Path, weights: list[Path], checkpoint: Path, labels: dict[str, Any], network: dict[str, Any], epoch: int) -> None:
    """Put the weights of a file into `network` (its block of the configuration), built for the images of `data`.

    `weights` is one file with a state dict, or none for EfficientNet-lite0 as its package ships it; `labels` names the run,
    `epoch` its checkpoint.
    """
    stored = load_images(data, {})
    built = build_network(network, input_shape=stored.shape, classes=stored.classes, seed=labels["seed"])
    check_logits(built, stored.shape, stored.classes)
    source = named_weights(weights[0]) if weights else packaged_weights()
    put_weights(built, source, stored.classes)
    described = {"network": network, "input_shape": stored.shape, "classes": stored.classes, "run": labels}
    content = checkpoint_content(built, described, epoch)
    save_checkpoint(checkpoint, content | {"weights": {"file": source.file, "sha256": source.sha256}})


if "snakemake" in globals():
    run(main, globals()["snakemake"])
