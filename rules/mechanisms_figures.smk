"""Figures of the mechanisms: what each operation does to the stability."""

MECHANISM_FIGURES = ["operations"] if STABILITY_FILES else []


localrules:
    draw_operations,


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
