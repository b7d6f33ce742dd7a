import pytest
import torch

from workflow_scripts.diffeo.deformation import displacement_field, displacement_gradient, unit_coefficients
from workflow_scripts.diffeo.field_norms import PARTS, mean_norms, mean_squares
from workflow_scripts.diffeo.field_statistics import drawn_norms, drawn_patch_squares, local_parts, squared_parts
from workflow_scripts.diffeo.patch_norms import PATCH_PARTS, patch_gradient_mean_squares, patch_mean_squares

SIZE = 16
EYE = torch.eye(2, dtype=torch.float64)
ENSEMBLES = [("disc", 2), ("disc", 3), ("padded", 3)]


def matrices(gradient: torch.Tensor) -> dict[str, torch.Tensor]:
    """Parts of one 2 x 2 matrix as the slides define them."""
    trace = EYE * torch.trace(gradient)
    return {
        "C": trace / 2,
        "S": (gradient + gradient.T - trace) / 2,
        "R": (gradient - gradient.T) / 2,
        "U": gradient,
    }


def test_parts_of_a_gradient_are_those_of_the_slides():
    gradients = torch.randn(50, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = squared_parts(gradients)
    for gradient, squares in zip(gradients, found, strict=True):
        expected = [part.square().sum() for part in matrices(gradient).values()]
        torch.testing.assert_close(squares, torch.stack(expected), rtol=1e-12, atol=1e-12)


def test_norms_of_a_draw_are_means_over_its_pixels():
    coefficients = unit_coefficients(3, torch.arange(2), 0, 4)
    norms, squares = drawn_norms(coefficients, SIZE)
    field, gradient = displacement_field(coefficients, SIZE)[1], displacement_gradient(coefficients, SIZE)[1]
    of_pixels = [
        [field[:, row, column].norm(), *(part.norm() for part in matrices(gradient[:, :, row, column]).values())]
        for row in range(SIZE)
        for column in range(SIZE)
    ]
    slow = torch.tensor(of_pixels, dtype=torch.float64)
    torch.testing.assert_close(norms[1], slow.mean(dim=0), rtol=1e-12, atol=0)
    torch.testing.assert_close(squares[1], slow.square().mean(dim=0), rtol=1e-12, atol=0)


@pytest.mark.parametrize("patch", [2, 5, 16])
def test_patches_of_a_draw_are_fitted_one_by_one(patch):
    coefficients = unit_coefficients(3, torch.arange(2), 0, 4)
    squares, gradients = drawn_patch_squares(coefficients, SIZE, patch)
    field, gradient = displacement_field(coefficients, SIZE)[1], displacement_gradient(coefficients, SIZE)[1]
    rows = torch.arange(patch, dtype=torch.float64)
    design = torch.stack((torch.ones(patch, patch, dtype=torch.float64), *torch.meshgrid(rows, rows, indexing="ij")), dim=-1)
    design = design.reshape(-1, 3)
    found, averaged = [], []
    for first in range(SIZE - patch + 1):
        for second in range(SIZE - patch + 1):
            window = (slice(first, first + patch), slice(second, second + patch))
            values = field[(slice(None), *window)].reshape(2, -1).T
            fitted = design @ torch.linalg.lstsq(design, values).solution
            mean = values.mean(dim=0)
            parts = (mean.expand_as(values), values - mean, fitted - mean, values - fitted)
            found.append(torch.stack([part.square().sum(dim=1).mean() for part in parts]))
            averaged.append(gradient[(slice(None), slice(None), *window)].mean(dim=(-2, -1)))
    torch.testing.assert_close(squares[1], torch.stack(found).mean(dim=0), rtol=1e-10, atol=1e-10)
    slow = [torch.stack([part.square().sum() for part in matrices(one).values()]) for one in averaged]
    torch.testing.assert_close(gradients[1], torch.stack(slow).mean(dim=0), rtol=1e-10, atol=1e-12)


def agrees(drawn: torch.Tensor, exact: dict[str, float]) -> None:
    """The mean over draws is within five standard errors of the exact mean."""
    error = drawn.std(dim=0) / len(drawn) ** 0.5
    expected = torch.tensor(list(exact.values()), dtype=drawn.dtype)
    assert torch.all((drawn.mean(dim=0) - expected).abs() < 5 * error)


@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_drawn_norms_have_their_exact_means(rule, cutoff):
    norms, squares = drawn_norms(unit_coefficients(1, torch.arange(4000), 0, cutoff, rule), SIZE)
    assert norms.shape == squares.shape == (4000, len(PARTS))
    agrees(norms, mean_norms(cutoff, rule, size=SIZE, on_grid=True))
    agrees(squares, mean_squares(cutoff, rule, size=SIZE, on_grid=True))


@pytest.mark.parametrize("patch", [2, 7, 15])
@pytest.mark.parametrize(("rule", "cutoff"), ENSEMBLES)
def test_drawn_patches_have_their_exact_means(rule, cutoff, patch):
    coefficients = unit_coefficients(1, torch.arange(2000), 0, cutoff, rule)
    squares, gradients = drawn_patch_squares(coefficients, SIZE, patch)
    assert squares.shape == (2000, len(PATCH_PARTS))
    agrees(squares, patch_mean_squares(cutoff, rule, size=SIZE, patch=patch, on_grid=True))
    agrees(gradients, patch_gradient_mean_squares(cutoff, rule, size=SIZE, patch=patch, on_grid=True))


@pytest.mark.parametrize("name", ["C", "S", "R"])
def test_a_linear_field_is_its_own_part_but_for_the_translation(name):
    gradient = matrices(torch.tensor([[0.3, -1.2], [0.7, 0.5]], dtype=torch.float64))[name]
    pixels = torch.arange(12, dtype=torch.float64)
    field = torch.einsum("cd,dij->cij", gradient, torch.stack(torch.meshgrid(pixels, pixels, indexing="ij")))
    translation, *linear, rest = local_parts(field[None], 4)[0]
    of_name = linear.pop(["C", "S", "R"].index(name))
    torch.testing.assert_close(translation + of_name, field)
    for other in (*linear, rest):
        torch.testing.assert_close(other, torch.zeros_like(field))


def test_local_parts_add_up_and_are_orthogonal_on_each_patch():
    field = displacement_field(unit_coefficients(2, torch.arange(3), 0, 5), SIZE)
    parts = local_parts(field, 5)
    assert parts.shape == (3, 5, 2, 15, 15)
    torch.testing.assert_close(parts.sum(dim=1), field[..., :15, :15])
    patch = parts[1, :, :, 5:10, 10:15].flatten(1)
    gram = patch @ patch.T
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()))
    squares, _ = drawn_patch_squares(unit_coefficients(2, torch.arange(3), 0, 5), SIZE, SIZE)
    whole = local_parts(field, SIZE).square().sum(dim=2).mean(dim=(-2, -1))
    torch.testing.assert_close(
        squares, torch.stack((whole[:, 0], whole[:, 1:].sum(dim=1), whole[:, 1:4].sum(dim=1), whole[:, 4]), 1)
    )
