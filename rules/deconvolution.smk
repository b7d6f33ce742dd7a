"""Deconvolution: one job per run projects the strongest patches of its first and last kept epoch to pixels; one table of all."""

DECONVOLUTION_FILES = run_files("deconvolution")


localrules:
    summarise_deconvolution,


rule measure_deconvolution:
    input:
        data="results/data/{dataset}.nc",
        checkpoints=lambda wildcards: sorted(
            {f"{RUN}/checkpoints/epoch{epoch:04d}.pt" for epoch in (EPOCHS[wildcards.recipe][0], EPOCHS[wildcards.recipe][-1])}
        ),
    output:
        deconvolution=f"{RUN}/deconvolution.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/deconvolution.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/deconvolution.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_deconvolution"),
        labels=labels,
        settings=config["deconvolution"],
    script:
        "../workflow_scripts/measure_deconvolution.py"


rule summarise_deconvolution:
    input:
        deconvolution=DECONVOLUTION_FILES,
    output:
        summary="results/deconvolution.nc",
    log:
        "results/logs/deconvolution.log",
    benchmark:
        "results/benchmarks/deconvolution.tsv"
    params:
        code=code("summarise_deconvolution"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_deconvolution.py"
