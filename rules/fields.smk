"""Displacement fields: one job without images or networks."""

FIELD_FILES = ["results/fields.nc"] if config["fields"] else []


rule measure_fields:
    output:
        fields="results/fields.nc",
    log:
        "results/logs/fields.log",
    benchmark:
        "results/benchmarks/fields.tsv"
    resources:
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_fields"),
        settings=config["fields"],
    script:
        "../workflow_scripts/measure_fields.py"
