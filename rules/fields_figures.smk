"""Figures of displacement fields: their norms, their parts on patches, pictures."""

FIELD_FIGURES = ["field_norms", "field_patches", "field_parts"] if FIELD_FILES else []


localrules:
    draw_field_norms,
    draw_field_patches,
    draw_field_parts,


rule draw_field_norms:
    input:
        fields="results/fields.nc",
    output:
        svg=report(
            "results/figures/field_norms.svg",
            caption="../report/field_norms.rst",
            category="Displacement fields",
            labels={"figure": "norms against temperature and cutoff"},
        ),
        png="results/figures/field_norms.png",
    log:
        "results/logs/figures/field_norms.log",
    benchmark:
        "results/benchmarks/figures/field_norms.tsv"
    params:
        code=code("draw_field_norms"),
    script:
        "../workflow_scripts/draw_field_norms.py"


rule draw_field_patches:
    input:
        fields="results/fields.nc",
    output:
        svg=report(
            "results/figures/field_patches.svg",
            caption="../report/field_patches.rst",
            category="Displacement fields",
            labels={"figure": "patches"},
        ),
        png="results/figures/field_patches.png",
    log:
        "results/logs/figures/field_patches.log",
    benchmark:
        "results/benchmarks/figures/field_patches.tsv"
    params:
        code=code("draw_field_patches"),
    script:
        "../workflow_scripts/draw_field_patches.py"


rule draw_field_parts:
    input:
        fields="results/fields.nc",
    output:
        svg=report(
            "results/figures/field_parts.svg",
            caption="../report/field_parts.rst",
            category="Displacement fields",
            labels={"figure": "pictures of a field and its parts"},
        ),
        png="results/figures/field_parts.png",
    log:
        "results/logs/figures/field_parts.log",
    benchmark:
        "results/benchmarks/figures/field_parts.tsv"
    params:
        code=code("draw_field_parts"),
    script:
        "../workflow_scripts/draw_field_parts.py"
