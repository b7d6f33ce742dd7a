"""Channels: stability of networks whose channels are shuffled, and the coupling of rotated neurons; one job per run each."""

SHUFFLE_FILES = run_files("channel_shuffle") if config["stability"] else []
COUPLING_FILES = run_files("channel_coupling")


localrules:
    summarise_channel_shuffle,
    summarise_channel_coupling,


rule measure_channel_shuffle:
    input:
        data="results/data/{dataset}.nc",
        calibration=lambda wildcards: CALIBRATION.format(dataset=wildcards.dataset, cutoff=config["stability"]["cutoff"]),
        checkpoints=of_each_epoch(f"{RUN}/checkpoints/epoch{{epoch}}.pt"),
        stability=of_each_epoch(f"{RUN}/stability/epoch{{epoch}}.nc"),
    output:
        shuffle=f"{RUN}/channel_shuffle.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/channel_shuffle.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/channel_shuffle.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_channel_shuffle"),
        labels=labels,
        settings=config["channel_shuffle"],
        sweep=config["stability"],
        ensemble={key: config["deformations"][key] for key in ("mode_rule", "seed")},
        probe=config["probe"],
    script:
        "../workflow_scripts/measure_channel_shuffle.py"


rule measure_channel_coupling:
    input:
        checkpoints=of_each_epoch(f"{RUN}/checkpoints/epoch{{epoch}}.pt"),
    output:
        coupled=f"{RUN}/channel_coupling.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/channel_coupling.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/channel_coupling.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        code=code("measure_channel_coupling"),
        labels=labels,
        settings=config["channel_coupling"],
    script:
        "../workflow_scripts/measure_channel_coupling.py"


rule summarise_channel_shuffle:
    input:
        channel_shuffle=SHUFFLE_FILES,
    output:
        summary="results/channel_shuffle.nc",
    log:
        "results/logs/channel_shuffle.log",
    benchmark:
        "results/benchmarks/channel_shuffle.tsv"
    params:
        code=code("summarise_channel_shuffle"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_channel_shuffle.py"


rule summarise_channel_coupling:
    input:
        channel_coupling=COUPLING_FILES,
    output:
        summary="results/channel_coupling.nc",
    log:
        "results/logs/channel_coupling.log",
    benchmark:
        "results/benchmarks/channel_coupling.tsv"
    params:
        code=code("summarise_channel_coupling"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_channel_coupling.py"
