"""What runs on a GPU gives the numbers of the CPU there, and waits for the GPU no more often when there is more to do.

Each function runs on a device that is pretended (`tests/pretend_cuda.py`), to the last bit, and on a real GPU where there is one.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from tests.pretend_cuda import deterministic_as_before, pretend_cuda
from workflow_scripts.diffeo.activation_spectra import activation_spectra
from workflow_scripts.diffeo.boundary import flip_norms
from workflow_scripts.diffeo.calibration import displacement_norms
from workflow_scripts.diffeo.deconvolution import deconvolve
from workflow_scripts.diffeo.deformation import displacement_field, folds, unit_coefficients
from workflow_scripts.diffeo.effective_fields import effective_fields
from workflow_scripts.diffeo.interpolation import INTERPOLATIONS, warp
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.neuron_stability import NeuronResponses, firing_at, neuron_stability, shared_patches, sites_of
from workflow_scripts.diffeo.noise import isotropic_direction
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import strongest_patches
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, Segment, Towards, for_all
from workflow_scripts.diffeo.read_outs import class_read_out
from workflow_scripts.diffeo.single_shuffles import single_shuffle_sweep
from workflow_scripts.diffeo.stability import stability_sweep
from workflow_scripts.diffeo.training import ImageSet, Recipe, Trainer
from workflow_scripts.support.tensors import prepare_torch

COUNT, SIZE = 8, 16
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
Numbers = Sequence[Tensor]


def network_on(device: str, architecture: str = "vgg11_bn") -> nn.Module:
    specification = {"architecture": architecture, "width": 0.0625}
    return build_network(specification, input_shape=(3, SIZE, SIZE), classes=10, seed=0).eval().to(device)


def images_on(device: str) -> Tensor:
    return torch.randn(COUNT, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device)


def moved(device: str, strengths: int, draws: int) -> list[Perturbation]:
    """Every perturbation there is."""
    images = images_on(device)
    roots = for_all(torch.linspace(0.01, 0.02, strengths, dtype=torch.float64).to(device), COUNT, draws)
    return [
        *(Diffeo(roots, interpolation, 0, 3, "disc") for interpolation in INTERPOLATIONS),
        Noise(100 * roots, "gaussian", 0),
        Towards(100 * roots, 0, images),
        Segment(10 * roots, 0, images),
    ]


def deformations(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    index = torch.arange(COUNT, device=device)
    coefficients = unit_coefficients(0, index, draws, 3)
    fields = [0.02 * strength * displacement_field(coefficients, SIZE) for strength in range(1, strengths + 1)]
    warped = [warp(images_on(device), field.float(), interpolation) for interpolation in INTERPOLATIONS for field in fields]
    return coefficients, *fields, folds(coefficients, 0.01, SIZE), *warped, isotropic_direction(0, index, draws, (3, 4, 4))


def sweep(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    found = []
    for architecture in ("vgg11_bn", "resnet18"):
        swept = stability_sweep(
            ObservedNetwork(network_on(device, architecture)),
            images_on(device),
            moved(device, strengths, draws),
            torch.full((6, strengths), torch.inf),
            draws=draws,
            batch_size=batch_size,
            read_out=class_read_out(torch.arange(COUNT).to(device)),
        )
        found += vars(swept).values()
    return found


def boundary(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    observed = ObservedNetwork(network_on(device), every_operation=False)
    flipped = torch.rand(6, strengths, COUNT, draws, generator=torch.Generator().manual_seed(1)) > 0.5
    return [flip_norms(observed, images_on(device), moved(device, strengths, draws), flipped, batch_size=batch_size)]


def calibration(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    temperatures = [0.001] * strengths
    return [displacement_norms(images_on(device), temperatures, 3, "disc", INTERPOLATIONS, draws, 0, batch_size)]


def single_shuffles(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    perturbations = moved(device, 1, draws)[:1]
    orders = {"features.4": torch.arange(4).flip(0)[None]}
    return single_shuffle_sweep(network_on(device), orders, images_on(device), perturbations, draws=draws, batch_size=batch_size)


def gradients(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    found = effective_fields(ObservedNetwork(network_on(device)), images_on(device), seed=0, draws=2, batch_size=batch_size)
    return [tensor for field in found.values() for tensor in field]


def spectra(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    found = activation_spectra(ObservedNetwork(network_on(device)), images_on(device), batch_size=batch_size)
    return [part for of_layer in found.values() for part in (of_layer.power, of_layer.centroid, of_layer.mean_square)]


def reconstructions(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    observed, images = ObservedNetwork(network_on(device)), images_on(device)
    patches = strongest_patches(observed, images, [3], 2, batch_size=batch_size)[3]
    channels = torch.arange(len(patches.image), device=device)
    return patches.image, patches.activation, deconvolve(observed, images, 3, channels, patches, batch_size=batch_size)


def neurons(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    observed, images = ObservedNetwork(network_on(device)), images_on(device)
    site = sites_of(observed, images[:1])[1]
    responses = NeuronResponses(observed, site, images, 10)
    responses.batch_size = batch_size
    image = torch.arange(COUNT, device=device)
    position = torch.stack((image % site.map_size[0], image // 2), dim=1)
    unmoved = responses.unmoved(image, position)
    patches = shared_patches(image, position, [still.shape[1] for still in unmoved])
    firing = [firing_at(still, 0.5) for still in unmoved]
    found = neuron_stability(responses, patches, unmoved, firing, [("frobenius", 0.5)] * strengths, draws=draws, seed=0)
    return [tensor for operation in found for tensor in (operation.change, operation.patch_change)]


def training(device: str, strengths: int, draws: int, batch_size: int) -> Numbers:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (COUNT, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    labels, constants = torch.arange(COUNT) % 2, torch.full((3,), 0.5)
    images = ImageSet(*(tensor.to(device) for tensor in (pixels, labels, constants, constants)))
    recipe = Recipe("sgd", 0.01, 0.9, 1e-4, "cosine", 1, batch_size, "cross_entropy", 2, horizontal_flip=True)
    trainer = Trainer(network_on(device), recipe, images, seed=0, run="test")
    trainer.train_epoch(1)
    return [tensor.detach() for tensor in trainer.network.state_dict().values()]


RUNS: dict[str, Callable[[str, int, int, int], Numbers]] = {
    function.__name__: function
    for function in (
        deformations,
        sweep,
        boundary,
        calibration,
        single_shuffles,
        gradients,
        spectra,
        reconstructions,
        neurons,
        training,
    )
}


def on_pretended(name: str, strengths: int, draws: int, batch_size: int) -> tuple[list[Tensor], Counter[str]]:
    """What a function gives on the pretended device, brought to the CPU, and how often it waited for the device."""
    with pretend_cuda() as mode:
        found = RUNS[name]("cuda", strengths, draws, batch_size)
        waits = mode.waits.copy()
        return [tensor.cpu() for tensor in found], waits


@pytest.mark.parametrize("name", RUNS)
def test_pretended_device_gives_every_bit_of_the_cpu(name: str) -> None:
    found, _ = on_pretended(name, 2, 1, 4)
    expected = RUNS[name]("cpu", 2, 1, 4)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@NO_GPU
@pytest.mark.parametrize("name", RUNS)
def test_gpu_gives_the_numbers_of_the_cpu(name: str) -> None:
    expected = RUNS[name]("cpu", 2, 1, 4)
    with deterministic_as_before():
        prepare_torch(1, "cuda")
        found, again = (RUNS[name]("cuda", 2, 1, 4) for _ in range(2))
    for one, other, repeated in zip(found, expected, again, strict=True):
        assert torch.equal(one.nan_to_num(), repeated.nan_to_num())  # deterministic
        scale = float(other.double().nan_to_num().abs().max())
        torch.testing.assert_close(one.cpu(), other, rtol=1e-3, atol=1e-4 * scale, equal_nan=True)


@pytest.mark.parametrize("name", ["sweep", "boundary", "calibration", "single_shuffles", "gradients", "spectra", "training"])
def test_no_round_trip_for_another_batch_strength_or_draw(name: str) -> None:
    on_pretended(name, 1, 1, COUNT)  # constants stay on the device
    _, little = on_pretended(name, 1, 1, COUNT)
    _, much = on_pretended(name, 3, 2, COUNT // 4)
    assert much == little


def test_batches_are_halved_where_the_gpu_is_full(caplog: pytest.LogCaptureFixture) -> None:
    expected = sweep("cpu", 2, 1, 2)
    with pretend_cuda() as mode, caplog.at_level(logging.WARNING):
        mode.memory = 2 * 36 * SIZE * SIZE  # the windows of the gaussian interpolation for two images
        found = sweep("cuda", 2, 1, COUNT)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)
    assert "out of memory with a batch of 8: going on with batches of 4" in caplog.messages
    assert "out of memory with a batch of 4: going on with batches of 2" in caplog.messages
