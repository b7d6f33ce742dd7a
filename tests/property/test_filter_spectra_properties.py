"""What holds for the spectra of any filters."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.diffeo.filter_spectra import eigenvalues, filter_spectrum, laplacian_basis


def rotated_basis(size: int, seed: int) -> np.ndarray:
    """A basis of eigenvectors, turned at random inside each eigenspace."""
    basis, values, generator = laplacian_basis(size), eigenvalues(size), np.random.default_rng(seed)
    for value in np.unique(values.round(9)):
        members = np.flatnonzero(abs(values - value) < 1e-8)
        rotation = np.linalg.qr(generator.normal(size=(len(members), len(members))))[0]
        basis[members] = np.tensordot(rotation, basis[members], axes=1)
    return basis


@settings(max_examples=30, deadline=None)
@given(size=st.integers(2, 7), seed=st.integers(0, 2**32 - 1))
def test_what_is_said_of_an_eigenspace_does_not_depend_on_its_basis(size: int, seed: int) -> None:
    before, now = np.random.default_rng(seed).normal(size=(2, 4, 3, size, size))
    found = filter_spectrum(before, now)
    turned = filter_spectrum(before, now, basis=rotated_basis(size, seed))
    assert size == 2 or abs(found.coefficient - turned.coefficient).max() > 1e-6  # the rotation turned something
    for name in ("eigenspace_coefficient", "eigenspace_ratio", "low_pass", "pooling"):
        np.testing.assert_allclose(turned[name], found[name], rtol=1e-9, atol=1e-12)
        error = f"{name}_standard_error"
        np.testing.assert_allclose(turned[error], found[error], rtol=1e-8, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(2, 7), seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
def test_a_common_scale_changes_no_preference(size: int, seed: int, scale: float) -> None:
    before, now = np.random.default_rng(seed).normal(size=(2, 4, 3, size, size))
    found, scaled = filter_spectrum(before, now), filter_spectrum(before, scale * now)
    np.testing.assert_allclose(scaled.ratio, scale**2 * found.ratio)
    for name in ("low_pass", "pooling"):
        np.testing.assert_allclose(scaled[name], found[name], atol=1e-9)
