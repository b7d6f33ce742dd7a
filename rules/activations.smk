"""Power spectra of activations: one job per run looks at all its kept epochs; one table of all runs."""

ACTIVATION_FILES = run_files("activation_spectra")


localrules:
    summarise_activation_spectra,


rule measure_activation_spectra:
    input:
        data="results/data/{dataset}.nc",
        checkpoints=of_each_epoch(f"{RUN}/checkpoints/epoch{{epoch}}.pt"),
    output:
        spectra=f"{RUN}/activation_spectra.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/activation_spectra.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/activation_spectra.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_activation_spectra"),
        labels=labels,
        settings=config["activation_spectra"],
    script:
        "../workflow_scripts/measure_activation_spectra.py"


rule summarise_activation_spectra:
    input:
        activation_spectra=ACTIVATION_FILES,
    output:
        summary="results/activation_spectra.nc",
    log:
        "results/logs/activation_spectra.log",
    benchmark:
        "results/benchmarks/activation_spectra.tsv"
    params:
        code=code("summarise_activation_spectra"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_activation_spectra.py"
