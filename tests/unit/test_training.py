import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from workflow_scripts.diffeo import training
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.training import (
    ImageSet,
    Recipe,
    Trainer,
    TrainingDiverged,
    batches_of,
    choose_loss,
    draw_epoch,
    make_optimizer,
    make_schedule,
)

RECIPE = Recipe(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    weight_decay=5e-4,
    schedule="cosine",
    epochs=3,
    batch_size=16,
    loss="cross_entropy",
    crop_padding=2,
    horizontal_flip=True,
)
CPU = torch.device("cpu")


def some_images(count: int = 50) -> ImageSet:
    """Two classes that differ in brightness."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % 2
    images = torch.randint(100, (count, 1, 16, 16), generator=generator) + 100 * labels[:, None, None, None]
    return ImageSet(images.to(torch.uint8), labels, torch.tensor([0.4]), torch.tensor([0.25]))


def trainer(recipe: Recipe = RECIPE, images: ImageSet | None = None) -> Trainer:
    network = build_network({"architecture": "lenet"}, input_shape=(1, 16, 16), classes=2, seed=0)
    return Trainer(network, recipe, images or some_images(), seed=0, run="digits/lenet")


def same(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second


def test_hinge_is_the_mean_over_classes_of_the_violated_margins() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    terms = [
        sum(max(0.0, 1 - row[label] + row[other]) for other in range(4) if other != label) / 4
        for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
    ]
    assert choose_loss("hinge")(logits, labels).item() == pytest.approx(np.mean(terms), abs=1e-12)


@pytest.mark.parametrize("key", ["optimizer", "schedule", "loss"])
def test_unknown_names_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} 'best' is not known; choose one of"):
        trainer(replace(RECIPE, **{key: "best"}))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_optimiser_takes_the_recipes_numbers(optimizer: str) -> None:
    made = make_optimizer(nn.Linear(2, 2), replace(RECIPE, optimizer=optimizer, momentum=0.7))
    group = made.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.1, 5e-4)
    assert (group["momentum"] if optimizer == "sgd" else group["betas"][0]) == 0.7
    assert type(made).__name__.lower() == optimizer


def rates(schedule: str, steps: int = 20) -> list[float]:
    optimizer = make_optimizer(nn.Linear(2, 2), RECIPE)
    scheduler = make_schedule(optimizer, replace(RECIPE, schedule=schedule), steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_schedules() -> None:
    assert rates("constant") == [0.1] * 20
    cosine = [0.05 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]
    assert np.allclose(rates("cosine"), cosine, rtol=1e-12, atol=1e-15)
    cycle = rates("one_cycle")
    assert cycle[0] == pytest.approx(0.1 / 25) and cycle[-1] == pytest.approx(0.1 / 25e4)
    assert max(cycle) == pytest.approx(0.1) and cycle.index(max(cycle)) == 5


@pytest.mark.parametrize(("count", "sizes"), [(32, [16, 16]), (35, [16, 16, 3]), (33, [16, 16]), (2, [2])])
def test_the_last_batch_is_kept_unless_it_is_one_image(count: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in batches_of(torch.arange(count), 16)] == sizes


def test_one_image_left_over_does_not_stop_batch_norm() -> None:
    trained = Trainer(batch_norm_network(), RECIPE, some_images(17), seed=0, run="r")
    trained.train_epoch(1)
    assert trained.steps_per_epoch == 1


def test_choices_are_functions_of_seed_and_epoch_and_not_of_the_batch_size() -> None:
    first = draw_epoch(40, RECIPE, 3, 1, CPU)
    torch.manual_seed(5)
    again = draw_epoch(40, replace(RECIPE, batch_size=7), 3, 1, CPU)
    assert all(torch.equal(value, vars(again)[name]) for name, value in vars(first).items())
    assert sorted(first.order.tolist()) == list(range(40))
    for other in (draw_epoch(40, RECIPE, 3, 2, CPU), draw_epoch(40, RECIPE, 4, 1, CPU)):
        assert not any(torch.equal(value, vars(other)[name]) for name, value in vars(first).items())


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_training_that_continues_ends_like_one_that_never_stopped(optimizer: str, schedule: str) -> None:
    recipe = replace(RECIPE, optimizer=optimizer, schedule=schedule, learning_rate=0.01)
    whole, stopped, continued = (Trainer(batch_norm_network(), recipe, some_images(), seed=0, run="r") for _ in range(3))
    for epoch in (1, 2, 3):
        whole.train_epoch(epoch)
    stopped.train_epoch(1)
    torch.manual_seed(99)
    continued.load_state_dict(copy.deepcopy(stopped.state_dict()))
    for epoch in (2, 3):
        continued.train_epoch(epoch)
    assert same(whole.state_dict(), continued.state_dict())
    assert not same(whole.state_dict(), stopped.state_dict())


def batch_norm_network() -> nn.Module:
    torch.manual_seed(0)
    features = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.2)]
    return nn.Sequential(*features, nn.Linear(8 * 49, 2))


def test_dropout_is_a_function_of_seed_and_epoch_and_leaves_the_global_state_alone() -> None:
    weights = []
    for global_seed in (1, 2):
        layers = nn.Sequential(nn.Dropout(), nn.Flatten(), nn.Linear(256, 2))
        layers.load_state_dict({name: torch.zeros_like(value) for name, value in layers.state_dict().items()})
        torch.manual_seed(global_seed)
        state = torch.get_rng_state()
        Trainer(layers, RECIPE, some_images(), seed=0, run="r").train_epoch(1)
        assert torch.equal(torch.get_rng_state(), state)
        weights.append(layers[2].weight)
    assert torch.equal(*weights) and weights[0].abs().sum() > 0


def test_one_epoch_equals_a_bare_loop() -> None:
    recipe = replace(RECIPE, crop_padding=0, horizontal_flip=False)
    ours, images = trainer(recipe), some_images()
    theirs = copy.deepcopy(ours.network)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    order = draw_epoch(50, recipe, 0, 1, CPU).order
    for step, batch in enumerate(order.split(16)):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 + math.cos(math.pi * step / 12))
        inputs = (images.images[batch].double() / 255 - 0.4) / 0.25
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(inputs.float()), images.labels[batch]).backward()
        optimizer.step()
    last = ours.train_epoch(1)
    assert last == pytest.approx(0.05 * (1 + math.cos(math.pi * 3 / 12)))
    for name, value in theirs.state_dict().items():
        assert torch.allclose(ours.network.state_dict()[name], value, rtol=1e-3, atol=1e-5), name


@pytest.mark.parametrize("count", [50, 33])
@pytest.mark.parametrize("steps", [1, 2])
def test_training_does_not_depend_on_how_many_batches_are_gathered_at_once(
    count: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, in_parts = trainer(images=some_images(count)), trainer(images=some_images(count))
    at_once.train_epoch(1)
    monkeypatch.setattr(training, "GATHERED_BYTES", steps * 16 * 256)
    gathered = []
    augmented = in_parts.augmented
    monkeypatch.setattr(in_parts, "augmented", lambda part, choices: gathered.append(len(part)) or augmented(part, choices))
    in_parts.train_epoch(1)
    assert max(gathered) == 16 * steps and sum(gathered) == count
    assert same(at_once.state_dict(), in_parts.state_dict())


def test_training_learns_and_evaluation_counts() -> None:
    recipe = replace(RECIPE, optimizer="adamw", learning_rate=0.003)
    trained = trainer(recipe)
    before = trained.evaluate(trained.images, 0)
    for epoch in (1, 2, 3):
        trained.train_epoch(epoch)
    loss, error = trained.evaluate(trained.images, 3)
    inputs = (trained.images.images.double() / 255 - 0.4) / 0.25
    logits = trained.network(inputs.float())
    wrong = (logits.argmax(1) != trained.images.labels).double().mean().item()
    assert error == wrong and error <= 0.1 < before[1]
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, trained.images.labels).item(), rel=1e-4)
    assert not trained.network.training


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("locally_connected", [False, True])
def test_a_frozen_layer_stays_bit_by_bit_while_the_read_out_is_trained(optimizer: str, locally_connected: bool) -> None:
    specification = {"architecture": "local_model", "channels": 4, "locally_connected": locally_connected}
    whole, frozen = (
        build_network({**specification, "trained": trained}, input_shape=(1, 16, 16), classes=2, seed=0)
        for trained in ("all", "readout")
    )
    before = copy.deepcopy(whole.state_dict())
    assert same(dict(before), dict(frozen.state_dict()))
    recipe = replace(RECIPE, optimizer=optimizer, learning_rate=0.01, weight_decay=0.1)
    for network in (whole, frozen):
        trained = Trainer(network, recipe, some_images(), seed=0, run="r")
        trained.train_epoch(1)
        resumed = Trainer(copy.deepcopy(network), recipe, some_images(), seed=0, run="r")
        resumed.load_state_dict(copy.deepcopy(trained.state_dict()))
        for continued in (trained, resumed):
            continued.train_epoch(2)
        assert same(trained.state_dict(), resumed.state_dict())
        changed = [not torch.equal(value, before[name]) for name, value in network.state_dict().items()]
        assert changed == ([True] * 4 if network is whole else [False, False, True, True])


@pytest.mark.parametrize("rate", [1e30, math.nan])
def test_divergence_names_run_and_epoch(rate: float) -> None:
    diverging = trainer(replace(RECIPE, learning_rate=1e30))
    with pytest.raises(TrainingDiverged, match=r"digits/lenet diverged: the loss is (nan|inf) in epoch 7"):
        if math.isnan(rate):
            nn.init.constant_(next(diverging.network.parameters()), math.nan)
            diverging.evaluate(diverging.images, 7)
        else:
            diverging.train_epoch(7)


def test_one_image_is_no_training_set() -> None:
    with pytest.raises(ValueError, match="digits/lenet: a training set of 1 images is too small"):
        trainer(images=some_images(1))
