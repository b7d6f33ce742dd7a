import math

import numpy as np
import pytest

from tests.synthetic_local_models import local_blocks, make_local_summary
from workflow_scripts.diffeo.configured_pairs import of_logits
from workflow_scripts.diffeo.local_model_averages import against
from workflow_scripts.diffeo.run_averages import at_strength, trained

ERROR = 0.01 / math.log(10)


def whole_nets(summary):
    chosen = trained(at_strength(summary, displacement=1.0, interpolation="bilinear"))
    return chosen.isel(checkpoint=np.flatnonzero((chosen.trained == "all") & ~chosen.locally_connected))


def test_curve_is_the_mean_over_the_other_numbers():
    models = whole_nets(make_local_summary(local_blocks((16, 64), (3, 5), (2, 4, 8))))
    curve = against(models, "pool_size", of_logits("R"))
    assert curve.x.tolist() == [2, 4, 8]
    expected = -0.5 * np.log10([2, 4, 8]) - 0.25 * np.log10([16, 64]).mean()
    assert curve.value == pytest.approx(expected, abs=1e-12)
    assert curve.standard_error == pytest.approx([ERROR] * 3, abs=1e-12)


def test_models_that_lack_a_value_are_left_out():
    blocks = {**local_blocks((16,), (5,), (2, 4, 8)), **local_blocks((1024,), (5,), (2, 4))}
    curve = against(whole_nets(make_local_summary(blocks)), "pool_size", of_logits("R"))
    assert curve.x.tolist() == [2, 4, 8]
    assert curve.value == pytest.approx(-0.5 * np.log10([2, 4, 8]) - 0.25 * math.log10(16), abs=1e-12)


def test_seeds_are_averaged_first():
    models = whole_nets(make_local_summary(trained_seeds=2, scatter=0.1))
    curve = against(models, "pool_size", of_logits("R"))
    variance = 2 * 0.1**2  # of two seeds at ± 0.1
    assert curve.standard_error == pytest.approx([math.sqrt(ERROR**2 + variance / 2)] * 2, abs=1e-12)


def test_a_single_model_is_a_point():
    models = whole_nets(make_local_summary(local_blocks(pools=(4,))))
    assert against(models, "channels", of_logits("R")).x.tolist() == [16]
