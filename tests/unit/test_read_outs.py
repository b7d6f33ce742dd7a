"""Labels, probabilities and entropies against numbers computed by hand."""

import math

import torch

from workflow_scripts.diffeo.read_outs import QUANTITIES, class_read_out

LABELS = torch.tensor([2, 0, -1])
LOGITS = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.3, 0.6, 0.1]], dtype=torch.float64))
REFERENCE = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 3.0], [5.0, 0.0, 0.0]], dtype=torch.float64)


def test_numbers_of_three_images() -> None:
    found = class_read_out(LABELS)(LOGITS + 7.0, REFERENCE, torch.arange(3))
    entropies = [-sum(p * math.log(p) for p in row) for row in LOGITS.exp().tolist()]
    expected = torch.tensor(
        [[0, 0.25, 0.25, entropies[0]], [2, 0.1, 0.7, entropies[1]], [1, math.nan, 0.3, entropies[2]]], dtype=torch.float64
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, equal_nan=True)
    assert len(QUANTITIES) == found.shape[1]


def test_index_chooses_the_labels_of_a_batch() -> None:
    read_out = class_read_out(LABELS)
    chosen = torch.tensor([1, 0])
    together = read_out(LOGITS, REFERENCE, torch.arange(3))
    assert torch.equal(read_out(LOGITS[chosen], REFERENCE[chosen], chosen), together[chosen])


def test_certainty_has_no_entropy_and_no_nan() -> None:
    certain = torch.tensor([[1000.0, 0.0, -1000.0]])
    found = class_read_out(torch.tensor([0]))(certain, certain, torch.arange(1))
    assert found.tolist() == [[0.0, 1.0, 1.0, 0.0]]
