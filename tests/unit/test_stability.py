"""The stability sweep against a slow, obvious implementation, and against closed forms."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from workflow_scripts.diffeo.batch_norm import use_batch_statistics
from workflow_scripts.diffeo.deformation import displacement_field, unit_coefficients
from workflow_scripts.diffeo.interpolation import smooth, warp
from workflow_scripts.diffeo.noise import isotropic_direction
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.perturbations import (
    Diffeo,
    Noise,
    Perturbation,
    Probe,
    Segment,
    Towards,
    for_all,
    noise_radii,
    reference_name,
)
from workflow_scripts.diffeo.stability import Sweep, flat, images_per_batch, squared_norm, stability_sweep

SEED, CUTOFF, SIZE, COUNT, DRAWS = 3, 3, 16, 9, 2
TEMPERATURES = torch.tensor([5e-3, 2e-2, 4e-2], dtype=torch.float64)
FIELDS = ("squared_distance", "squared_deviation", "read_out", "reference_read_out")
DIFFEO, NOISE = 0, 1


def probe(count: int = COUNT, channels: int = 2, size: int = SIZE) -> Tensor:
    """Images that are smooth enough for a deformation to mean something, with norms that differ, float32."""
    rough = torch.randn(count, channels, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    return (smooth(rough, "gaussian") * torch.linspace(0.6, 1.4, count)[:, None, None, None]).float()


def displacement_norm(images: Tensor, interpolation: str, draws: int, temperatures: Tensor = TEMPERATURES) -> Tensor:
    """|τx − x| in float64, (strength, image, draw)."""
    images = images.double()
    index = torch.arange(len(images))
    norms = torch.empty(len(temperatures), len(images), draws, dtype=torch.float64)
    for draw in range(draws):
        field = displacement_field(unit_coefficients(SEED, index, draw, CUTOFF, "disc"), images.shape[-1])
        for strength, temperature in enumerate(temperatures):
            moved = warp(images, temperature.sqrt() * field, interpolation)
            norms[strength, :, draw] = (moved - smooth(images, interpolation)).flatten(1).norm(dim=1)
    return norms


def make_perturbations(
    images: Tensor,
    noise_norm: str,
    interpolations: tuple[str, ...] = ("bilinear", "gaussian"),
    draws: int = DRAWS,
    temperatures: Tensor = TEMPERATURES,
) -> tuple[list[Perturbation], Tensor]:
    """Diffeo and noise of each interpolation, and the mean norm of each (perturbation, strength)."""
    found: list[Perturbation] = []
    means = []
    for interpolation in interpolations:
        norms = displacement_norm(images, interpolation, draws, temperatures)
        found.append(Diffeo(for_all(temperatures.sqrt(), len(images), draws), interpolation, SEED, CUTOFF, "disc"))
        found.append(Noise(noise_radii(norms, noise_norm), interpolation, SEED))
        means += [norms.mean(dim=(1, 2))] * 2
    return found, torch.stack(means)


def narrow_resnet() -> nn.Module:
    """In-place ReLUs, `+=`, a ReLU used twice, batch-norm, pooling, strides: all that could go wrong, small."""

    torch.manual_seed(0)
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)]
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), BasicBlock(4, 4), *pool
    )
    network.train()(torch.randn(64, 2, SIZE, SIZE))
    return network.eval()


def slow_activations(network: nn.Module, image: Tensor) -> list[Tensor]:
    """Every operation of `narrow_resnet` on one image, module by module, out of place."""
    convolution, norm, _, pool, block, average, flatten, linear = network
    x = image[None]
    steps = [x]
    for operation in (convolution, norm, lambda x: x.clamp(min=0), pool):
        steps.append(operation(steps[-1]))
    identity = steps[-1]
    for operation in (block.conv1, block.bn1, lambda x: x.clamp(min=0), block.conv2, block.bn2):
        steps.append(operation(steps[-1]))
    steps.append(steps[-1] + identity)
    steps.append(steps[-1].clamp(min=0))
    steps.append(average(steps[-1]))
    steps.append(linear(flatten(steps[-1])))
    steps.append(steps[-1].softmax(dim=1))
    return steps


@torch.no_grad()
def slow_sweep(network: nn.Module, images: Tensor, interpolations: tuple[str, ...], noise_norm: str) -> dict[str, Tensor]:
    """The definitions of a sweep, one image, draw, strength and layer at a time, in float64."""
    network, images = copy.deepcopy(network).double(), images.double()
    norms = {name: displacement_norm(images, name, DRAWS) for name in interpolations}
    references = sorted({reference_name(name) for name in interpolations})
    layers, classes = len(slow_activations(network, images[0])), 5
    distance = torch.zeros(2 * len(interpolations), len(TEMPERATURES), layers, len(images), DRAWS, dtype=torch.float64)
    deviation = torch.zeros(len(references), layers, len(images), dtype=torch.float64)
    logits = torch.zeros(*distance.shape[:2], len(images), DRAWS, classes, dtype=torch.float64)
    reference_logits = torch.zeros(len(references), len(images), classes, dtype=torch.float64)
    for name in interpolations:
        row = references.index(reference_name(name))
        blurred = [smooth(image[None], name)[0] for image in images]
        clean = [slow_activations(network, image) for image in blurred]
        for layer in range(layers):
            mean = sum(activations[layer] for activations in clean) / len(images)
            for image in range(len(images)):
                deviation[row, layer, image] = ((clean[image][layer] - mean) ** 2).sum()
        for image in range(len(images)):
            reference_logits[row, image] = clean[image][-2][0]
            position = torch.tensor([image])
            for draw in range(DRAWS):
                field = displacement_field(unit_coefficients(SEED, position, draw, CUTOFF, "disc"), SIZE)
                direction = isotropic_direction(SEED, position, draw, images.shape[1:])[0]
                for strength, temperature in enumerate(TEMPERATURES.tolist()):
                    own = norms[name][strength, image, draw] if noise_norm == "matched" else norms[name][strength].mean()
                    moved = [warp(images[image][None], math.sqrt(temperature) * field, name)[0], blurred[image] + own * direction]
                    for kind in (DIFFEO, NOISE):
                        cell = 2 * interpolations.index(name) + kind
                        after = slow_activations(network, moved[kind])
                        logits[cell, strength, image, draw] = after[-2][0]
                        for layer in range(layers):
                            square = ((after[layer] - clean[image][layer]) ** 2).sum()
                            distance[cell, strength, layer, image, draw] = square
    return dict(zip(FIELDS, (distance, deviation, logits, reference_logits), strict=True))


def sweep_of(network: nn.Module, images: Tensor, noise_norm: str = "mean", batch_size: int = 4, precision: str = "auto") -> Sweep:
    perturbations, means = make_perturbations(images, noise_norm)
    observed = ObservedNetwork(copy.deepcopy(network))
    return stability_sweep(observed, images, perturbations, means, draws=DRAWS, batch_size=batch_size, precision=precision)


@pytest.mark.parametrize("noise_norm", ["mean", "matched"])
@pytest.mark.parametrize(("precision", "tolerance"), [("auto", 1e-5), ("float64", 1e-10)])
def test_sweep_equals_a_slow_obvious_implementation(precision: str, tolerance: float, noise_norm: str) -> None:
    network, images = narrow_resnet(), probe()
    expected = slow_sweep(network, images, ("bilinear", "gaussian"), noise_norm)
    sweep = sweep_of(network, images, noise_norm, precision=precision)
    for name in FIELDS:
        found = getattr(sweep, name)
        assert found.dtype == torch.float64
        assert found.shape == expected[name].shape
        # relative to the layer: a single sample's distance may be small by chance and rounding is relative to activations
        averaged = (3, 4) if name == "squared_distance" else tuple(range(found.ndim))
        scale = expected[name].abs().mean(dim=averaged, keepdim=True)
        assert ((found - expected[name]).abs() / scale).max() < tolerance, name


def test_sweep_with_as_many_images_as_operations_mixes_up_no_axes() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * SIZE**2, 4), nn.ReLU(), nn.Linear(4, 5))  # input, 2, logits, softmax
    images = probe(5)
    perturbations, means = make_perturbations(images, "mean", ("bilinear",))
    sweep = stability_sweep(ObservedNetwork(network), images, perturbations, means, draws=DRAWS, batch_size=5)
    assert sweep.squared_distance.shape == (2, 3, 5, 5, DRAWS)
    norms = displacement_norm(images, "bilinear", DRAWS)
    torch.testing.assert_close(sweep.squared_distance[DIFFEO, :, 0], norms**2, rtol=1e-4, atol=0)


@pytest.mark.parametrize(("precision", "tolerance"), [("auto", 1e-5), ("float64", 1e-11)])
def test_sweep_does_not_depend_on_the_batch_size(precision: str, tolerance: float) -> None:
    network, images = narrow_resnet(), probe()
    whole = sweep_of(network, images, batch_size=len(images), precision=precision)
    for batch_size in (1, 7):
        parts = sweep_of(network, images, batch_size=batch_size, precision=precision)
        for name in FIELDS:
            scale = getattr(whole, name).abs().mean(dim=-1, keepdim=True)
            difference = (getattr(parts, name) - getattr(whole, name)).abs() / scale
            assert difference.max() < tolerance, (name, batch_size)


def identity_sweep(noise_norm: str, interpolation: str) -> tuple[Sweep, Tensor]:
    images = probe(40, channels=1)
    perturbations, means = make_perturbations(images, noise_norm, (interpolation,))
    observed = ObservedNetwork(nn.Sequential(nn.Flatten()))
    assert [operation.name for operation in observed.operations] == ["input", "logits", "softmax"]
    sweep = stability_sweep(observed, images, perturbations, means, draws=DRAWS, batch_size=16, precision="float64")
    return sweep, displacement_norm(images, interpolation, DRAWS)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "gaussian"])
def test_identity_network_has_r_exactly_1_with_matched_noise(interpolation: str) -> None:
    sweep, _ = identity_sweep("matched", interpolation)
    average = sweep.squared_distance[:, :, :2].mean(dim=(3, 4))
    torch.testing.assert_close(average[DIFFEO] / average[NOISE], torch.ones(3, 2, dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("interpolation", ["bilinear", "gaussian"])
def test_identity_network_has_r_1_plus_the_squared_variation_of_the_norms_with_mean_noise(interpolation: str) -> None:
    sweep, norms = identity_sweep("mean", interpolation)
    average = sweep.squared_distance[:, :, :2].mean(dim=(3, 4))
    variation = norms.flatten(1).std(dim=1, correction=0) / norms.flatten(1).mean(dim=1)
    assert (variation > 0.1).all()
    expected = (1 + variation**2)[:, None].expand(3, 2)
    torch.testing.assert_close(average[DIFFEO] / average[NOISE], expected, rtol=1e-12, atol=0)


def test_the_input_moves_by_the_norm_of_the_displacement() -> None:
    sweep, norms = identity_sweep("mean", "gaussian")
    for layer in (0, 1):
        torch.testing.assert_close(sweep.squared_distance[DIFFEO, :, layer], norms**2, rtol=1e-12, atol=0)


class Shells:
    """Noise of given norms in `radii`, the same for every image."""

    def __init__(self, images: Tensor, norms: Tensor, draws: int) -> None:
        self.means = norms[None]
        self.perturbations: list[Perturbation] = [Noise(for_all(norms, len(images), draws), "bilinear", SEED)]

    def sweep(self, network: nn.Module, images: Tensor, draws: int) -> Sweep:
        observed = ObservedNetwork(network, every_operation=False)
        return stability_sweep(observed, images, self.perturbations, self.means, draws=draws, batch_size=50, precision="float64")


def test_linear_network_has_g_over_r2_constant_and_equal_to_its_closed_form() -> None:
    torch.manual_seed(0)
    images, draws, norms = probe(200, channels=1, size=8), 4, torch.tensor([1e-4, 1e-2, 1.0, 30.0], dtype=torch.float64)
    linear = nn.Linear(64, 6)
    sweep = Shells(images, norms, draws).sweep(nn.Sequential(nn.Flatten(), linear), images, draws)
    delta = 2 * sweep.squared_deviation[0, 1].sum() / (len(images) - 1)
    per_sample = sweep.squared_distance[0, :, 1] / norms[:, None, None] ** 2 / delta
    ratio = per_sample.mean(dim=(1, 2))
    torch.testing.assert_close(ratio, ratio[-1].expand(4), rtol=1e-7, atol=0)
    weight = linear.weight.detach().double()
    exact_delta = 2 * (weight @ images.double().flatten(1).T.cov() @ weight.T).trace()
    torch.testing.assert_close(delta, exact_delta, rtol=1e-10, atol=0)
    closed_form = weight.square().sum() / 64 / exact_delta
    samples = per_sample[-1].flatten()
    error = samples.std() / math.sqrt(len(samples))
    assert error / closed_form < 0.03
    assert abs(ratio[-1] - closed_form) < 5 * error


def test_isometry_moves_by_r_in_every_direction_and_by_lambda_of_the_way() -> None:
    """For the identity G' = G = r²/Delta, and Lambda = λ², of each image alone."""
    images = probe()
    radii, fractions = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64), torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    moved: list[Perturbation] = [
        Noise(for_all(radii, COUNT, DRAWS), "bilinear", SEED),
        Towards(for_all(radii, COUNT, DRAWS), SEED, images),
        Segment(for_all(fractions, COUNT, DRAWS), SEED, images),
    ]
    observed = ObservedNetwork(nn.Sequential(nn.Flatten()), every_operation=False)
    norms = torch.full((3, 3), torch.inf)
    sweep = stability_sweep(observed, images, moved, norms, draws=DRAWS, batch_size=4, precision="float64")
    squares = sweep.squared_distance[:, :, 1]
    expected = (radii**2)[:, None, None].expand(3, COUNT, DRAWS)
    torch.testing.assert_close(squares[0], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(squares[1], expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(squares[2], fractions[:, None, None] ** 2 * squares[2, -1], rtol=1e-12, atol=0)


def test_relu_network_has_g_over_r2_flat_below_its_first_kink() -> None:
    torch.manual_seed(0)
    images, draws = probe(20, channels=1, size=8), 2
    hidden, read_out = nn.Linear(64, 30), nn.Linear(30, 4)
    network = nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), read_out)
    with torch.no_grad():
        margins = (hidden(images.flatten(1)).abs() / hidden.weight.norm(dim=1)).double()  # distance of each image to each kink
    first = margins.min()
    norms = first * torch.tensor([1e-3, 1e-2, 0.1, 0.99, 1e5], dtype=torch.float64)
    sweep = Shells(images, norms, draws).sweep(network, images, draws)
    ratio = sweep.squared_distance[0, :, 1].mean(dim=(1, 2)) / norms**2
    torch.testing.assert_close(ratio[:4], ratio[0].expand(4), rtol=1e-6, atol=0)
    assert abs(ratio[4] / ratio[0] - 1) > 1e-3, "far beyond the kinks the network is another linear map"


