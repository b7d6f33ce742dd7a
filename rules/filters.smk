"""Filters: one job per run that trains compares those of all its kept epochs; one table of all runs."""

FILTER_RUNS = [run for run in runs_with(config, "filter_spectra") if is_training(config["recipes"][run["recipe"]])]
FILTER_FILES = run_files("filter_spectra", FILTER_RUNS)
DRAWN_FILTER_FILES = run_files("filter_spectra", usual(FILTER_RUNS))
LOCAL_FILTER_FILES = [file for file in FILTER_FILES if file not in DRAWN_FILTER_FILES]


localrules:
    summarise_filter_spectra,


rule measure_filter_spectra:
    input:
        checkpoints=of_each_epoch(f"{RUN}/checkpoints/epoch{{epoch}}.pt"),
    output:
        filter_spectra=f"{RUN}/filter_spectra.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/filter_spectra.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/filter_spectra.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code("measure_filter_spectra"),
        labels=labels,
    script:
        "../workflow_scripts/measure_filter_spectra.py"


rule summarise_filter_spectra:
    input:
        filter_spectra=FILTER_FILES,
    output:
        summary="results/filter_spectra.nc",
    log:
        "results/logs/filter_spectra.log",
    benchmark:
        "results/benchmarks/filter_spectra.tsv"
    params:
        code=code("summarise_filter_spectra"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_filter_spectra.py"
