"""Local transforms: one job per run measures the stability of its neurons; one table of all runs."""

TRANSFORM_FILES = run_files("local_transforms")
TRANSFORM_EPOCHS = config["local_transforms"]["epochs"] if config["local_transforms"] else "kept"


localrules:
    summarise_local_transforms,


rule measure_local_transforms:
    input:
        data="results/data/{dataset}.nc",
        checkpoints=of_each_epoch(f"{RUN}/checkpoints/epoch{{epoch}}.pt", TRANSFORM_EPOCHS),
    output:
        local_transforms=f"{RUN}/local_transforms.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/local_transforms.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/local_transforms.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_local_transforms"),
        labels=labels,
        settings=lambda wildcards: {key: value for key, value in config["local_transforms"].items() if key != "epochs"},
    script:
        "../workflow_scripts/measure_local_transforms.py"


rule summarise_local_transforms:
    input:
        local_transforms=TRANSFORM_FILES,
    output:
        summary="results/local_transforms.nc",
    log:
        "results/logs/local_transforms.log",
    benchmark:
        "results/benchmarks/local_transforms.tsv"
    params:
        code=code("summarise_local_transforms"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_local_transforms.py"
