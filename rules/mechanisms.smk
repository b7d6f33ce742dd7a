"""Mechanisms: one job per run that trains compares the filters of all its kept epochs; one table of all runs."""


localrules:
    summarise_mechanisms,


rule measure_filter_spectra:
    input:
        checkpoints=lambda wildcards: [f"{RUN}/checkpoints/epoch{epoch:04d}.pt" for epoch in EPOCHS[wildcards.recipe]],
    output:
        filter_spectra=f"{RUN}/filter_spectra.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/filter_spectra.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/filter_spectra.tsv"
    resources:
        mem_mb=2000,
    params:
        code=code("measure_filter_spectra"),
        labels=labels,
    script:
        "../workflow_scripts/measure_filter_spectra.py"


rule summarise_mechanisms:
    input:
        filter_spectra=FILTER_FILES,
    output:
        mechanisms="results/mechanisms.nc",
    log:
        "results/logs/mechanisms.log",
    benchmark:
        "results/benchmarks/mechanisms.tsv"
    params:
        code=code("summarise_mechanisms"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_mechanisms.py"
