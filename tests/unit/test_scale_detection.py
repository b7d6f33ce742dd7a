import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.diffeo.scale_detection import scale_detection

# Of the numbers of rows and columns between two pixels.
NORMS = {"euclidean": np.hypot, "maximum": np.maximum, "manhattan": np.add}


def distances(images, norm="euclidean", periodic=False):
    count, _, _, size = images.shape
    lit = np.nonzero(images.reshape(count, size * size))
    assert (np.bincount(lit[0], minlength=count) == 2).all()  # two distinct pixels in each image
    rows, columns = (part.reshape(count, 2) for part in np.divmod(lit[1], size))
    between = [np.abs(np.diff(positions, axis=1))[:, 0] for positions in (rows, columns)]
    return NORMS[norm](*(np.minimum(part, size - part) if periodic else part for part in between))


def obvious_pairs(size, scale, gap, norm, periodic):
    """All unordered pairs of pixels of each class, by loops."""
    pixels = [(row, column) for row in range(size) for column in range(size)]
    pairs = {0: set(), 1: set()}
    for first in range(len(pixels)):
        for second in range(first + 1, len(pixels)):
            between = [abs(one - other) for one, other in zip(pixels[first], pixels[second], strict=True)]
            if periodic:
                between = [min(part, size - part) for part in between]
            distance = NORMS[norm](*between)
            if distance >= scale + gap / 2:
                pairs[1].add((first, second))
            elif distance < scale - gap / 2:
                pairs[0].add((first, second))
    return pairs


def test_default_images_have_the_stated_distances_and_values():
    images, labels = scale_detection(4001, seed=3)
    assert images.shape == (4001, 1, 28, 28) and images.dtype == np.uint8 and labels.dtype == np.int64
    assert set(np.unique(images)) == {0, 255}
    distance = distances(images)
    assert (distance[labels == 1] >= 15).all() and (distance[labels == 0] < 13).all()
    assert abs(int((labels == 1).sum()) - int((labels == 0).sum())) == 1
    assert distance[labels == 1].min() == 15


@pytest.mark.parametrize(
    ("arguments", "digest"),
    [
        ({}, "dee9c4d24a5e044b95ecb6375ce20de5bf8ffd495bd970ef540f0e68c3fc642f"),
        ({"size": 17, "scale": 5.5, "gap": 1.5}, "1a8953093d36ead7ae1ff63d697f6b0c741cb12153528e0748ebf45153b1f672"),
    ],
)
def test_images_of_a_seed_never_change(arguments, digest):
    images, labels = scale_detection(1000, seed=7, **arguments)
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == digest


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("size", "scale", "gap"), [(5, 1.75, 0.5), (6, 2.5, 1)])  # half of an even edge is its own opposite
def test_every_admissible_pair_is_equally_probable(size, scale, gap, norm, periodic):
    count = 60_000
    images, labels = scale_detection(count, size=size, scale=scale, gap=gap, norm=norm, periodic=periodic, seed=11)
    lit = np.nonzero(images.reshape(count, -1))[1].reshape(count, 2)
    for label, expected in obvious_pairs(size, scale, gap, norm, periodic).items():
        found, times = np.unique(lit[labels == label], axis=0, return_counts=True)
        assert {tuple(pair) for pair in found.tolist()} == expected
        mean = (labels == label).sum() / len(expected)
        chi_squared = ((times - mean) ** 2 / mean).sum()
        freedom = len(expected) - 1
        assert abs(chi_squared - freedom) < 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("norm", NORMS)
@settings(max_examples=20, deadline=None)
@given(
    size=st.integers(8, 14),
    scale=st.integers(2, 3),
    gap=st.sampled_from([0, 0.5, 1, 1.5]),
    count=st.integers(0, 40),
    seed=st.integers(0, 2**63),
)
def test_classes_keep_their_side_of_the_gap_and_every_prefix_is_balanced(norm, periodic, size, scale, gap, count, seed):
    images, labels = scale_detection(count, size=size, scale=scale, gap=gap, norm=norm, periodic=periodic, seed=seed)
    distance = distances(images, norm, periodic)
    assert (np.where(labels == 1, distance >= scale + gap / 2, distance < scale - gap / 2)).all()
    assert (np.abs(np.cumsum(2 * labels - 1)) <= 1).all()


def test_same_seed_same_images_and_longer_draws_continue_shorter_ones():
    images, labels = scale_detection(300, seed=5)
    again, same = scale_detection(300, seed=5)
    shorter, fewer = scale_detection(101, seed=5)
    other, _ = scale_detection(300, seed=6)
    assert (images == again).all() and (labels == same).all()
    assert (images[:101] == shorter).all() and (labels[:101] == fewer).all()
    assert (images != other).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"size": 8, "scale": 14},
            "size = 8, scale = 14, gap = 2, norm = euclidean and periodic = false no two distinct pixels "
            "have a distance >= 15.0, so class 1",
        ),
        ({"norm": "maximum", "periodic": True}, "norm = maximum and periodic = true .* a distance >= 15.0, so class 1"),
        ({"scale": 2, "gap": 2}, "distance < 1.0, so class 0"),
        ({"scale": -3, "gap": 2}, "distance < -4.0, so class 0"),
        ({"gap": -1}, "gap is -1"),
        ({"norm": "l2"}, "norm is 'l2', but must be one of euclidean, maximum, manhattan"),
        ({"count": -1}, "count is -1"),
    ],
)
def test_impossible_requests_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        scale_detection(**{"count": 4, "seed": 0, **arguments})