def test_squared_deviation_gives_the_mean_over_all_distinct_pairs() -> None:
    images = probe()
    perturbations, means = make_perturbations(images, "mean", ("bilinear",))
    observed = ObservedNetwork(narrow_resnet())
    sweep = stability_sweep(observed, images, perturbations, means, draws=DRAWS, batch_size=4, precision="float64")
    activations: list[Tensor] = []
    with torch.no_grad():
        observed.module.double()
        observed(images.double(), lambda _, activation: activations.append(activation.flatten(1)))
    for layer, activation in enumerate(activations):
        pairs = [(a - b).square().sum() for i, a in enumerate(activation) for j, b in enumerate(activation) if i != j]
        expected = torch.stack(pairs).mean()
        found = 2 * sweep.squared_deviation[0, layer].sum() / (len(images) - 1)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


def test_auto_takes_float64_only_below_the_small_radius() -> None:
    images = probe()
    seen: list[tuple[float, torch.dtype]] = []

    class Spy(Noise):
        def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
            seen.append((float(amount[0] / limit), probe.images.dtype))
            return super().move(probe, direction, amount)

    limit = 1e-2 / 55 * images.double().flatten(1).norm(dim=1).mean()
    relative = [0.5, 0.75, 1.25, 2.0]
    norms = limit * torch.tensor(relative, dtype=torch.float64)
    spy: list[Perturbation] = [Spy(for_all(norms, len(images), 1), "bilinear", SEED)]
    observed = ObservedNetwork(narrow_resnet())
    sweep = stability_sweep(observed, images, spy, norms[None], draws=1, batch_size=len(images))
    assert {round(amount, 6): kind for amount, kind in seen} == dict(
        zip(relative, [torch.float64, torch.float64, torch.float32, torch.float32], strict=True)
    )
    assert next(observed.module.parameters()).dtype == torch.float32
    exact = stability_sweep(observed, images, spy, norms[None], draws=1, batch_size=len(images), precision="float64")
    for strength, tolerance in ((0, 1e-12), (1, 1e-12), (2, 0.1), (3, 0.1)):
        error = (sweep.squared_distance[0, strength] / exact.squared_distance[0, strength] - 1).abs().max()
        assert error < tolerance
        assert (error > 1e-9) == (strength >= 2)


