import math

import pytest

from tests.synthetic_local_models import SLOPE, local_blocks, make_local_summary
from workflow_scripts.diffeo.claims import decide
from workflow_scripts.diffeo.local_model_claims import LOCAL_MODEL_CLAIMS

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
NAMED = {claim.name: claim for claim in LOCAL_MODEL_CLAIMS}
ERROR = 0.01 / math.log(10)  # of log10 R of one checkpoint


def decided(summary, name):
    return decide(NAMED[name], {"summary": summary}, SETTINGS)


def test_read_out_is_compared_with_its_own_initialisation():
    rows = decided(make_local_summary(), "readout").evidence
    assert [row.network for row in rows] == sorted(
        name for name, block in local_blocks().items() if block["trained"] == "readout"
    )
    values = {row.network: row.value for row in rows}
    assert values["conv_readout_h16_f5_p2"] == pytest.approx(math.log10(2**-0.5 * 0.5 * 2), abs=1e-12)
    assert values["local_readout_h16_f5_p8"] == pytest.approx(math.log10(8**-0.5 * 0.5 * 6), abs=1e-12)
    assert [row.standard_error for row in rows] == pytest.approx([math.sqrt(2) * ERROR] * 4, abs=1e-12)


def test_whole_net_is_compared_with_the_read_out_alone():
    decision = decided(make_local_summary(trained_seeds=2, scatter=0.3), "whole_net")
    assert [row.network for row in decision.evidence] == sorted(name for name in local_blocks() if "_all_" in name)
    for row in decision.evidence:
        assert (row.value, row.runs) == (pytest.approx(-math.log10(2), abs=1e-12), 2)
        assert row.standard_error == pytest.approx(math.sqrt(2) * ERROR, abs=1e-12)  # the scatter of seeds is shared
    assert decision.verdict == "holds"


def test_sharing_compares_whole_nets():
    decision = decided(make_local_summary(), "sharing")
    assert [row.network for row in decision.evidence] == ["conv_all_h16_f5_p2", "conv_all_h16_f5_p8"]
    assert decision.value == pytest.approx(-math.log10(3), abs=1e-12)
    assert decision.verdict == "holds"


@pytest.mark.parametrize("pools", [(2, 8), (1, 2, 4), (3, 7)])
def test_slope_per_doubling_of_the_pooled_squares(pools):
    decision = decided(make_local_summary(local_blocks((16, 64), (5,), pools)), "pool_size")
    assert len(decision.evidence) == 8
    assert decision.evidence[0].network == "convolutional, whole net, h = 16, f_s = 5, max"
    steps = [math.log2(pool) for pool in pools]
    spread = math.sqrt(sum((step - sum(steps) / len(steps)) ** 2 for step in steps))
    for row in decision.evidence:
        assert row.value == pytest.approx(SLOPE, abs=1e-12)
        assert row.standard_error == pytest.approx(ERROR / spread, abs=1e-12)


def test_slopes_of_seeds_are_averaged():
    rows = decided(make_local_summary(trained_seeds=2, scatter=0.1), "pool_size").evidence
    assert {row.runs for row in rows} == {2}
    assert [row.value for row in rows] == pytest.approx([SLOPE] * 4, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        ({}, "readout", "undecided"),  # the four rows scatter by a factor of 6
        ({"trained": {"readout": 0.1}}, "whole_net", "does not hold"),
        ({"locally_connected": {True: 0.2}}, "sharing", "does not hold"),
        ({"pool_size": {8: 4.0}}, "pool_size", "does not hold"),
        ({"pool_size": {2: 0.1, 8: 0.1}}, "readout", "holds"),
    ],
)
def test_claim_is_decided(change, name, expected):
    summary = make_local_summary()
    for option, factors in change.items():
        for value, factor in factors.items():
            for variable in ("R", "R_standard_error"):
                chosen = (summary[option] == value) & (summary.epoch > 0)
                summary[variable] = summary[variable].where(~chosen, summary[variable] * factor)
    assert decided(summary, name).verdict == expected


@pytest.mark.parametrize(
    ("kept", "name", "reason"),
    [
        ("lenet", "readout", "no trained local model was measured"),
        ("lenet", "pool_size", "no local models were measured that differ in pool_size alone"),
        ("conv_all_h16_f5_p2", "whole_net", "the same with the read-out alone is missing"),
        ("conv_all_h16_f5_p2", "sharing", "the same with filters of its own at every position is missing"),
        ("conv_all_h16_f5_p2", "pool_size", "no local models were measured that differ in pool_size alone"),
    ],
)
def test_missing_models_leave_the_claim_undecided(kept, name, reason):
    blocks = {**local_blocks(), "lenet": {**local_blocks()["conv_all_h16_f5_p2"], "architecture": "lenet"}}
    decision = decided(make_local_summary({kept: blocks[kept]}), name)
    assert (decision.verdict, decision.reason) == ("undecided", reason)


def test_models_that_were_not_trained_have_no_row():
    summary = make_local_summary(initial_seeds=1, trained_seeds=0)
    for name in NAMED:
        assert decided(summary, name).evidence == []
