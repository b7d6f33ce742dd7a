import math

import numpy as np
import pytest

from tests.synthetic_local_models import local_blocks, make_blurring_summary, make_local_summary
from workflow_scripts.diffeo.configured_pairs import BLUR, alike, log10_ratios, of_logits
from workflow_scripts.diffeo.network_options import by_blur
from workflow_scripts.diffeo.run_averages import at_strength, trained

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}


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
