"""Images as NetCDF, and the ensemble of deformations calibrated on them."""


rule prepare_dataset:
    input:
        file=lambda wildcards: own_files(config["datasets"][wildcards.dataset].get("file")),
    output:
        dataset="results/data/{dataset}.nc",
    log:
        "results/logs/data/{dataset}.log",
    benchmark:
        "results/benchmarks/data/{dataset}.tsv"
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        code=code("prepare_dataset"),
        name=lambda wildcards: wildcards.dataset,
        settings=lambda wildcards: config["datasets"][wildcards.dataset],
    script:
        "../workflow_scripts/prepare_dataset.py"


rule calibrate_deformations:
    input:
        data="results/data/{dataset}.nc",
    output:
        calibration="results/calibration/{dataset}/cutoff{cutoff}.nc",
    log:
        "results/logs/calibration/{dataset}/cutoff{cutoff}.log",
    benchmark:
        "results/benchmarks/calibration/{dataset}/cutoff{cutoff}.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(15),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("calibrate_deformations"),
        name=lambda wildcards: wildcards.dataset,
        cutoff=lambda wildcards: int(wildcards.cutoff),
        ensemble={key: value for key, value in config["deformations"].items() if key != "cutoffs"},
        probe=config["probe"],
    script:
        "../workflow_scripts/calibrate_deformations.py"
