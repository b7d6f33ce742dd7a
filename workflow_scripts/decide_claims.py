"""Decide the claims of the slides from what all runs say together: a dataset, and the same as tables to read."""

import html
import math
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from xarray import Dataset

from workflow_scripts.diffeo.activation_claims import ACTIVATION_CLAIMS
from workflow_scripts.diffeo.antialiasing_claims import ANTIALIASING_CLAIMS
from workflow_scripts.diffeo.channel_claims import CHANNEL_CLAIMS
from workflow_scripts.diffeo.claims import PARTS, Decision, decide, verdict
from workflow_scripts.diffeo.error_relation_claims import ERROR_RELATION_CLAIMS
from workflow_scripts.diffeo.field_claims import FIELD_CLAIMS
from workflow_scripts.diffeo.filter_claims import FILTER_CLAIMS
from workflow_scripts.diffeo.local_model_claims import LOCAL_MODEL_CLAIMS
from workflow_scripts.diffeo.neuron_claims import NEURON_CLAIMS
from workflow_scripts.diffeo.operation_claims import OPERATION_CLAIMS
from workflow_scripts.diffeo.predictor_claims import PREDICTOR_CLAIMS
from workflow_scripts.diffeo.receptive_field_claims import RECEPTIVE_FIELD_CLAIMS
from workflow_scripts.diffeo.stability_claims import STABILITY_CLAIMS
from workflow_scripts.diffeo.statistics import Z95
from workflow_scripts.diffeo.variables import variable
from workflow_scripts.support.atomic import atomic_path
from workflow_scripts.support.jobs import run
from workflow_scripts.support.netcdf import read_dataset, write_dataset

CLAIMS = (
    *STABILITY_CLAIMS,
    *ERROR_RELATION_CLAIMS,
    *PREDICTOR_CLAIMS,
    *OPERATION_CLAIMS,
    *ANTIALIASING_CLAIMS,
    *FILTER_CLAIMS,
    *ACTIVATION_CLAIMS,
    *CHANNEL_CLAIMS,
    *LOCAL_MODEL_CLAIMS,
    *FIELD_CLAIMS,
    *RECEPTIVE_FIELD_CLAIMS,
    *NEURON_CLAIMS,
)
STYLE = (
    "body{font:15px sans-serif;max-width:70em;margin:2em auto}td,th{padding:.3em;text-align:left;border-bottom:1px solid #ccc}"
)


def main(sources: list[Path], claims: Path, table: Path, page: Path, settings: dict[str, Any]) -> None:
    """Write the decisions at the displacement and interpolation of `settings`; of `sources`, those that are switched on."""
    measured = {path.stem: read_dataset(path) for path in sources}
    decisions = [decide(claim, measured, settings) for claim in sorted(CLAIMS, key=lambda claim: PARTS.index(claim.part))]
    title = "Claims of the slides and what the measurements say"
    write_dataset(as_dataset(decisions), claims, title=title, configuration={"summary": settings})
    text = as_markdown(decisions, settings, {name: table.attrs.get("left_out", "") for name, table in measured.items()})
    for path, content in ((table, text), (page, as_html(text))):
        with atomic_path(path) as partial:
            partial.write_text(content, encoding="utf-8")


def as_dataset(decisions: list[Decision]) -> Dataset:
    """Dims `claim` (labelled by name) and `evidence` (all rows of all claims, labelled by claim, data set and network; claims
    on fields have the mode rule and the cutoff there, those on the test error the number of networks as network).
    """
    names = [decision.claim.name for decision in decisions]
    rows = [(decision.claim, row) for decision in decisions for row in decision.evidence]

    def of_claim(values: list[Any], long_name: str) -> Any:
        return variable(("claim",), values, long_name)

    def of_row(values: list[Any], long_name: str) -> Any:
        return variable(("evidence",), values, long_name)

    return Dataset(
        {
            "statement": of_claim([decision.claim.statement for decision in decisions], "what the slides say"),
            "part": of_claim([decision.claim.part for decision in decisions], "part of the decks"),
            "slide": of_claim([decision.claim.slide for decision in decisions], "title of the slide that says it"),
            "quantity": of_claim([decision.claim.quantity for decision in decisions], "definition of the number that decides"),
            "lower": of_claim([decision.claim.interval[0] for decision in decisions], "the claim holds from this value on"),
            "upper": of_claim([decision.claim.interval[1] for decision in decisions], "the claim holds up to this value"),
            "value": of_claim([decision.value for decision in decisions], "measured value of the quantity, mean over the rows"),
            "standard_error": of_claim([decision.standard_error for decision in decisions], "standard error of value"),
            "verdict": of_claim([decision.verdict for decision in decisions], "holds, does not hold or undecided"),
            "reason": of_claim([decision.reason for decision in decisions], "what is missing, if anything"),
            "evidence_value": of_row([row.value for _, row in rows], "measured value of the claim's quantity in one row"),
            "evidence_standard_error": of_row([row.standard_error for _, row in rows], "standard error of evidence_value"),
            "evidence_runs": of_row([row.runs for _, row in rows], "number of runs, or of drawn fields, averaged"),
            "evidence_verdict": of_row(
                [verdict(row.value, row.standard_error, claim.interval) for claim, row in rows], "verdict for one row"
            ),
            "evidence_reason": of_row([row.reason for _, row in rows], "why there is no value, if there is none"),
        },
        coords={
            "claim": names,
            "evidence_claim": ("evidence", [claim.name for claim, _ in rows]),
            "evidence_dataset": ("evidence", [row.dataset for _, row in rows]),
            "evidence_network": ("evidence", [row.network for _, row in rows]),
        },
    )


