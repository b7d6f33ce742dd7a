"""Figures of the simple local models and of the positive control, anti-aliased pooling."""

STABILITY_RUNS = runs_with(config, "stability") if STABILITY_FILES else []
LOCAL_FIGURES = ["local_models"] if len(usual(STABILITY_RUNS)) < len(STABILITY_RUNS) else []
LOCAL_FIGURES += ["antialiasing"] if any(network_block(run["network"]).get("antialiased") for run in STABILITY_RUNS) else []


localrules:
    draw_local_models,
    draw_antialiasing,


rule draw_local_models:
    input:
        summary="results/summary.nc",
    output:
        svg=report(
            "results/figures/local_models.svg",
            caption="../report/local_models.rst",
            category="Mechanisms",
            labels={"figure": "simple local models"},
        ),
        png="results/figures/local_models.png",
    log:
        "results/logs/figures/local_models.log",
    benchmark:
        "results/benchmarks/figures/local_models.tsv"
    params:
        code=code("draw_local_models"),
        settings=config["summary"],
    script:
        "../workflow_scripts/draw_local_models.py"


rule draw_antialiasing:
    input:
        summary="results/summary.nc",
    output:
        svg=report(
            "results/figures/antialiasing.svg",
            caption="../report/antialiasing.rst",
            category="Mechanisms",
            labels={"figure": "positive control: anti-aliased pooling"},
        ),
        png="results/figures/antialiasing.png",
    log:
        "results/logs/figures/antialiasing.log",
    benchmark:
        "results/benchmarks/figures/antialiasing.tsv"
    params:
        code=code("draw_antialiasing"),
        settings=config["summary"],
    script:
        "../workflow_scripts/draw_antialiasing.py"
