"""What all runs say together: one tidy dataset, and the claims of the slides decided on it."""

SUMMARY_FILES = (
    ["results/summary.nc", "results/claims.nc", "results/claims.md", "results/claims.html"] if config["stability"] else []
)


localrules:
    summarise,
    decide_claims,


rule summarise:
    input:
        stability=STABILITY_FILES,
        training=TRAINING_FILES,
    output:
        summary="results/summary.nc",
    log:
        "results/logs/summary.log",
    benchmark:
        "results/benchmarks/summary.tsv"
    params:
        code=code("summarise"),
        architectures={name: network["architecture"] for name, network in config["networks"].items()},
    script:
        "../workflow_scripts/summarise.py"


rule decide_claims:
    input:
        summary="results/summary.nc",
    output:
        claims="results/claims.nc",
        table="results/claims.md",
        page=report("results/claims.html", caption="../report/claims.rst", category="Claims"),
    log:
        "results/logs/claims.log",
    benchmark:
        "results/benchmarks/claims.tsv"
    params:
        code=code("decide_claims"),
        settings=config["summary"],
    script:
        "../workflow_scripts/decide_claims.py"
