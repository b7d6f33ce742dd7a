import numpy as np
import pytest

from tests.synthetic import PLANTED, make_summary
from workflow_scripts import decide_claims
from workflow_scripts.diffeo.claims import CLAIMS
from workflow_scripts.support.netcdf import read_dataset, write_dataset

SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("claims")
    write_dataset(make_summary(("a", "b")), folder / "summary.nc", title="summary", configuration={})
    decide_claims.main(folder / "summary.nc", folder / "claims.nc", folder / "claims.md", folder / "claims.html", SETTINGS)
    return read_dataset(folder / "claims.nc"), (folder / "claims.md").read_text()


def test_dataset_has_a_row_per_claim_and_one_per_claim_and_network(decided):
    claims, _ = decided
    assert claims.claim.values.tolist() == [claim.name for claim in CLAIMS]
    rows = claims.evidence_claim.values.tolist()
    assert rows.count("initial") == 2 * len(PLANTED)
    assert rows.count("training") == 2 * 3
    assert rows.count("exception") == 2 * 2
    assert claims.sizes["evidence"] == len(rows)


def test_dataset_holds_what_decides(decided):
    claims, _ = decided
    chosen = claims.sel(claim="training")
    assert chosen.verdict == "holds"
    assert (chosen.lower.item(), chosen.upper.item()) == (-np.inf, np.log10(0.5))
    rows = claims.isel(evidence=np.flatnonzero(claims.evidence_claim == "training"))
    assert chosen.value.item() == pytest.approx(rows.evidence_value.mean().item(), abs=1e-12)
    lenet = rows.isel(evidence=np.flatnonzero((rows.evidence_network == "lenet") & (rows.evidence_dataset == "a")))
    assert lenet.evidence_value.item() == pytest.approx(np.log10(0.3), abs=1e-12)
    assert lenet.evidence_runs.item() == 1
    assert lenet.evidence_verdict.item() == "holds"


def test_every_variable_is_described(decided):
    claims, _ = decided
    for name, values in claims.data_vars.items():
        assert {"long_name", "units"} <= set(values.attrs), name


def test_table_states_each_claim_with_value_and_verdict(decided):
    claims, table = decided
    for claim in CLAIMS:
        verdict = claims.verdict.sel(claim=claim.name).item()
        (line,) = [line for line in table.splitlines() if line.startswith(f"| {claim.statement} |")]
        assert line.endswith(f"| **{verdict}** |")
        assert line.count("|") == 6
        assert f"## {claim.statement}" in table
    assert "| a | lenet | 1 | −0.523 ± 0.031 | 0.30 (0.26 to 0.34) | holds |" in table
    assert "δ = 1 px" in table


def test_missing_data_are_written_too(tmp_path):
    summary = make_summary(planted={"lenet": (1.0, None)})
    write_dataset(summary, tmp_path / "summary.nc", title="summary", configuration={})
    decide_claims.main(
        tmp_path / "summary.nc", tmp_path / "claims.nc", tmp_path / "claims.md", tmp_path / "claims.html", SETTINGS
    )
    claims = read_dataset(tmp_path / "claims.nc")
    assert claims.verdict.sel(claim="training").item() == "undecided"
    assert np.isnan(claims.value.sel(claim="training").item())
    assert (
        "| fashion_mnist | lenet | 0 | – | – | no trained run, or no initialisation, was measured |"
        in (tmp_path / "claims.md").read_text()
    )


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-1.23456, 0.0345, "−1.235 ± 0.035"),
        (0.5, 1.23, "0.5 ± 1.2"),
        (12.0, 34.0, "12 ± 34"),
        (0.5, 0.0, "0.500 ± 0.000"),
        (float("nan"), 0.1, "–"),
    ],
)
def test_with_error_has_two_digits_of_the_error(value, error, text):
    assert decide_claims.with_error(value, error) == text


def test_factor_is_ten_to_the_power_with_its_interval():
    assert decide_claims.factor(-1.0, 0.1) == "0.10 (0.064 to 0.16)"
    assert decide_claims.factor(0.0, 0.0) == "1.0 (1.0 to 1.0)"
    assert decide_claims.factor(2.0, 0.0) == "100 (100 to 100)"


def test_page_for_browsers_has_the_same_tables():
    text = "# Title\n\nTwo\nlines.\n\n| a | b |\n|---|---|\n| 1 < 2 | **yes** |\n"
    page = decide_claims.as_html(text)
    assert "<h1>Title</h1>" in page
    assert "Two lines." in page
    assert "<table><tr><th>a</th><th>b</th></tr><tr><td>1 &lt; 2</td><td><b>yes</b></td></tr></table>" in page
