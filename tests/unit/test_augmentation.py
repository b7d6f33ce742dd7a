import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.diffeo.augmentation import draw_flips, draw_offsets, normalise, random_crop, random_flip

ints = st.integers


def some_images(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    shape = (count, channels, height, width)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@settings(max_examples=30, deadline=None)
@given(count=ints(1, 5), channels=ints(1, 3), height=ints(1, 6), width=ints(1, 6), padding=ints(0, 3), seed=ints(0, 99))
def test_crop_equals_a_loop_over_images(count: int, channels: int, height: int, width: int, padding: int, seed: int) -> None:
    images = some_images(count, channels, height, width)
    offsets = draw_offsets(count, padding, torch.Generator().manual_seed(seed))
    expected = torch.zeros_like(images)
    for image in range(count):
        canvas = torch.zeros(channels, height + 2 * padding, width + 2 * padding, dtype=torch.uint8)
        canvas[:, padding : padding + height, padding : padding + width] = images[image]
        row, column = offsets[image].tolist()
        expected[image] = canvas[:, row : row + height, column : column + width]
    assert torch.equal(random_crop(images, padding, offsets), expected)


def test_central_crop_is_the_image_and_the_border_is_black() -> None:
    images = some_images(3, 1, 5, 5)
    assert torch.equal(random_crop(images, 2, torch.full((3, 2), 2)), images)
    corner = random_crop(images, 2, torch.zeros(3, 2, dtype=torch.int64))
    assert corner[:, :, :2].sum() == 0 and corner[:, :, :, :2].sum() == 0
    assert torch.equal(corner[:, :, 2:, 2:], images[:, :, :3, :3])


def test_offsets_are_uniform_over_all_positions() -> None:
    offsets = draw_offsets(90_000, 1, torch.Generator().manual_seed(0))
    counts = torch.bincount(offsets[:, 0] * 3 + offsets[:, 1], minlength=9)
    assert ((counts - 10_000).abs() < 5 * (10_000 * 8 / 9) ** 0.5).all()


def test_flip_mirrors_the_chosen_images_only() -> None:
    images = some_images(4, 3, 2, 5)
    flipped = random_flip(images, torch.tensor([True, False, True, False]))
    assert torch.equal(flipped[1::2], images[1::2])
    assert flipped[0, 2, 1].tolist() == images[0, 2, 1].tolist()[::-1]
    assert flipped[2, 0, 0].tolist() == images[2, 0, 0].tolist()[::-1]


def test_half_of_the_images_are_flipped() -> None:
    flips = draw_flips(10_000, torch.Generator().manual_seed(0))
    assert abs(flips.sum().item() - 5_000) < 5 * 50


def test_normalise() -> None:
    images = torch.tensor([[[[0, 255]], [[51, 102]]]], dtype=torch.uint8)
    mean, deviation = torch.tensor([0.5, 0.2], dtype=torch.float64), torch.tensor([0.25, 0.1], dtype=torch.float64)
    expected = torch.tensor([[[[-2.0, 2.0]], [[0.0, 2.0]]]], dtype=torch.float64)
    assert (normalise(images, mean, deviation) - expected).abs().max() < 1e-12
    assert images.flatten().tolist() == [0, 255, 51, 102]
