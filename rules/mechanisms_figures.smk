"""Figures of the mechanisms: what each operation does to the stability, what training does to the filters."""

MECHANISM_FIGURES = ["operations"] if STABILITY_FILES else []
MECHANISM_FIGURES += ["filter_spectra"] if run_files("filter_spectra", has_filters, usual(FILTER_RUNS)) else []


localrules:
    draw_operations,
    draw_filter_spectra,


rule draw_operations:
    input:
        summary="results/summary.nc",
    output:
        svg=report(
            "results/figures/operations.svg",
            caption="../report/operations.rst",
            category="Mechanisms",
            labels={"figure": "after each operation"},
        ),
        png="results/figures/operations.png",
    log:
        "results/logs/figures/operations.log",
    benchmark:
        "results/benchmarks/figures/operations.tsv"
    params:
        code=code("draw_operations"),
        settings=config["summary"],
    script:
        "../workflow_scripts/draw_operations.py"


rule draw_filter_spectra:
    input:
        spectra="results/filter_spectra.nc",
    output:
        svg=report(
            "results/figures/filter_spectra.svg",
            caption="../report/filter_spectra.rst",
            category="Mechanisms",
            labels={"figure": "filters against the eigenvalue and depth"},
        ),
        png="results/figures/filter_spectra.png",
    log:
        "results/logs/figures/filter_spectra.log",
    benchmark:
        "results/benchmarks/figures/filter_spectra.tsv"
    params:
        code=code("draw_filter_spectra"),
    script:
        "../workflow_scripts/draw_filter_spectra.py"
