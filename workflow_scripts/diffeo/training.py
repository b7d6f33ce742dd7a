"""Optimisers, schedules, losses, and the epoch loop.

All randomness of an epoch is a function of (seed, epoch), and of the image where it concerns one: after any epoch the
network, the optimiser and the schedule are all there is to know, and a training that continues from them goes on bit by bit
(on the CPU) like one that never stopped.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from workflow_scripts.diffeo.augmentation import draw_flips, draw_offsets, normalise, random_crop, random_flip
from workflow_scripts.diffeo.randomness import derive_seed

EVALUATION_BATCH = 500
GATHERED_BYTES = 2**22
"""What is gathered and augmented at once, for several steps if images are small: each time costs small networks time."""


class TrainingDiverged(RuntimeError):
    """A loss that became infinite or not a number."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    `learning_rate` is the peak of the schedule, which moves at every step; `momentum` is that of SGD and the beta_1 of Adam and
    AdamW; `weight_decay` is an L2 term for SGD and Adam, decoupled for AdamW; `crop_padding` in pixels, 0 for no crops.
    """

    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: str
    epochs: int
    batch_size: int
    loss: str
    crop_padding: int
    horizontal_flip: bool


@dataclass(frozen=True)
class ImageSet:
    """Images as they are stored, uint8 (N, C, H, W), labels int64 (N), normalisation constants float32 (C,); one device."""

    images: Tensor
    labels: Tensor
    mean: Tensor
    standard_deviation: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> "ImageSet":
        """The first `count` images (all of them if there are fewer)."""
        return ImageSet(self.images[:count], self.labels[:count], self.mean, self.standard_deviation)

    def network_input(self, images: Tensor) -> Tensor:
        """Normalised float32 images in the memory order that convolutions are fastest in."""
        return normalise(images.contiguous(memory_format=torch.channels_last), self.mean, self.standard_deviation)


LOSSES: Mapping[str, Callable[..., Tensor]] = {"cross_entropy": F.cross_entropy, "hinge": F.multi_margin_loss}
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "cosine", "one_cycle")


def choose_loss(name: str) -> Callable[..., Tensor]:
    """`cross_entropy`, or `hinge`: the mean over classes of max(0, 1 - f_y + f_j), j != y (Weston and Watkins 1999).

    Raises ValueError if `name` is neither.
    """
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} is not known; choose one of {', '.join(LOSSES)}")
    return LOSSES[name]


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """SGD, Adam or AdamW over all parameters that take a gradient; raises ValueError for another name."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    common: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    match recipe.optimizer:
        case "sgd":
            return SGD(parameters, momentum=recipe.momentum, **common)
        case "adam":
            return Adam(parameters, betas=(recipe.momentum, 0.999), **common)
        case "adamw":
            return AdamW(parameters, betas=(recipe.momentum, 0.999), **common)
    raise ValueError(f"optimizer {recipe.optimizer!r} is not known; choose one of {', '.join(OPTIMIZERS)}")


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    """Learning rate of each of `steps` steps: constant, half a cosine down to 0, or up and down (Smith and Topin 2019).

    Raises ValueError for another name.
    """
    match recipe.schedule:
        case "constant":
            return LambdaLR(optimizer, lambda step: 1.0)
        case "cosine":
            return CosineAnnealingLR(optimizer, steps)
        case "one_cycle":
            return OneCycleLR(optimizer, recipe.learning_rate, steps, cycle_momentum=False)
    raise ValueError(f"schedule {recipe.schedule!r} is not known; choose one of {', '.join(SCHEDULES)}")


def batches_of(images: Tensor, batch_size: int) -> list[Tensor]:
    """`images` (N, ...) cut into batches; the last may be smaller, and is dropped if a single image (batch-norm needs two)."""
    batches = list(torch.split(images, batch_size))
    return batches[:-1] if len(batches[-1]) == 1 and batch_size > 1 else batches


@dataclass(frozen=True)
class EpochChoices:
    """What chance decides in one epoch, on the device: the order (N,), crop offsets (N, 2) and flips (N,) by image."""

    order: Tensor
    offsets: Tensor
    flipped: Tensor


def draw_epoch(count: int, recipe: Recipe, seed: int, epoch: int, device: torch.device) -> EpochChoices:
    """The choices of one epoch for `count` images: functions of (seed, epoch) and of the image, not of batches or devices."""

    def generator(purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(seed, purpose, epoch))

    return EpochChoices(
        torch.randperm(count, generator=generator("order")).to(device),
        draw_offsets(count, recipe.crop_padding, generator("crop")).to(device),
        draw_flips(count, generator("flip")).to(device),
    )


