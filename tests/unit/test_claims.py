import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.diffeo.claims import (
    BACKGROUND,
    PARTS,
    Claim,
    Evidence,
    decide,
    difference,
    mean_with_error,
    row,
    verdict,
)
from workflow_scripts.diffeo.predictor_claims import PREDICTOR_CLAIMS
from workflow_scripts.diffeo.run_averages import Average
from workflow_scripts.diffeo.stability_claims import STABILITY_CLAIMS
from workflow_scripts.diffeo.statistics import Z95

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}
SOURCES = {"summary": xr.Dataset(attrs={"of": "summary"}), "predictor": xr.Dataset(attrs={"of": "predictor"})}
SOURCES |= {name: xr.Dataset(attrs={"of": name}) for name in ("filter_spectra", "fields")}


def claim_of(rows, interval=(0.0, 1.0), source="summary"):
    return Claim("x", "statement", BACKGROUND, "slide", "quantity", interval, source, lambda table, settings: rows)


# Verdicts


@pytest.mark.parametrize(
    ("value", "error", "interval", "expected"),
    [
        (0.5, 0.1, (0, 1), "holds"),
        (0.9, 0.1, (0, 1), "undecided"),
        (1.1, 0.1, (0, 1), "undecided"),
        (1.3, 0.1, (0, 1), "does not hold"),
        (-0.3, 0.1, (0, 1), "does not hold"),
        (0.5, 1.0, (0, 1), "undecided"),
        (-9.0, 0.1, (-math.inf, 0), "holds"),
        (9.0, 0.1, (-math.inf, 0), "does not hold"),
        (1.0, 0.0, (0, 1), "holds"),
        (math.nan, 0.1, (0, 1), "undecided"),
        (0.5, math.nan, (0, 1), "undecided"),
    ],
)
def test_verdict(value, error, interval, expected):
    assert verdict(value, error, interval) == expected


@given(st.floats(-5, 5), st.floats(1e-3, 3), st.floats(-5, 5), st.floats(0.01, 5))
def test_claim_and_opposite_never_both_hold(value, error, low, width):
    inside = verdict(value, error, (low, low + width))
    above = verdict(value, error, (np.nextafter(low + width, np.inf), math.inf))
    assert (inside, above) != ("holds", "holds")
    if inside == "holds":
        assert above == "does not hold"


def test_decide_averages_rows_and_combines_errors():
    rows = [Evidence("a", "n", 0.2, 0.03, 2), Evidence("a", "m", 0.6, 0.04, 2), Evidence("b", "n", reason="nothing was measured")]
    decision = decide(claim_of(rows), SOURCES, SETTINGS)
    assert decision.value == pytest.approx(0.4, abs=1e-12)
    scatter = ((0.2 - 0.4) ** 2 + (0.6 - 0.4) ** 2) / 1
    assert decision.standard_error == pytest.approx(math.sqrt((scatter + (0.03**2 + 0.04**2) / 2) / 2), abs=1e-12)
    assert decision.reason == "nothing was measured"
    assert decision.evidence == rows


def test_decide_says_what_is_not_known():
    decision = decide(claim_of([Evidence("a", "n", 0.5, 0.1, 1)]), SOURCES, SETTINGS)
    assert (decision.value, decision.standard_error, decision.verdict) == (0.5, 0.1, "holds")
    assert "scatter between seeds" in decision.reason
    assert "scatter between networks" in decision.reason


def test_decide_without_rows_is_undecided():
    decision = decide(claim_of([]), SOURCES, SETTINGS)
    assert (decision.verdict, decision.reason) == ("undecided", "no network of this kind was measured")
    assert math.isnan(decision.value)


def test_decide_without_rows_says_what_is_missing_if_the_claim_knows():
    claim = replace(claim_of([]), nothing="no pair of sizes")
    assert decide(claim, SOURCES, SETTINGS).reason == "no pair of sizes"


def test_an_error_that_rows_share_does_not_shrink_with_their_number():
    total = math.hypot(0.03, 0.2)
    rows = [Evidence("a", name, 0.4, total, 1, shared_error=0.2) for name in "mnop"]
    decision = decide(claim_of(rows), SOURCES, SETTINGS)
    assert decision.standard_error == pytest.approx(math.hypot(0.03 / 2, 0.2), abs=1e-12)


# Sources


@pytest.mark.parametrize("source", SOURCES)
def test_evidence_gets_its_source_and_the_settings(source):
    seen = []
    claim = replace(
        claim_of([], source=source), evidence=lambda table, settings: seen.append((table.attrs["of"], settings)) or []
    )
    decide(claim, SOURCES, SETTINGS)
    assert seen == [(source, SETTINGS)]


@pytest.mark.parametrize(
    ("source", "analysis"), [("summary", "stability"), ("predictor", "predictor"), ("filter_spectra", "filter_spectra")]
)
def test_claim_is_undecided_where_its_analysis_is_switched_off(source, analysis):
    claim = claim_of([Evidence("a", "n", 0.5, 0.1, 1)], source=source)
    others = {name: table for name, table in SOURCES.items() if name != source}
    decision = decide(claim, others, SETTINGS)
    assert (decision.verdict, decision.evidence) == ("undecided", [])
    assert decision.reason == f"the analysis '{analysis}' is switched off"
    assert math.isnan(decision.value)
    assert decide(claim, SOURCES, SETTINGS).verdict == "holds"


# Rows


def test_row_of_an_average():
    average = Average(xr.DataArray(0.3), xr.DataArray(0.1), 2)
    assert row(("a", "n"), average, "missing", "undefined") == Evidence("a", "n", 0.3, 0.1, 2)
    assert row(("a", "n"), None, "missing", "undefined").reason == "missing"
    unknown = row(("a", "n"), average._replace(value=xr.DataArray(math.inf)), "missing", "undefined")
    assert (unknown.reason, unknown.runs) == ("undefined", 2)
    assert math.isnan(unknown.value)


def test_difference_of_averages():
    first, second = Average(xr.DataArray(0.3), xr.DataArray(0.3), 2), Average(xr.DataArray(0.1), xr.DataArray(0.4), 3)
    found = difference(first, second)
    assert (float(found.value), float(found.standard_error), found.runs) == (pytest.approx(0.2), pytest.approx(0.5), 2)
    assert difference(first, None) is None


def test_mean_with_error():
    assert mean_with_error([0.7], [0.2]) == (0.7, pytest.approx(0.2))
    assert mean_with_error([0.0, 1.0], [0.0, 0.0]) == (0.5, pytest.approx(0.5))  # the standard deviation is 1/√2


# The lists


def test_every_claim_has_a_name_a_part_a_source_and_an_interval():
    claims = (*STABILITY_CLAIMS, *PREDICTOR_CLAIMS)
    assert len({claim.name for claim in claims}) == len({claim.statement for claim in claims}) == len(claims)
    for claim in claims:
        assert claim.part in PARTS
        assert claim.source in SOURCES
        assert claim.interval[0] < claim.interval[1]
        assert "|" not in claim.statement + claim.quantity, "it would end a cell of the table"
    assert pytest.approx(1.96, abs=1e-4) == Z95
