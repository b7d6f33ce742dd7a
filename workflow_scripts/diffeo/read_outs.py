"""What the logits say about the classes: the label, probabilities and the entropy of the softmax."""

from collections.abc import Callable

import torch
from torch import Tensor

QUANTITIES = ("predicted_class", "probability_true", "probability_reference", "entropy")


def class_read_out(labels: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Make the read-out of a sweep that gives the `QUANTITIES` of each image.

    Args:
        labels: true class of every image of the probe set (P,), -1 where it is not known.

    Returns:
        A function of logits (B, classes), those of the reference images, and the index (B,) of the images, to (B, 4): the class
        of the largest logit; the softmax probability of the true class, NaN where it is not known; that of the class predicted
        for the reference image; the entropy of the softmax in nats.

    Source: slide on the softmax, "Bump corresponds to the regime in which nets start misclassifying".
    """

    def read_out(logits: Tensor, reference_logits: Tensor, index: Tensor) -> Tensor:
        log_probability = logits.log_softmax(dim=1)
        probability = log_probability.exp()
        true = labels[index]
        of_true = probability.gather(1, true.clamp(min=0)[:, None])[:, 0]
        of_reference = probability.gather(1, reference_logits.argmax(dim=1, keepdim=True))[:, 0]
        entropy = -torch.where(probability > 0, probability * log_probability, 0).sum(dim=1)
        predicted = logits.argmax(dim=1).to(logits.dtype)
        return torch.stack((predicted, of_true.where(true >= 0, torch.nan), of_reference, entropy), dim=1)

    return read_out
