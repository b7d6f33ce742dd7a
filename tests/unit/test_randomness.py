import hashlib
import math

import pytest
import torch
from scipy import stats

from workflow_scripts.diffeo.randomness import WORD, derive_seed, philox, standard_normal

KNOWN_ANSWERS = [  # Random123, kat_vectors: philox 4x32, 10 rounds
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD,) * 4, (WORD,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter, key, expected):
    words = philox(tuple(torch.tensor(word) for word in counter), key)
    assert tuple(int(word) for word in words) == expected


def test_derived_seeds_are_stable_for_ever():
    expected = int(hashlib.sha256(b"7/train/3").hexdigest()[:16], 16) >> 1
    assert derive_seed(7, "train", 3) == expected
    assert 0 <= derive_seed(7, "train", 3) < 2**63
    assert len({derive_seed(7), derive_seed(7, "a"), derive_seed(8, "a"), derive_seed(7, "a", 0)}) == 4


def test_numbers_are_box_muller_of_the_cipher():
    seed, image, draw = derive_seed(5, "noise"), 11, 2
    counter = tuple(torch.tensor(word) for word in (3, draw, image, 0))
    a, b, c, d = (int(word) for word in philox(counter, (seed & WORD, seed >> 32)))
    u1, u2 = ((((high << 21) | (low >> 11)) | 1) * 2.0**-53 for high, low in ((a, b), (c, d)))
    radius, angle = math.sqrt(-2 * math.log(u1)), 2 * math.pi * u2
    numbers = standard_normal(5, "noise", torch.tensor([image]), draw, 9)[0, 6:8].tolist()
    assert numbers == pytest.approx([radius * math.cos(angle), radius * math.sin(angle)], abs=1e-13)


def test_numbers_are_normal():
    numbers = standard_normal(0, "noise", torch.arange(200), 0, 1000).flatten()
    assert stats.kstest(numbers.numpy(), "norm").pvalue > 1e-4
    pairs = numbers.view(-1, 2)
    assert abs(torch.corrcoef(pairs.T)[0, 1]) < 5 / len(pairs) ** 0.5


def test_every_name_of_a_number_counts():
    index = torch.tensor([0, 1])
    rows = [
        standard_normal(0, "noise", index, 0, 8),
        standard_normal(1, "noise", index, 0, 8),
        standard_normal(0, "deformation", index, 0, 8),
        standard_normal(0, "noise", index, 1, 8),
    ]
    assert len(torch.cat(rows).flatten().unique()) == 4 * 2 * 8


def test_draws_may_differ_from_image_to_image():
    mixed = standard_normal(0, "noise", torch.tensor([4, 4, 9]), torch.tensor([0, 3, 3]), 5)
    single = [standard_normal(0, "noise", torch.tensor([image]), draw, 5) for image, draw in ((4, 0), (4, 3), (9, 3))]
    assert torch.equal(mixed, torch.cat(single))


@pytest.mark.parametrize("index", [torch.tensor([-1]), torch.tensor([2**32]), torch.tensor([0.5])])
def test_impossible_indices_are_refused(index):
    with pytest.raises(ValueError, match="image_index must hold integers from 0 to 4294967295"):
        standard_normal(0, "noise", index, 0, 4)


def test_draws_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"image_index must have shape \(B,\)"):
        standard_normal(0, "noise", torch.arange(3), torch.arange(2), 4)
