"""α of all neurons of VGG11-bn, over one full forward pass for each neuron, transform and patch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from benchmarks.timing import Judged, Table, growth, seconds, table
from workflow_scripts.diffeo.affine import transformed_windows
from workflow_scripts.diffeo.batch_norm import calibrate_batch_norm
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.neuron_stability import (
    NeuronResponses,
    PatchSet,
    Site,
    Strength,
    firing_at,
    neuron_stability,
    random_maps,
    shared_patches,
    sites_of,
    union_of,
)
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import random_patches, strongest_patches

SIZE, MEMORY_MB, SEED = 32, 2000, 0
TARGET = 100.0
STRENGTHS: list[Strength] = [("frobenius", 1.0)]
Result = TypeVar("Result")


class Measurement(NamedTuple):
    """Patches of a site, α of the neurons of its last operation, (choice, transform, channel), and what normalises it."""

    site: Site
    patches: PatchSet
    alpha: Tensor
    pair_distance: Tensor


class Comparison(NamedTuple):
    """Ratio of times, and the largest difference of α over the larger of α and the layer's ⟨[a(x) − a(z)]²⟩."""

    ratio: float
    difference: float


def at_random(observed: ObservedNetwork, images: Tensor) -> list[Measurement]:
    """A random patch of each image, the same for all neurons of a layer."""
    found = []
    for site in sites_of(observed, images[:1]):
        image, position = random_patches(SEED, len(images), len(images), site.map_size)
        first = NeuronResponses(observed, site, images, MEMORY_MB).unmoved(image[:1], position[:1])
        patches = shared_patches(image, position, [still.shape[1] for still in first])
        found.append(measure_site(observed, images, site, patches))
    return found


def at_the_strongest(observed: ObservedNetwork, images: Tensor) -> list[Measurement]:
    """For each neuron the patch that excites it most."""
    sites = sites_of(observed, images[:1])
    strongest = strongest_patches(
        observed, images, [operation for site in sites for operation in site.operations], 1, batch_size=64
    )
    return [
        measure_site(observed, images, site, union_of([strongest[operation] for operation in site.operations], site.map_size))
        for site in sites
    ]


def measure_site(observed: ObservedNetwork, images: Tensor, site: Site, patches: PatchSet) -> Measurement:
    """α of a site."""
    responses = NeuronResponses(observed, site, images, MEMORY_MB)
    unmoved = responses.unmoved(patches.image, patches.position)
    firing = [firing_at(still, 0.5) for still in unmoved]
    found = neuron_stability(responses, patches, unmoved, firing, STRENGTHS, draws=1, seed=SEED)
    return Measurement(site, patches, found[-1].change, 2 * unmoved[-1].var(dim=0).mean())


@torch.no_grad()
def one_by_one(observed: ObservedNetwork, images: Tensor, measured: Measurement, channel: int) -> Tensor:
    """α of one neuron for each transform: every patch and transform is a forward pass of one whole image."""
    site, patches = measured.site, measured.patches
    rows = torch.nonzero(patches.chosen[-1][-1, :, channel]).flatten()
    squares = []
    for row in rows:
        image, position = patches.image[row, None], patches.position[row, None]
        maps, whole = random_maps(site, image, position, STRENGTHS, 1, SEED), torch.zeros_like(position)
        moved = transformed_windows(images[image], site.region(position), *maps, whole, site.image_size)[0]
        versions = (images[image], *moved[:, None])
        still, *others = (activation(observed, version, site.operations[-1], channel, position[0]) for version in versions)
        squares.append(torch.stack([(other - still).square() for other in others]))
    return torch.stack(squares).mean(dim=0)


def activation(observed: ObservedNetwork, image: Tensor, operation: int, channel: int, position: Tensor) -> Tensor:
    """One neuron's activation, by a forward pass of one whole image."""
    found: list[Tensor] = []
    observed(image, lambda index, maps: found.append(maps[0, channel, position[0], position[1]]) if index == operation else None)
    return found[0]


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds that a call takes, and what it returns."""
    found: list[Result] = []
    return seconds(lambda: found.append(function())), found[0]


def compare(
    observed: ObservedNetwork, images: Tensor, batched: Callable[[ObservedNetwork, Tensor], list[Measurement]], neurons: int
) -> Comparison:
    """All neurons by `batched`, over `neurons` of each layer one by one, whose time is scaled up to all of them."""
    batched(observed, images[:2])  # a first run
    fast, found = timed(lambda: batched(observed, images))
    slow, difference = 0.0, 0.0
    for measured in found:
        chosen = range(0, measured.alpha.shape[-1], max(1, measured.alpha.shape[-1] // neurons))
        for channel in chosen:
            took, alpha = timed(lambda: one_by_one(observed, images, measured, channel))  # noqa: B023
            slow += took * measured.alpha.shape[-1] / len(chosen)
            apart = ((alpha - measured.alpha[-1, :, channel]).abs() / alpha.clamp(min=measured.pair_distance)).max()
            difference = max(difference, float(apart))
    return Comparison(slow / fast, difference)


def smooth_images(number: int) -> Tensor:
    """Images (number, 3, SIZE, SIZE) of smooth noise."""
    noise = torch.randn(number, 3, SIZE // 4, SIZE // 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, scale_factor=4, mode="bilinear")


def observed_vgg(width: float, images: Tensor) -> ObservedNetwork:
    """VGG11-bn of that width, with the statistics of the images."""
    network = build_network({"architecture": "vgg11_bn", "width": width}, input_shape=(3, SIZE, SIZE), classes=10, seed=0)
    calibrate_batch_norm(network, images)
    return ObservedNetwork(network)


def measure(
    width: float = 1.0, patches: int = 16, neurons: int = 2, numbers: Sequence[int] = (32, 64, 128, 256), repeats: int = 3
) -> Table:
    """A row for random and one for the strongest patches: time of one forward pass for everything over crops in batches."""
    images = smooth_images(patches)
    observed = observed_vgg(width, images)
    at_random_found, strongest = (compare(observed, images, batched, neurons) for batched in (at_random, at_the_strongest))
    judged = Judged("α of neurons, random patches", at_random_found.ratio, TARGET, at_least=True)
    rows = [
        [name, f"{found.ratio:.0f}", cells, f"{found.difference:.0e}"]
        for name, found, cells in (
            ("random, shared by the neurons of a layer", at_random_found, judged.cells),
            ("of each neuron its strongest", strongest, "— | —"),
        )
    ]
    head = ["patches", "one forward pass for everything / batches of crops", "target", "", "largest difference of α"]
    narrow = observed_vgg(width / 4, images)

    def of(number: int) -> Callable[[], object]:
        return partial(at_random, narrow, smooth_images(number))

    return Table(table(head, rows), [judged], [growth("α of neurons, × 0.25", "number of patches", numbers, of, repeats)])