def test_no_motion_needs_no_float64() -> None:
    images = probe()
    kinds: list[torch.dtype] = []

    class Spy(Noise):
        def move(self, probe: Probe, direction: Tensor, amount: Tensor) -> Tensor:
            kinds.append(probe.images.dtype)
            return super().move(probe, direction, amount)

    spy: list[Perturbation] = [Spy(for_all(torch.zeros(1), len(images), 1), "bilinear", SEED)]
    observed = ObservedNetwork(narrow_resnet())
    sweep = stability_sweep(observed, images, spy, torch.zeros(1, 1), draws=1, batch_size=4)
    assert set(kinds) == {torch.float32}
    assert not sweep.squared_distance.any()


def test_read_out_sees_the_logits_of_the_moved_and_of_the_reference_images() -> None:
    images = probe()
    perturbations, means = make_perturbations(images, "mean", ("bilinear", "gaussian"))

    def read_out(logits: Tensor, reference: Tensor, index: Tensor) -> Tensor:
        return torch.stack((logits[:, 1], reference[:, 2], index.to(logits.dtype)), dim=1)

    options = {"draws": DRAWS, "batch_size": 4}
    all_of_them = stability_sweep(ObservedNetwork(narrow_resnet()), images, perturbations, means, **options)
    some = stability_sweep(ObservedNetwork(narrow_resnet()), images, perturbations, means, read_out=read_out, **options)
    assert some.read_out.shape == (4, 3, COUNT, DRAWS, 3)
    assert torch.equal(some.read_out[..., 0], all_of_them.read_out[..., 1])
    for row, reference in enumerate((0, 0, 1, 1)):  # diffeo and noise of bilinear, then of gaussian
        expected = all_of_them.reference_read_out[reference, :, 2][:, None].expand(-1, DRAWS)
        assert torch.equal(some.read_out[row, 1, ..., 1], expected)
    assert torch.equal(some.read_out[0, 0, :, 1, 2], torch.arange(COUNT).double())
    assert torch.equal(some.reference_read_out[..., 0], all_of_them.reference_read_out[..., 1])


