import numpy as np
import pytest
import xarray as xr

from tests.synthetic import PLANTED, make_summary
from tests.synthetic_activations import make_activation_table
from tests.synthetic_fields import make_fields
from tests.synthetic_filters import make_filter_spectra
from tests.synthetic_neurons import make_table
from tests.synthetic_predictor_summary import make_predictor_summary
from tests.synthetic_receptive_fields import make_receptive_fields
from tests.synthetic_relation import COLLECTIONS, make_related_summary
from workflow_scripts import decide_claims
from workflow_scripts.decide_claims import CLAIMS
from workflow_scripts.diffeo.activation_claims import ACTIVATION_CLAIMS
from workflow_scripts.diffeo.antialiasing_claims import ANTIALIASING_CLAIMS
from workflow_scripts.diffeo.claims import PARTS, analysis_of
from workflow_scripts.diffeo.error_relation import error_relation
from workflow_scripts.diffeo.error_relation_claims import ERROR_RELATION_CLAIMS
from workflow_scripts.diffeo.field_claims import FIELD_CLAIMS
from workflow_scripts.diffeo.filter_claims import FILTER_CLAIMS
from workflow_scripts.diffeo.local_model_claims import LOCAL_MODEL_CLAIMS
from workflow_scripts.diffeo.neuron_claims import NEURON_CLAIMS
from workflow_scripts.diffeo.operation_claims import OPERATION_CLAIMS
from workflow_scripts.diffeo.predictor_claims import PREDICTOR_CLAIMS
from workflow_scripts.diffeo.receptive_field_claims import RECEPTIVE_FIELD_CLAIMS
from workflow_scripts.diffeo.stability_claims import STABILITY_CLAIMS
from workflow_scripts.support.netcdf import read_dataset, write_dataset

OF_SUMMARY = (*STABILITY_CLAIMS, *OPERATION_CLAIMS, *ANTIALIASING_CLAIMS, *LOCAL_MODEL_CLAIMS)
SETTINGS = {"displacement": 1.0, "interpolation": "bilinear"}


def decide_all(folder, sources):
    """The dataset and the two texts that the script makes of the sources, given by their stems."""
    for stem, dataset in sources.items():
        write_dataset(dataset, folder / f"{stem}.nc", title=stem, configuration={})
    made = [folder / f"claims.{kind}" for kind in ("nc", "md", "html")]
    decide_claims.main([folder / f"{stem}.nc" for stem in sources], *made, SETTINGS)
    return read_dataset(made[0]), made[1].read_text(), made[2].read_text()


def make_sources():
    predictor = make_predictor_summary(("a", "b", "photographs"), seeds=1)
    return {
        "summary": make_summary(("a", "b")),
        "error_relation": error_relation(make_related_summary(datasets=("a", "dots")), SETTINGS, COLLECTIONS),
        "predictor": predictor,
        "filter_spectra": make_filter_spectra(),
        "fields": make_fields(),
        "activation_spectra": make_activation_table(),
        "receptive_fields": make_receptive_fields(),
        "local_transforms": make_table(),
    }


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return decide_all(tmp_path_factory.mktemp("claims"), make_sources())


@pytest.fixture
def decided(everything):
    return everything[:2]


def test_dataset_has_a_row_per_claim_and_one_per_claim_and_network(decided):
    claims, _ = decided
    assert sorted(claims.claim.values.tolist()) == sorted(claim.name for claim in CLAIMS)
    rows = claims.evidence_claim.values.tolist()
    assert rows.count("initial") == 2 * len(PLANTED)
    assert rows.count("training") == 2 * 3
    assert rows.count("exception") == 2 * 2
    assert rows.count("linear_edge") == 2 * 4 + 1
    assert rows.count("large_images") == 1
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


def test_claims_are_in_the_order_of_the_decks(everything):
    claims, table, page = everything
    assert list(dict.fromkeys(claims.part.values.tolist())) == list(PARTS)
    places = [table.index(f"\n## {part}\n") for part in PARTS]
    assert places == sorted(places)
    bump = next(claim for claim in PREDICTOR_CLAIMS if claim.name == "bump")
    assert places[1] < table.index(f"| {bump.statement} |") < places[2]
    assert claims.part.sel(claim="bump").item() == PARTS[1]
    assert page.count("<h2>") == table.count("\n## ") == len(PARTS) + 1
    assert page.count("<h3>") == len(CLAIMS)