def as_markdown(decisions: list[Decision], settings: dict[str, Any], left_out: dict[str, str]) -> str:
    """An overview of all claims by part of the decks, then for each its definition and its rows; last what was not measured.

    `left_out` has, for each analysis, a line for each network that it makes no sense for.
    """
    lines = [
        "# The claims of the slides",
        "",
        f"Measured at the displacement δ = {settings['displacement']:g} px with {settings['interpolation']} interpolation; "
        "R_f is that of the logits.",
        "Quantities are base-10 logarithms; “factor” is 10 to their power, with its 95 % interval.",
        "A claim holds if the 95 % interval lies inside the interval fixed beforehand, does not hold if it lies outside,",
        "and is undecided otherwise.",
    ]
    for part, members in groupby(decisions, key=lambda decision: decision.claim.part):
        lines += ["", f"## {part}", "", "| claim | measured (log10 ± standard error) | factor | holds for a factor | verdict |"]
        lines += ["|---|---|---|---|---|", *map(overview_line, members)]
    lines += ["", "## Definitions and measurements"]
    lines += [line for decision in decisions for line in claim_section(decision)]
    reasons = [(name, *line.split(": ", 1)) for name, text in left_out.items() for line in text.splitlines()]
    if reasons:
        lines += ["", "## Not measured, because it makes no sense", "", "| analysis | network | why |", "|---|---|---|"]
        lines += [f"| {name} | {network} | {why} |" for name, network, why in reasons]
    return "\n".join(lines) + "\n"


def overview_line(decision: Decision) -> str:
    """The row of a claim in the overview."""
    measured = f"{with_error(decision.value, decision.standard_error)} | {factor(decision.value, decision.standard_error)}"
    return f"| {decision.claim.statement} | {measured} | {allowed(decision)} | **{decision.verdict}** |"


def claim_section(decision: Decision) -> list[str]:
    """Lines on one claim."""
    claim = decision.claim
    lines = ["", f"### {claim.statement}", "", f"Slide: {claim.slide}", "", f"Quantity: {claim.quantity}.", ""]
    outcome = f"Verdict: **{decision.verdict}**"
    lines.append(outcome + (f" ({decision.reason})." if decision.reason else "."))
    if not decision.evidence:
        return lines
    head = f"| {' | '.join(claim.labels)} | log10 ± standard error | factor | verdict |"
    lines += ["", head, "|---|---|---|---|---|---|"]
    for row in decision.evidence:
        said = row.reason or verdict(row.value, row.standard_error, claim.interval)
        measured = f"{with_error(row.value, row.standard_error)} | {factor(row.value, row.standard_error)}"
        lines.append(f"| {row.dataset} | {row.network} | {row.runs} | {measured} | {said} |")
    return lines


def as_html(markdown: str) -> str:
    """The same page for a browser; knows just the markdown that `as_markdown` writes: headings, paragraphs, tables and bold."""
    lines = [re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(line)) for line in markdown.splitlines()]
    body: list[str] = []
    for kind, group in groupby(lines, key=lambda line: line[:1] if line[:1] in "|#" else "text"):
        block = list(group)
        if kind == "|":
            head, _, *rows = [line.strip("| ").split(" | ") for line in block]
            cells = [[f"<th>{cell}</th>" for cell in head], *([f"<td>{cell}</td>" for cell in row] for row in rows)]
            body += ["<table>", *(f"<tr>{''.join(row)}</tr>" for row in cells), "</table>"]
        elif kind == "#":
            body += [f"<h{line.index(' ')}>{line.lstrip('# ')}</h{line.index(' ')}>" for line in block]
        elif kind == "text":
            body.append(f"<p>{' '.join(block)}</p>")
    return f'<!doctype html><meta charset="utf-8"><title>Claims</title><style>{STYLE}</style>{"".join(body)}\n'


def with_error(value: float, error: float) -> str:
    """`value ± error` with two significant digits of the error, three decimals at most."""
    if not math.isfinite(value):
        return "–"
    decimals = 3 if error <= 0 else min(3, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:.{decimals}f} ± {error:.{decimals}f}".replace("-", "−")


def factor(value: float, error: float) -> str:
    """10^value with its 95 % interval."""
    if not math.isfinite(value):
        return "–"
    middle, low, high = (10 ** (value + side * Z95 * error) for side in (0, -1, 1))
    return f"{short(middle)} ({short(low)} to {short(high)})"


def short(value: float) -> str:
    """Two significant digits, trailing zeros kept, but all digits before the point."""
    return f"{value:.0f}" if value >= 9.5 else f"{value:#.2g}"


def allowed(decision: Decision) -> str:
    """The interval of the claim, as factors."""
    low, high = (10**end if end < math.inf else end for end in decision.claim.interval)
    if high == math.inf:
        return f"≥ {low:.2g}"
    return f"≤ {high:.2g}" if low == 0 else f"{low:.2g} to {high:.2g}"


if "snakemake" in globals():
    run(main, globals()["snakemake"])
