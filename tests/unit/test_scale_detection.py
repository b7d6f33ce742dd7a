import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.diffeo.scale_detection import scale_detection


def distances(images):
    count, _, _, size = images.shape
    lit = np.nonzero(images.reshape(count, size * size))
    assert (np.bincount(lit[0], minlength=count) == 2).all()  # two distinct pixels in each image
    rows, columns = (part.reshape(count, 2) for part in np.divmod(lit[1], size))
    return np.hypot(np.diff(rows, axis=1), np.diff(columns, axis=1))[:, 0]


def obvious_pairs(size, scale, gap):
    """All unordered pairs of pixels of each class, by loops."""
    pixels = [(row, column) for row in range(size) for column in range(size)]
    pairs = {0: set(), 1: set()}
    for first in range(len(pixels)):
        for second in range(first + 1, len(pixels)):
            (a, b), (c, d) = pixels[first], pixels[second]
            distance = ((a - c) ** 2 + (b - d) ** 2) ** 0.5
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


def test_every_admissible_pair_is_equally_probable():
    size, scale, gap, count = 5, 2.5, 1, 60_000
    images, labels = scale_detection(count, size=size, scale=scale, gap=gap, seed=11)
    lit = np.nonzero(images.reshape(count, -1))[1].reshape(count, 2)
    for label, expected in obvious_pairs(size, scale, gap).items():
        found, times = np.unique(lit[labels == label], axis=0, return_counts=True)
        assert {tuple(pair) for pair in found.tolist()} == expected
        mean = (labels == label).sum() / len(expected)
        chi_squared = ((times - mean) ** 2 / mean).sum()
        freedom = len(expected) - 1
        assert abs(chi_squared - freedom) < 5 * np.sqrt(2 * freedom)


@settings(max_examples=40, deadline=None)
@given(st.integers(6, 12), st.integers(3, 4), st.sampled_from([0, 0.5, 1, 2]), st.integers(0, 40), st.integers(0, 2**63))
def test_classes_keep_their_side_of_the_gap_and_every_prefix_is_balanced(size, scale, gap, count, seed):
    images, labels = scale_detection(count, size=size, scale=scale, gap=gap, seed=seed)
    distance = distances(images)
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
        ({"size": 8, "scale": 14}, "size = 8, scale = 14 and gap = 2 no two distinct pixels have a distance >= 15.0, so class 1"),
        ({"scale": 2, "gap": 2}, "distance < 1.0, so class 0"),
        ({"scale": -3, "gap": 2}, "distance < -4.0, so class 0"),
        ({"gap": -1}, "gap is -1"),
        ({"count": -1}, "count is -1"),
    ],
)
def test_impossible_requests_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        scale_detection(**{"count": 4, "seed": 0, **arguments})
