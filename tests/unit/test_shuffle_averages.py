"""D, G, R and the share of shuffled networks on numbers made by hand, and their errors against simulation."""

import numpy as np
import pytest
import xarray as xr

from workflow_scripts.diffeo.shuffle_averages import shuffle_statistics
from workflow_scripts.diffeo.variables import variable

SAMPLES = 4


def measured(
    diffeo: np.ndarray,
    noise: np.ndarray,
    standard_diffeo: np.ndarray,
    standard_noise: np.ndarray,
    deviation: float = 1.5,
    single_diffeo: np.ndarray | None = None,
) -> xr.Dataset:
    """One epoch of two variants, all deviations equal; numerators (permutation, variant, layer, sample), standard (layer, …).

    The last layer is the logits. `single_diffeo` (permutation, convolution, sample), with noise of 1.
    """
    single = np.full((1, 1, diffeo.shape[-1]), np.nan) if single_diffeo is None else single_diffeo
    single_distance = np.stack([single, 1 + 0 * single], axis=2)[None, ..., None]
    single_cell = ("epoch", "single_permutation", "convolution", "perturbation", "sample", "draw")
    distance = np.stack([diffeo, noise], axis=2)[None, ..., None]
    standard = np.stack([standard_diffeo, standard_noise])[None, ..., None]
    permutations, _, layers, samples = diffeo.shape
    cell = ("epoch", "permutation", "variant", "perturbation", "layer", "sample", "draw")
    reduced = ("epoch", "permutation", "variant", "layer", "sample")
    return xr.Dataset(
        {
            "squared_distance": variable(cell, distance, "distance"),
            "squared_deviation": variable(reduced, np.full((1, permutations, 2, layers, samples), deviation), "deviation"),
            "standard_squared_distance": variable((cell[0], *cell[3:]), standard, "distance"),
            "single_squared_distance": variable(single_cell, single_distance, "distance"),
            "single_squared_deviation": variable(
                (*single_cell[:3], "sample"), np.full(single_distance.shape[:3] + single.shape[-1:], deviation), "deviation"
            ),
            "standard_squared_deviation": variable(
                ("epoch", "layer", "sample"), np.full((1, layers, samples), deviation), "deviation"
            ),
        },
        coords={
            "epoch": [4],
            "permutation": np.arange(permutations),
            "variant": ["shuffled", "shuffled_recalibrated"],
            "perturbation": ["diffeo_bilinear", "noise_bilinear"],
            "kind": ("perturbation", ["diffeo", "noise"]),
            "layer": np.arange(layers),
            "layer_name": ("layer", [f"layer{k}" for k in range(layers)]),
            "operation": ("layer", ["convolution"] * (layers - 1) + ["logits"]),
            "relative_depth": ("layer", np.linspace(0, 1, layers)),
            "single_permutation": np.arange(len(single)),
            "convolution": np.arange(single.shape[1]),
            "convolution_name": ("convolution", [f"conv{k}" for k in range(single.shape[1])]),
            "convolution_depth": ("convolution", np.linspace(0, 1, single.shape[1])),
        },
    )


def constant(*values: float, permutations: int = 1) -> np.ndarray:
    """One number for each layer, the same for all permutations, variants and samples."""
    return np.broadcast_to(np.array(values)[:, None], (permutations, 2, len(values), SAMPLES)).copy()


def test_closed_form_of_constant_numbers() -> None:
    """R of the network as it is 0.1, shuffled 0.5 and 0.2; Δ = 2 · 4 · 1.5 / 3 = 4."""
    diffeo, noise = constant(0.5), constant(1.0)
    diffeo[:, 1] = 0.2
    found = shuffle_statistics(measured(diffeo, noise, constant(0.1)[0, 0], constant(1.0)[0, 0])).squeeze("epoch")
    assert found.variant.values.tolist() == ["shuffled", "shuffled_recalibrated", "standard"]
    assert found.D.values.ravel() == pytest.approx([0.5 / 4, 0.2 / 4, 0.1 / 4])
    assert found.G.values.ravel() == pytest.approx([1 / 4] * 3)
    assert found.R.values.ravel() == pytest.approx([0.5, 0.2, 0.1])
    assert found.change.values.ravel() == pytest.approx(np.log10([5, 2, 1]))
    assert found.balance.values.ravel() == pytest.approx(np.log10([0.5, 0.2, 0.1]) + 0.5)
    expected = np.array([np.log(0.5) / np.log(0.1), np.log(0.2) / np.log(0.1), 1])
    assert found.spatial_share.values.ravel() == pytest.approx(expected)
    assert found.channel_share.values.ravel() == pytest.approx(1 - expected)
    for name in ("D", "G", "R", "change", "balance", "spatial_share", "channel_share"):
        assert found[f"{name}_standard_error"].values.ravel() == pytest.approx([0, 0, 0], abs=1e-12)
    assert found.layer_name.values.tolist() == ["layer0"]
    assert found.single_R.isnull().all()
    assert all({"long_name", "units"} <= set(values.attrs) for values in found.data_vars.values())


