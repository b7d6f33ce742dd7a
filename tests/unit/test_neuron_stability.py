"""α of neurons: against one full forward pass for everything, closed forms, a rotation-invariant pair of layers."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from workflow_scripts.diffeo.affine import TRANSFORMS, affine_maps, amounts, random_angles, transformed_windows
from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.neuron_stability import (
    Firing,
    NeuronResponses,
    NeuronStability,
    PatchSet,
    Site,
    Strength,
    firing_at,
    neuron_stability,
    shared_patches,
    sites_of,
    union_of,
)
from workflow_scripts.diffeo.operations import ObservedNetwork
from workflow_scripts.diffeo.patches import Patches, strongest_patches

STRENGTHS: list[Strength] = [("frobenius", 1.0), ("displacement", 0.7)]
SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "vgg11_bn": {"architecture": "vgg11_bn", "width": 0.05},
    "vgg11_bn_antialiased": {"architecture": "vgg11_bn", "width": 0.05, "antialiased": True},
    "resnet18": {"architecture": "resnet18", "width": 0.05},
    "lenet": {"architecture": "lenet"},
    "simple_cnn": {"architecture": "simple_cnn", "width": 0.05, "depth": 3, "filter_size": 5},
}


def images(count: int, shape: tuple[int, int, int] = (2, 29, 26), dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def observed_network(name: str, shape: tuple[int, int, int] = (2, 29, 26), dtype: torch.dtype = torch.float64) -> ObservedNetwork:
    network = build_network(SPECIFICATIONS[name], input_shape=shape, classes=3, seed=0).to(dtype).eval()
    return ObservedNetwork(network)


def measured(responses: NeuronResponses, patches: PatchSet, rate: float = 0.3, **options: Any) -> list[NeuronStability]:
    unmoved = responses.unmoved(patches.image, patches.position)
    firing = [firing_at(still, rate) for still in unmoved]
    return neuron_stability(responses, patches, unmoved, firing, **({"strengths": STRENGTHS, "draws": 2, "seed": 4} | options))


def activations_at(observed: ObservedNetwork, x: Tensor, operation: int, channel: int, position: Tensor) -> Tensor:
    """One neuron, from forward passes of whole images."""
    found = {}
    with torch.no_grad():
        observed(x, lambda index, activation: found.update({index: activation}))
    return found[operation][:, channel, position[0], position[1]]


def naive_responses(
    observed: ObservedNetwork, x: Tensor, site: Site, operation: int, channel: int, image: int, position: Tensor
) -> tuple[Tensor, Tensor]:
    """a(x), and a(τx) of every transform and strength (V, draw), from whole images."""
    region = site.region(position[None])
    index = torch.tensor([(image * site.map_size[0] + int(position[0])) * site.map_size[1] + int(position[1])])
    whole = (torch.zeros(1, 2).long(), site.image_size)
    moved = []
    for transform in TRANSFORMS:
        for norm, value in STRENGTHS:
            for draw in range(2):
                angle = random_angles(transform, 4, index, 2)[:, draw]
                gradient, translation = affine_maps(transform, amounts(transform, norm, value, region), angle)
                moved.append(transformed_windows(x[image][None], region, gradient[None], translation[None], *whole)[0, 0])
    found = activations_at(observed, torch.stack([x[image], *moved]), operation, channel, position)
    return found[0], found[1:].view(-1, 2)


@pytest.mark.parametrize("name", SPECIFICATIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_as_with_one_forward_pass_for_each_neuron_transform_and_patch(name: str, dtype: torch.dtype, tolerance: float) -> None:
    observed, x = observed_network(name, dtype=dtype), images(3, dtype=dtype)
    sites = sites_of(observed, x[:1])
    for number, site in enumerate(sites[:: max(1, len(sites) // 4)]):
        image = torch.tensor([2, 0, 1])
        corners = [[0, 0], [edge - 1 for edge in site.map_size], [edge // 2 for edge in site.map_size]]
        position = torch.tensor(corners).roll(number, 0)
        responses = NeuronResponses(observed, site, x, 50)
        unmoved = responses.unmoved(image, position)
        patches = shared_patches(image, position, [still.shape[1] for still in unmoved])
        for operation, result, still in zip(site.operations, measured(responses, patches), unmoved, strict=True):
            channel = number % still.shape[1]
            naive = [
                naive_responses(observed, x, site, operation, channel, int(i), p) for i, p in zip(image, position, strict=True)
            ]
            before, after = (torch.stack(part) for part in zip(*naive, strict=True))
            torch.testing.assert_close(still[:, channel], before, rtol=tolerance, atol=tolerance)
            change = (after - before[:, None, None]).square().mean(dim=2)
            close = {"rtol": tolerance, "atol": tolerance * float(change.max())}
            torch.testing.assert_close(result.change[0, :, channel].to(dtype), change.mean(dim=0), **close)
            error = (change.var(dim=0, correction=1) / 3).sqrt()
            torch.testing.assert_close(result.change_error[0, :, channel].to(dtype), error, **close)
            threshold = before.sort().values[1]  # a rate of 0.3 of three patches is one
            fires = (after[before > threshold] > threshold).double().mean(dim=(0, 2))
            torch.testing.assert_close(result.local_firing_rate[0, :, channel], fires, equal_nan=True)


@pytest.mark.parametrize("name", ["lenet", "resnet18"])
def test_the_memory_budget_changes_nothing(name: str) -> None:
    observed, x = observed_network(name), images(5)
    site = sites_of(observed, x[:1])[1]
    found = strongest_patches(observed, x, site.operations, 3, batch_size=5)
    patches = union_of([found[operation] for operation in site.operations], site.map_size)
    large, small = (NeuronResponses(observed, site, x, memory) for memory in (500, 1))
    small.batch_size = 7  # fewer crops than a patch has transforms
    for one, other in zip(measured(large, patches), measured(small, patches), strict=True):
        for first, second in zip(one, other, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-10, atol=1e-14, equal_nan=True)


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_crops_hold_the_boxes_and_keep_strides_aligned(name: str) -> None:
    observed = observed_network(name)
    for site in sites_of(observed, images(1)):
        position = torch.cartesian_prod(*map(torch.arange, site.map_size))
        start, size, region = site.crop_start(position), torch.tensor(site.crop_size), site.region(position)
        assert bool((start >= 0).all() and (start + size <= torch.tensor(site.image_size)).all())
        assert bool((start <= region.first).all() and (region.last < start + size).all())
        jump, edges = torch.tensor(site.box.jump), torch.tensor(site.image_size)
        assert bool((start % jump == 0).all())
        ends = site.first_pixel(position) + torch.tensor(site.box.size)
        assert bool(((ends <= edges) | (start + size == edges)).all())


def test_a_convolution_and_its_relu_are_one_site() -> None:
    observed = observed_network("vgg11_bn")
    sites = sites_of(observed, images(1))
    kinds = [[observed.operations[index].kind for index in site.operations] for site in sites]
    assert kinds == [["convolution", "activation"]] * 8
    assert [site.box.size[0] for site in sites[:3]] == [3, 8, 18]


def ramp_network() -> tuple[ObservedNetwork, Tensor, Tensor]:
    """A linear filter w (5 × 5) on images g · s, with the gradient g of the images."""
    network = nn.Sequential(nn.Conv2d(1, 3, 5, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    slope = torch.tensor([0.3, -0.8], dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(torch.arange(21.0), torch.arange(21.0), indexing="ij"), dim=-1).double()
    return ObservedNetwork(network.eval()), (grid @ slope)[None, None].expand(4, 1, 21, 21), slope


def test_linear_network_has_its_closed_form() -> None:
    """On a ramp a(τx) − a(x) = −Σ w(s) g · d(s): moments of the filter say it all."""
    observed, x, slope = ramp_network()
    (site,) = {site for site in sites_of(observed, x[:1]) if site.operations[0] == 1}
    filters = observed.module.get_submodule("0").weight.detach()[:, 0]
    offsets = torch.arange(5).double() - 2
    moment = torch.stack(((filters * offsets[:, None]).sum((1, 2)), (filters * offsets).sum((1, 2))), dim=1)  # (channel, 2)
    draws, amount = 400, 0.5
    position = torch.tensor([[7, 8], [9, 6], [8, 8], [6, 9]])
    responses = NeuronResponses(observed, site, x, 100)
    patches = shared_patches(torch.arange(4), position, [3, 3])
    found = measured(responses, patches, strengths=[("frobenius", amount)], draws=draws)[0].change[0]
    alpha = dict(zip(TRANSFORMS, found, strict=True))
    along = moment @ slope
    across = moment @ torch.stack((slope[1], -slope[0]))
    lost = amount**2 / 4
    closed = {
        "compression": amount**2 / 2 * along.square(),
        "shear": amount**2 / 4 * slope.square().sum() * moment.square().sum(1),
        "translation": amount**2 / 2 * slope.square().sum() * filters.sum((1, 2)).square(),
    }
    torch.testing.assert_close(alpha["compression"], closed["compression"], rtol=1e-10, atol=0)
    samples = 4 * draws
    for transform in ("shear", "translation"):  # cos² of a random angle: mean 1/2, variance 1/8
        assert float((alpha[transform] / closed[transform] - 1).abs().max()) < 5 * 0.5**0.5 / samples**0.5
    both = [(lost * along + sign * math.sqrt(lost * (2 - lost)) * across).square() for sign in (1, -1)]
    share = (alpha["rotation"] - both[1]) / (both[0] - both[1])  # of one sign, the same for every channel
    torch.testing.assert_close(share, share[:1].expand(3), rtol=1e-9, atol=1e-9)
    assert abs(float(share[0]) - 0.5) < 5 * 0.5 / samples**0.5


def rotation_invariant_pair() -> ObservedNetwork:
    """Four copies of a filter, each turned by 90° more, ReLUs, and a second layer that adds them up."""
    network = nn.Sequential(
        nn.Conv2d(1, 4, 5, bias=False), nn.ReLU(), nn.Conv2d(4, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).double()
    filters = torch.randn(5, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        network[0].weight.copy_(torch.stack([torch.rot90(filters, turns) for turns in range(4)])[:, None])
        network[2].weight.fill_(1)
    return ObservedNetwork(network.eval())


def test_rotated_copies_that_are_pooled_do_not_notice_a_rotation() -> None:
    observed, x = rotation_invariant_pair(), images(20, (1, 12, 12))
    site = sites_of(observed, x[:1])[0]
    assert len(site.operations) == 3
    patches = shared_patches(torch.arange(20), torch.arange(20)[:, None].expand(20, 2) % 8, [4, 4, 1])
    found = measured(NeuronResponses(observed, site, x, 100), patches, strengths=[("frobenius", 2.0)])  # by 90°
    pooled, copies = (dict(zip(TRANSFORMS, found[place].change[0].mean(dim=1), strict=True)) for place in (2, 1))
    assert float(pooled["rotation"]) < 1e-20 * float(pooled["translation"])
    assert float(copies["rotation"]) > 0.3 * float(copies["translation"])


def test_firing_threshold_leaves_the_wanted_fraction_above() -> None:
    activation = torch.stack((torch.arange(10.0), torch.tensor([0.0] * 9 + [2.0]), torch.zeros(10)), dim=1)
    firing = firing_at(activation, 0.2)
    assert firing.threshold.tolist() == [7, 0, 0]
    assert firing.rate.tolist() == pytest.approx([0.2, 0.1, 0])


def test_local_firing_rate_is_over_the_patches_on_which_a_neuron_fires() -> None:
    observed, x = observed_network("lenet"), images(6)
    site = sites_of(observed, x[:1])[0]
    responses = NeuronResponses(observed, site, x, 100)
    patches = shared_patches(torch.arange(6), torch.arange(6)[:, None].expand(6, 2) + 3, [6, 6])
    unmoved = responses.unmoved(patches.image, patches.position)
    options: dict[str, Any] = {"draws": 1, "seed": 0}
    nothing_moves = neuron_stability(
        responses, patches, unmoved, [firing_at(a, 0.5) for a in unmoved], [("frobenius", 0.0)], **options
    )
    assert nothing_moves[0].local_firing_rate.eq(1).all()
    assert nothing_moves[0].change.eq(0).all()
    never = [Firing(still.amax(0), still.new_zeros(6)) for still in unmoved]
    assert neuron_stability(responses, patches, unmoved, never, STRENGTHS, **options)[0].local_firing_rate.isnan().all()


def test_union_holds_each_patch_once_and_knows_whose_it_is() -> None:
    image = torch.tensor([[4, 1], [1, 4]])
    position = torch.tensor([[[0, 2], [1, 1]], [[1, 1], [0, 1]]])
    one = Patches(image, position, torch.zeros(2, 2))
    other = Patches(image[:1], position[:1], torch.zeros(1, 2))
    patches = union_of([one, other], (2, 3))
    assert patches.image.tolist() == [1, 4, 4]
    assert patches.position.tolist() == [[1, 1], [0, 1], [0, 2]]
    strongest, all_of_them = patches.chosen[0]
    assert strongest.T.tolist() == [[False, False, True], [True, False, False]]
    assert all_of_them.T.tolist() == [[True, False, True], [True, True, False]]
    assert patches.chosen[1][0].T.tolist() == [[False, False, True]]
