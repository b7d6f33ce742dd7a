"""The outputs of a network on moving away from its images: one job per checkpoint gives every direction and strength."""


rule measure_predictor:
    input:
        data="results/data/{dataset}.nc",
        checkpoint=f"{RUN}/checkpoints/epoch{{epoch}}.pt",
    output:
        predictor=f"{RUN}/predictor/epoch{{epoch}}.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/predictor/epoch{epoch}.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/predictor/epoch{epoch}.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_predictor"),
        labels=labels,
        settings=lambda wildcards: {key: value for key, value in config["predictor"].items() if key != "epochs"},
        ensemble={key: config["deformations"][key] for key in ("delta_convention", "mode_rule", "seed")},
    script:
        "../workflow_scripts/measure_predictor.py"
