import math

import numpy as np
import yaml

from tests.conftest import ROOT
from tests.synthetic_local_models import BLURRING, local_blocks, make_local_summary
from workflow_scripts.diffeo.network_options import OPTIONS, local_models, usual_networks, with_options


def test_options_are_the_keys_of_networks_in_the_schema() -> None:
    block = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())["$defs"]["network"]
    keys = set(block["properties"]) | {key for part in block["allOf"] for key in part["then"]["properties"]}
    others = {"architecture", "weights", "model", "factory", "options"}  # `architecture` of the summary says the model
    assert set(OPTIONS) == keys - others


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
