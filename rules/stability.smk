"""The stability sweep: one job per checkpoint gives every layer, perturbation and strength."""


rule measure_stability:
    input:
        data="results/data/{dataset}.nc",
        calibration=lambda wildcards: CALIBRATION.format(dataset=wildcards.dataset, cutoff=config["stability"]["cutoff"]),
        checkpoint=f"{RUN}/checkpoints/epoch{{epoch}}.pt",
    output:
        stability=f"{RUN}/stability/epoch{{epoch}}.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/stability/epoch{epoch}.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/stability/epoch{epoch}.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_stability"),
        labels=labels,
        settings=config["stability"],
        ensemble={key: config["deformations"][key] for key in ("mode_rule", "seed")},
        probe=config["probe"],
    script:
        "../workflow_scripts/measure_stability.py"