def test_permutations_are_averaged_geometrically_and_their_scatter_is_an_error() -> None:
    diffeo = constant(0.1, permutations=2)
    diffeo[1] = 0.4
    found = shuffle_statistics(measured(diffeo, constant(1.0, permutations=2), constant(0.01)[0, 0], constant(1.0)[0, 0])).isel(
        epoch=0, layer=0, variant=0
    )
    assert float(found.R) == pytest.approx(0.2)
    logarithms = np.log10([0.1, 0.4])
    error = logarithms.std(ddof=1) / 2**0.5
    assert float(found.R_standard_error) == pytest.approx(0.2 * error * np.log(10))
    assert float(found.change) == pytest.approx(logarithms.mean() + 2)
    assert float(found.change_standard_error) == pytest.approx(error)
    assert float(found.spatial_share) == pytest.approx(-logarithms.mean() / 2)
    assert float(found.spatial_share_standard_error) == pytest.approx(error / 2)


def test_closed_form_of_convolutions_that_are_shuffled_alone() -> None:
    """Two convolutions and permutations: R of the logits 0.2 and 0.8, and 0.1 and 0.4, of 0.1 for the network as it is."""
    single = np.array([[0.2, 0.1], [0.8, 0.4]])[..., None] * np.ones(SAMPLES)
    numbers = measured(
        constant(0.7, 0.5), constant(1.0, 1.0), constant(0.6, 0.1)[0, 0], constant(1.0, 1.0)[0, 0], single_diffeo=single
    )
    found = shuffle_statistics(numbers).isel(epoch=0)
    assert found.single_D.values == pytest.approx([0.1, 0.05])
    assert found.single_G.values == pytest.approx([0.25, 0.25])
    assert found.single_R.values == pytest.approx([0.4, 0.2])
    assert found.single_change.values == pytest.approx(np.log10([4, 2]))
    assert found.single_channel_share.values == pytest.approx(np.log10([4, 2]))  # of log10 R = -1
    error = np.log10(4) / 2
    assert found.single_change_standard_error.values == pytest.approx([error, error])
    assert found.single_channel_share_standard_error.values == pytest.approx([error, error])
    assert found.convolution_name.values.tolist() == ["conv0", "conv1"]
    assert "single_spatial_share" not in found
    assert "one convolution alone" in found.single_R.long_name


def test_a_shuffled_network_less_stable_than_to_noise_has_shares_beyond_0_and_1() -> None:
    found = shuffle_statistics(measured(constant(10.0), constant(1.0), constant(0.1)[0, 0], constant(1.0)[0, 0])).isel(epoch=0)
    assert found.spatial_share.values.ravel() == pytest.approx([-1, -1, 1])
    assert found.channel_share.values.ravel() == pytest.approx([2, 2, 0])


def test_no_share_without_stability_and_no_numbers_without_shuffling() -> None:
    """Layers with R of 1, 3 and, with an error that reaches 1, 0.97."""
    standard = constant(1.0, 3.0, 0.97)[0, 0]
    standard[2] += 0.1 * np.array([1, -1, 1, -1])
    numbers = measured(constant(0.5, 0.5, 0.5), constant(1.0, 1.0, 1.0), standard, constant(1.0, 1.0, 1.0)[0, 0])
    found = shuffle_statistics(numbers)
    assert found.spatial_share.isnull().all()
    assert found.spatial_share_standard_error.isnull().all()
    assert found.channel_share.isnull().all()
    assert found.balance.notnull().all()
    assert found.change.notnull().all()
    assert "not below 1" in found.spatial_share.attrs["comment"]
    numbers.squared_distance[:] = np.nan
    found = shuffle_statistics(numbers).isel(epoch=0)
    assert found.R.sel(variant="standard").values == pytest.approx([1, 3, 0.97])
    assert found.R.sel(variant="shuffled").isnull().all()


def test_a_network_that_nothing_moves_has_no_ratio() -> None:
    found = shuffle_statistics(measured(constant(0.0), constant(0.0), constant(0.1)[0, 0], constant(1.0)[0, 0])).isel(epoch=0)
    assert found.R.sel(variant="shuffled").isnull().all()
    assert float(found.R.sel(variant="standard").item()) == pytest.approx(0.1)


def test_errors_over_images_are_the_scatter_between_probe_sets() -> None:
    """Gamma variables; the shuffled and the standard network share what makes an image move far."""
    generator = np.random.default_rng(0)

    def draw(samples: int = 60) -> xr.Dataset:
        common = generator.gamma(4, size=(2, samples)) / 4
        own = generator.gamma(4, size=(2, 2, 3, samples)) / 4
        diffeo = 0.3 * common[0] * own[0, 0, :2].reshape(2, 1, 1, samples) * np.ones((1, 2, 1, 1))
        noise = common[1] * own[0, 1, :2].reshape(2, 1, 1, samples) * np.ones((1, 2, 1, 1))
        return measured(diffeo, noise, 0.03 * (common[0] * own[1, 0, 0])[None], (common[1] * own[1, 1, 0])[None])

    found = xr.concat([shuffle_statistics(draw()).isel(epoch=0, layer=0) for _ in range(200)], dim="draw")
    for name in ("D", "G", "R", "change", "balance", "spatial_share"):
        for variant in (0, 2):
            values = found[f"{name}"].isel(variant=variant)
            errors = found[f"{name}_standard_error"].isel(variant=variant)
            if (name, variant) in (("change", 2), ("spatial_share", 2)):
                assert float(abs(errors).max()) == pytest.approx(0, abs=1e-12)
            else:
                assert float((errors**2).mean() ** 0.5) == pytest.approx(float(values.std()), rel=0.4)