def test_measurement_of_the_predictor_is_in_the_table(decided):
    claims, table = decided
    assert claims.value.sel(claim="misclassification").item() == pytest.approx(0, abs=1e-12)
    assert claims.verdict.sel(claim="misclassification") == "holds"
    assert "| photographs | efficientnet_lite0 | 1 | " in table


def test_rows_of_fields_are_called_by_what_they_are(decided):
    claims, table = decided
    assert "| modes | cutoff | draws | log10 ± standard error | factor | verdict |" in table
    assert "| disc | c = 5 | 300 | " in table
    assert "disc" in claims.evidence_dataset.values


def test_rows_of_the_test_error_are_data_sets_with_their_numbers_of_networks(decided):
    claims, table = decided
    assert claims.verdict.sel(claim=["error_relation", "error_simple_model"]).values.tolist() == ["holds", "holds"]
    assert "| data set | networks | runs | log10 ± standard error | factor | verdict |" in table
    assert "| dots | 6 | 6 | " in table


@pytest.mark.parametrize(
    ("source", "of_source"),
    [
        ("summary", OF_SUMMARY),
        ("error_relation", ERROR_RELATION_CLAIMS),
        ("predictor", PREDICTOR_CLAIMS),
        ("filter_spectra", FILTER_CLAIMS),
        ("fields", FIELD_CLAIMS),
        ("activation_spectra", ACTIVATION_CLAIMS),
        ("receptive_fields", RECEPTIVE_FIELD_CLAIMS),
        ("local_transforms", NEURON_CLAIMS),
    ],
)
def test_all_other_sources_may_be_switched_off(source, of_source, everything, tmp_path):
    claims, table, _ = decide_all(tmp_path, {source: make_sources()[source]})
    for claim in set(CLAIMS) - set(of_source):
        assert claims.verdict.sel(claim=claim.name) == "undecided"
        assert claims.reason.sel(claim=claim.name) == f"the analysis '{analysis_of(claim.source)}' is switched off"
    assert table.count("is switched off).") == len(CLAIMS) - len(of_source)
    names = [claim.name for claim in of_source]
    xr.testing.assert_equal(claims.verdict.sel(claim=names), everything[0].verdict.sel(claim=names))


def test_missing_data_are_written_too(tmp_path):
    claims, table, _ = decide_all(tmp_path, {"summary": make_summary(planted={"lenet": (1.0, None)})})
    assert claims.verdict.sel(claim="training").item() == "undecided"
    assert np.isnan(claims.value.sel(claim="training").item())
    assert "| fashion_mnist | lenet | 0 | – | – | no trained run, or no initialisation, was measured |" in table


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-1.23456, 0.0345, "−1.235 ± 0.035"),
        (0.5, 1.23, "0.5 ± 1.2"),
        (12.0, 34.0, "12 ± 34"),
        (0.5, 0.0, "0.500 ± 0.000"),
        (0.9999999980, 0.0000000024, "1.000 ± 0.000"),
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


def test_networks_that_an_analysis_makes_no_sense_for_are_listed(tmp_path):
    sources = make_sources()
    sources["local_transforms"].attrs["left_out"] = "fc2 on dots: no maps\nfc4 on dots: no maps"
    _, text, page = decide_all(tmp_path, sources)
    section = text.split("## Not measured, because it makes no sense")[1]
    assert [line for line in section.splitlines() if line.startswith("| local")] == [
        "| local_transforms | fc2 on dots | no maps |",
        "| local_transforms | fc4 on dots | no maps |",
    ]
    assert "<td>fc4 on dots</td><td>no maps</td>" in page


def test_claims_on_a_table_without_rows_are_undecided(tmp_path):
    sources = {"local_transforms": xr.Dataset(coords={"network": ("checkpoint", np.array([], str))})}
    claims, _, _ = decide_all(tmp_path, sources)
    (name, *_) = [claim.name for claim in NEURON_CLAIMS]
    chosen = claims.sel(claim=name)
    assert chosen.verdict == "undecided"
    assert chosen.reason == "the analysis 'local_transforms' makes no sense for the networks that were measured"
