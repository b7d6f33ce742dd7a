import math

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT
from tests.synthetic_local_models import BLURRING, local_blocks, make_blurring_summary, make_local_summary
from workflow_scripts.diffeo.configured_pairs import (
    BLUR,
    OPTIONS,
    alike,
    by_blur,
    local_models,
    log10_ratios,
    of_logits,
    usual_networks,
    with_options,
)
from workflow_scripts.diffeo.run_averages import at_strength, trained

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}


def test_options_are_the_keys_of_networks_in_the_schema() -> None:
    block = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())["$defs"]["network"]
    keys = set(block["properties"]) | {key for part in block["allOf"] for key in part["then"]["properties"]}
    assert set(OPTIONS) == keys - {"architecture", "weights", "model"}  # `architecture` of the summary says the model


def test_options_become_coordinates_with_what_is_missing() -> None:
    blocks = {**local_blocks(), **BLURRING, "fc2": {"architecture": "fully_connected", "depth": 2}}
    summary = make_local_summary(local_blocks())
    some = summary.isel(checkpoint=[0, 1, 2]).assign_coords(
        network=("checkpoint", ["fc2", "vgg11_bn_blurred", "local_all_h16_f5_p8"])
    )
    found = with_options(some, blocks)
    np.testing.assert_array_equal(found.depth, [2, math.nan, math.nan])
    np.testing.assert_array_equal(found.pool_size, [math.nan, math.nan, 8])
    assert found.trained.values.tolist() == ["", "", "all"]
    assert found.antialiased.values.tolist() == [False, True, False]
    assert found.locally_connected.values.tolist() == [False, False, True]


def test_local_models_and_the_others_are_told_apart() -> None:
    blocks = {
        **local_blocks(),
        "lenet": {"architecture": "lenet", "pool_size": 2, "channels": 1, "trained": "all", "locally_connected": 0},
    }
    summary = make_local_summary(blocks)
    assert set(usual_networks(summary).network.values) == {"lenet"}
    assert set(local_models(summary).network.values) == set(local_blocks())


def test_alike_pairs_rows_that_differ_in_nothing_else() -> None:
    last = trained(make_local_summary(local_blocks(channels=(16, 64)), datasets=("a", "b"), trained_seeds=2))
    whole, readout = (last.isel(checkpoint=np.flatnonzero(last.trained == part)) for part in ("all", "readout"))
    first, second = alike(whole, readout.isel(checkpoint=slice(None, None, -1)), ("network", "trained"))
    assert first.network.equals(whole.network) and first.sizes["checkpoint"] == 2 * 2 * 2 * 4
    assert [name.replace("all", "readout") for name in first.network.values.tolist()] == second.network.values.tolist()
    for name in ("dataset", "seed", "epoch", "channels"):
        assert first[name].values.tolist() == second[name].values.tolist()


def test_rows_without_a_partner_are_left_out() -> None:
    first, second = alike(*by_blur(trained(make_blurring_summary())), BLUR)
    assert (first.network.values.tolist(), second.network.values.tolist()) == (["vgg11_bn_blurred"], ["vgg11_bn"])
    nothing = alike(first, second.isel(checkpoint=[]), BLUR)
    assert [part.sizes["checkpoint"] for part in nothing] == [0, 0]


def test_ratios_are_those_of_partners_with_both_errors() -> None:
    chosen = at_strength(make_blurring_summary(trained_seeds=3, scatter=0.2), **SETTINGS)
    found = log10_ratios(*by_blur(trained(chosen)), BLUR, of_logits("D"))
    assert list(found) == [("fashion_mnist", "vgg11_bn_blurred")]
    (average,) = found.values()
    assert float(average.value) == pytest.approx(math.log10(0.4), abs=1e-12)
    # seeds scatter alike in both networks: nothing of it is left in the difference
    assert float(average.standard_error) == pytest.approx(math.sqrt(2) * 0.01 / math.log(10), abs=1e-12)
    assert average.runs == 3
