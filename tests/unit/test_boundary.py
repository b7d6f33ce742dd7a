"""Distances to the decision boundary against the closed form of a linear classifier."""

import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.boundary import flip_norms
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, Probe, Segment, Towards, for_all
from workflow_scripts.diffeo.read_outs import class_read_out
from workflow_scripts.diffeo.stability import stability_sweep

COUNT, DRAWS, SIZE, SEED, CLASSES = 40, 2, 6, 1, 3
IMAGES = torch.randn(COUNT, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
RADII = torch.logspace(-1, 2, 10, dtype=torch.float64)
LINEAR = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, CLASSES))


def perturbations() -> list[Perturbation]:
    radii, fractions = for_all(RADII, COUNT, DRAWS), for_all(torch.linspace(0, 1, 10, dtype=torch.float64), COUNT, DRAWS)
    return [Noise(radii, "bilinear", SEED), Towards(radii, SEED, IMAGES), Segment(fractions, SEED, IMAGES)]


def flips(network: nn.Module, moved: list[Perturbation]) -> Tensor:
    """Whether the label differs, (perturbation, strength, image, draw), from a sweep."""
    observed = ObservedNetwork(network, every_operation=False)
    norms = torch.full((len(moved), len(moved[0].amounts)), torch.inf)
    read_out = class_read_out(torch.zeros(COUNT, dtype=torch.int64))
    sweep = stability_sweep(observed, IMAGES, moved, norms, draws=DRAWS, batch_size=16, read_out=read_out)
    return sweep.read_out[..., 0] != sweep.reference_read_out[0, :, None, 0]


def measured(network: nn.Module, moved: list[Perturbation], **options: int) -> Tensor:
    observed = ObservedNetwork(network, every_operation=False)
    return flip_norms(observed, IMAGES, moved, flips(network, moved), **({"batch_size": 16, "halvings": 20} | options))


def boundary_of_linear_classifier(directions: Tensor) -> Tensor:
    """Smallest r > 0 with (W(x + r u) + b)_j = (W(x + r u) + b)_own for some other class j; inf where there is none."""
    weight, bias = LINEAR[1].weight.double(), LINEAR[1].bias.double()
    logits = IMAGES.double().flatten(1) @ weight.T + bias
    slopes = directions.double().flatten(1) @ weight.T
    own = logits.argmax(dim=1)
    distances = torch.full((COUNT,), torch.inf, dtype=torch.float64)
    for image in range(COUNT):
        for other in range(CLASSES):
            gap = logits[image, own[image]] - logits[image, other]
            closing = slopes[image, other] - slopes[image, own[image]]
            if other != own[image] and closing > 0:
                distances[image] = min(distances[image], gap / closing)
    return distances


def test_linear_classifier_flips_at_its_closed_form() -> None:
    moved = perturbations()
    found = measured(LINEAR, moved)
    everything = Probe(IMAGES, IMAGES, torch.arange(COUNT))
    for row, perturbation in enumerate(moved):
        for draw in range(DRAWS):
            direction = perturbation.direction(everything, draw).double()
            reach = torch.full((COUNT,), RADII[-1])
            if row == 2:
                direction = direction - IMAGES
                reach = direction.flatten(1).norm(dim=1)
                direction = direction / reach[:, None, None, None]
            expected = boundary_of_linear_classifier(direction)
            expected = torch.where(expected <= reach, expected, torch.nan)
            assert (~expected.isnan()).sum() > 10
            torch.testing.assert_close(found[row, :, draw], expected, rtol=1e-4, atol=1e-5, equal_nan=True)


def test_the_bracket_halves_each_time() -> None:
    moved = perturbations()[:1]
    exact = measured(LINEAR, moved, halvings=24)
    gaps = torch.diff(RADII, prepend=torch.zeros(1))
    for halvings in (0, 1, 4):
        error = (measured(LINEAR, moved, halvings=halvings) - exact)[0]
        bracket = gaps[torch.bucketize(exact[0].nan_to_num(0.1), RADII).clamp(max=len(RADII) - 1)]
        assert (error.abs() <= bracket / 2 ** (halvings + 1) * (1 + 1e-4)).logical_or(error.isnan()).all()
        assert error.abs().nan_to_num(0).max() > 0


def test_a_constant_classifier_never_flips() -> None:
    constant = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, CLASSES))
    nn.init.zeros_(constant[1].weight)
    assert measured(constant, perturbations()).isnan().all()


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_batches_do_not_matter(batch_size: int) -> None:
    moved = [*perturbations(), Diffeo(for_all(torch.linspace(0.02, 0.2, 10), COUNT, DRAWS), "bilinear", SEED, 2, "disc")]
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES))
    together = measured(network, moved)
    assert together[3].isfinite().any()
    torch.testing.assert_close(measured(network, moved, batch_size=batch_size), together, rtol=1e-4, atol=1e-5, equal_nan=True)


def test_norm_at_the_flip_of_a_deformation_is_that_of_the_deformed_image() -> None:
    """Two classes, nearer to the image or nearer to the far end of its deformation: the label flips where both are as near."""
    roots = for_all(torch.linspace(0.02, 0.2, 10, dtype=torch.float64), 1, 1)
    diffeo = Diffeo(roots, "bilinear", SEED, 2, "disc")
    image = IMAGES[:1]
    alone = Probe(image, image, torch.arange(1))
    field = diffeo.direction(alone, 0)
    end = diffeo.move(alone, field, torch.tensor([0.2]))
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIZE * SIZE, 2))
    with torch.no_grad():
        network[1].weight.copy_(torch.cat((image - end, end - image)).flatten(1))
        network[1].bias.copy_(torch.stack(((end**2 - image**2).sum(), (image**2 - end**2).sum())) / 2)
    observed = ObservedNetwork(network, every_operation=False)
    amounts = torch.linspace(0.001, 0.2, 4001, dtype=torch.float64)
    path = torch.cat([diffeo.move(alone, field, amount[None]) for amount in amounts])
    beyond = observed(path, lambda *_: None).argmax(dim=1) != observed(image, lambda *_: None).argmax(dim=1)
    first = int(beyond.int().argmax())
    assert beyond[first:].all()
    flipped = diffeo.amounts[:, :, 0] >= amounts[first]
    found = flip_norms(observed, image, [diffeo], flipped[None, :, :, None], batch_size=1, halvings=20)
    torch.testing.assert_close(float(found), float((path[first] - image[0]).norm()), rtol=1e-3, atol=0)