class Trainer:
    """One training: a network with its optimiser and schedule, its images, and its randomness by name."""

    def __init__(self, network: nn.Module, recipe: Recipe, images: ImageSet, *, seed: int, run: str) -> None:
        """Take over `network`, which must be on the device of `images`; `run` names the run in messages.

        Raises:
            ValueError: fewer than two images, or a recipe with an unknown optimiser, schedule or loss.
        """
        if len(images) < 2:
            raise ValueError(f"{run}: a training set of {len(images)} images is too small; it needs at least 2")
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.recipe, self.images, self.seed, self.run = recipe, images, seed, run
        self.loss = choose_loss(recipe.loss)
        self.optimizer = make_optimizer(self.network, recipe)
        self.steps_per_epoch = len(batches_of(torch.arange(len(images)), recipe.batch_size))
        self.schedule = make_schedule(self.optimizer, recipe, max(1, recipe.epochs) * self.steps_per_epoch)

    def train_epoch(self, epoch: int) -> float:
        """Pass once over the images; return the learning rate of the last step.

        Raises:
            TrainingDiverged: the loss became infinite or not a number.
        """
        device = self.images.images.device
        choices = draw_epoch(len(self.images), self.recipe, self.seed, epoch, device)
        total = torch.zeros((), device=device)
        learning_rate = math.nan
        self.network.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(derive_seed(self.seed, "dropout", epoch))
            for inputs, labels in self.batches(choices):
                learning_rate = self.optimizer.param_groups[0]["lr"]
                total += self.step(inputs, labels)
        self.require_finite(total.item(), epoch)
        return float(learning_rate)

    def batches(self, choices: EpochChoices) -> Iterator[tuple[Tensor, Tensor]]:
        """What the network gets at each step of an epoch (B, C, H, W), and the labels (B,)."""
        batch_size = self.recipe.batch_size
        steps = max(1, GATHERED_BYTES // (batch_size * self.images.images[0].numel()))
        for part in torch.split(choices.order, steps * batch_size):
            images, labels = self.augmented(part, choices), self.images.labels.index_select(0, part)
            for pixels, classes in zip(batches_of(images, batch_size), batches_of(labels, batch_size), strict=True):
                yield self.images.network_input(pixels), classes

    def augmented(self, part: Tensor, choices: EpochChoices) -> Tensor:
        """The images with indices `part` (B,), cropped and flipped."""
        images = self.images.images.index_select(0, part)  # half the time of [part]
        if self.recipe.crop_padding:
            images = random_crop(images, self.recipe.crop_padding, choices.offsets[part])
        if self.recipe.horizontal_flip:
            images = random_flip(images, choices.flipped[part])
        return images

    def step(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """One step on a batch; return its loss without waiting for the device."""
        loss = self.loss(self.network(inputs), labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        return loss.detach()

    def evaluate(self, images: ImageSet, epoch: int) -> tuple[float, float]:
        """Mean loss and error (fraction of wrong labels) of the network in eval mode.

        Raises:
            TrainingDiverged: the loss is infinite or not a number.
        """
        self.network.eval()
        total = torch.zeros((), dtype=torch.float64, device=images.images.device)
        wrong = torch.zeros((), dtype=torch.int64, device=images.images.device)
        with torch.inference_mode():
            parts = zip(*(torch.split(part, EVALUATION_BATCH) for part in (images.images, images.labels)), strict=True)
            for pixels, labels in parts:
                logits = self.network(images.network_input(pixels))
                total += self.loss(logits, labels, reduction="sum")
                wrong += (logits.argmax(1) != labels).sum()
        loss, error = (torch.stack((total, wrong.to(total.dtype))) / len(images)).tolist()
        self.require_finite(loss, epoch)
        return loss, error

    def require_finite(self, loss: float, epoch: int) -> None:
        """Raise TrainingDiverged unless `loss` is a finite number."""
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"training of {self.run} diverged: the loss is {loss} in epoch {epoch}; "
                f"lower the learning rate ({self.recipe.learning_rate:g})"
            )

    def state_dict(self) -> dict[str, Any]:
        """All that the following epochs depend on."""
        parts = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        return {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
