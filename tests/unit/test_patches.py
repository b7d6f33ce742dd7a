"""Strongest patches against a search image by image, ties, batches; random patches."""

import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import Patches, random_patches, strongest_patches


def small_network() -> ObservedNetwork:
    """Convolution, ReLU, pooling, read-out with small integers as weights: sums are exact and many activations equal."""
    network = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5 * 3 * 2, 4))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randint(-2, 3, parameter.shape, generator=generator))
        network[0].bias[3] = -1000  # a channel that is never active
    return ObservedNetwork(network.eval())


def integers(count: int) -> Tensor:
    return torch.randint(-1, 2, (count, 2, 6, 4), generator=torch.Generator().manual_seed(0)).float()


def activations(network: ObservedNetwork, images: Tensor) -> list[Tensor]:
    kept: list[Tensor] = []
    with torch.no_grad():
        network(images, lambda _, activation: kept.append(activation))
    return kept


def searched(activation: Tensor, count: int) -> list[list[tuple[float, int, int, int]]]:
    """For every channel (activation, image, row, column) of the strongest patches, sorted neuron by neuron."""
    maps = activation if activation.ndim == 4 else activation[..., None, None]
    found = []
    for channel in range(maps.shape[1]):
        best = []
        for image in range(len(maps)):
            places = [(row, column) for row in range(maps.shape[2]) for column in range(maps.shape[3])]
            row, column = max(places, key=lambda place: float(maps[image, channel, place[0], place[1]]))  # the first of equals
            best.append((float(maps[image, channel, row, column]), image, row, column))
        found.append(sorted(best, key=lambda entry: (-entry[0], entry[1]))[:count])
    return found


def listed(patches: Patches) -> list[list[tuple[float, int, int, int]]]:
    return [
        [(float(a), int(i), int(p[0]), int(p[1])) for a, i, p in zip(*channel, strict=True)]
        for channel in zip(patches.activation, patches.image, patches.position, strict=True)
    ]


@pytest.mark.parametrize("count", [1, 3, 11])
@pytest.mark.parametrize("batch_size", [1, 2, 4, 11])
def test_strongest_patches_against_a_search(count: int, batch_size: int) -> None:
    network, images = small_network(), integers(11)
    found = strongest_patches(network, images, range(5), count, batch_size=batch_size)
    assert list(found) == [0, 1, 2, 3, 4]
    for operation, activation in enumerate(activations(network, images)[:5]):
        assert listed(found[operation]) == searched(activation, count)


def test_patches_of_a_channel_without_activity_are_the_first_images() -> None:
    found = strongest_patches(small_network(), integers(6), [2], 4, batch_size=3)[2]
    assert found.image[3].tolist() == [0, 1, 2, 3]
    assert found.position[3].eq(0).all()
    assert found.activation[3].eq(0).all()


def test_only_the_operations_asked_for_are_returned() -> None:
    found = strongest_patches(small_network(), integers(5), {1, 3}, 2, batch_size=2)
    assert sorted(found) == [1, 3]
    assert found[3].position.shape == (5, 2, 2)


def test_memory_holds_no_more_patches_than_asked_for() -> None:
    found = strongest_patches(small_network(), integers(50), [1], 3, batch_size=7)[1]
    assert all(values.untyped_storage().nbytes() <= 5 * 10 * 2 * 8 for values in (found.image, found.position, found.activation))


@pytest.mark.parametrize("count", [0, 6])
def test_numbers_of_patches_that_no_images_give_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} is not allowed; of 5 images it must be from 1 to 5"):
        strongest_patches(small_network(), integers(5), [1], count, batch_size=2)
    with pytest.raises(ValueError, match=f"{count} is not allowed"):
        random_patches(0, 5, count, (3, 3))


def test_random_patches_take_every_image_once_and_every_position_about_equally() -> None:
    image, position = random_patches(3, 6000, 6000, (2, 3))
    assert sorted(image.tolist()) == list(range(6000))
    counts = torch.bincount(position[:, 0] * 3 + position[:, 1], minlength=6)
    assert len(counts) == 6
    assert (counts - 1000).abs().max() < 5 * (6000 * 1 / 6 * 5 / 6) ** 0.5


def test_random_patches_are_a_function_of_the_seed_alone() -> None:
    image, position = random_patches(0, 100, 20, (8, 8))
    again, longer = random_patches(0, 100, 20, (8, 8)), random_patches(0, 100, 30, (4, 4))
    assert torch.equal(image, again[0]) and torch.equal(position, again[1])
    assert torch.equal(image, longer[0][:20])
    assert torch.equal(position // 2, longer[1][:20])
    assert not torch.equal(image, random_patches(1, 100, 20, (8, 8))[0])
    assert position.max() > 3