def test_gaussian_interpolation_compares_with_smoothed_images_and_adds_noise_to_them() -> None:
    images = probe(channels=1)
    perturbations, means = make_perturbations(images, "mean", ("bilinear", "gaussian"))
    observed = ObservedNetwork(nn.Sequential(nn.Flatten()))
    sweep = stability_sweep(observed, images, perturbations, means, draws=1, batch_size=4, precision="float64")
    blurred = smooth(images.double(), "gaussian").flatten(1)
    assert (blurred - images.flatten(1)).norm(dim=1).min() > 0.1
    torch.testing.assert_close(sweep.reference_read_out[0], images.double().flatten(1), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(sweep.reference_read_out[1], blurred, rtol=1e-12, atol=1e-12)
    direction = isotropic_direction(SEED, torch.arange(len(images)), 0, images.shape[1:]).flatten(1)
    for strength in range(3):
        torch.testing.assert_close(
            sweep.read_out[3, strength, :, 0], blurred + means[3, strength] * direction, rtol=1e-10, atol=1e-10
        )


def test_gaussian_alone_has_one_reference_row() -> None:
    images = probe()
    perturbations, means = make_perturbations(images, "mean", ("gaussian",))
    sweep = stability_sweep(ObservedNetwork(narrow_resnet()), images, perturbations, means, draws=DRAWS, batch_size=4)
    both = sweep_of(narrow_resnet(), images)
    assert sweep.squared_deviation.shape[0] == 1
    torch.testing.assert_close(sweep.squared_deviation[0], both.squared_deviation[1], rtol=1e-5, atol=1e-9)
    assert not torch.allclose(both.squared_deviation[0], both.squared_deviation[1], rtol=1e-2)


def test_progress_wraps_the_batches() -> None:
    images, lengths = probe(), []

    def progress(batches: list[Tensor]) -> list[Tensor]:
        lengths.append([len(batch) for batch in batches])
        return batches

    perturbations, means = make_perturbations(images, "mean", ("bilinear",))
    observed, options = ObservedNetwork(narrow_resnet()), {"draws": 1, "batch_size": 4, "precision": "float64"}
    stability_sweep(observed, images, perturbations, means, progress=progress, **options)
    assert lengths == [[4, 4, 1]]


def test_unknown_precision_is_refused() -> None:
    images = probe()
    perturbations, means = make_perturbations(images, "mean", ("bilinear",))
    with pytest.raises(ValueError, match=r"^precision: 'float16' is not allowed; choose auto or float64$"):
        stability_sweep(
            ObservedNetwork(narrow_resnet()), images, perturbations, means, draws=1, batch_size=4, precision="float16"
        )


def test_flat_follows_the_memory_order_and_copies_nothing() -> None:
    activation = torch.randn(3, 4, 5, 6).to(memory_format=torch.channels_last)
    assert flat(activation).data_ptr() == activation.data_ptr()
    assert torch.equal(flat(activation).sort(dim=1).values, activation.flatten(1).sort(dim=1).values)
    assert torch.equal(squared_norm(torch.tensor([[3.0, 4.0], [0.0, 2.0]])), torch.tensor([25.0, 4.0]))


def test_images_per_batch_counts_every_observed_activation() -> None:
    network = ObservedNetwork(nn.Sequential(nn.Flatten(), nn.Linear(100, 1000), nn.ReLU(), nn.Linear(1000, 10)))
    numbers = 100 + 1000 + 1000 + 10 + 10 + 4 * 1000
    probe = torch.zeros(1, 1, 10, 10).expand(10_000, -1, -1, -1)
    assert images_per_batch(network, probe, 10) == 10 * 2**20 // (8 * numbers) < 10_000
    assert images_per_batch(network, probe, 0) == 1
    assert images_per_batch(network, probe, 10**6) == 10_000


def test_all_images_are_in_one_batch_where_batch_norm_takes_its_statistics() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(100, 10), nn.BatchNorm1d(10)).eval()
    probe = torch.zeros(500, 1, 10, 10)
    assert images_per_batch(ObservedNetwork(network), probe, 0) == 1
    use_batch_statistics(network)
    assert images_per_batch(ObservedNetwork(network), probe, 0) == 500


def test_a_batch_whose_statistics_count_is_not_halved() -> None:
    images = probe()
    network = narrow_resnet()
    use_batch_statistics(network)
    perturbations, means = make_perturbations(images, "mean", ("bilinear",))

    def read_out(logits: Tensor, reference_logits: Tensor, index: Tensor) -> Tensor:
        if len(index) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return logits

    with pytest.raises(torch.OutOfMemoryError):
        stability_sweep(
            ObservedNetwork(network), images, perturbations, means, draws=1, batch_size=len(images), read_out=read_out
        )
