"""Receptive fields: of a network on images of a size, without data or weights; of a run on its test images; one table of all."""

EFFECTIVE_FIELD_FILES = run_files("receptive_fields", name="effective_receptive_fields")
RECEPTIVE_FIELD_FILES = sorted(
    {"results/receptive_fields/{}/{}.nc".format(*Path(file).parts[2:4]) for file in EFFECTIVE_FIELD_FILES}
)


localrules:
    summarise_receptive_fields,


rule measure_receptive_fields:
    output:
        receptive_fields="results/receptive_fields/{dataset}/{network}.nc",
    log:
        "results/logs/receptive_fields/{dataset}/{network}.log",
    benchmark:
        "results/benchmarks/receptive_fields/{dataset}/{network}.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(15),
    params:
        code=code_with_network("measure_receptive_fields"),
        labels=labels,
        specification=network_settings,
        input_shape=lambda wildcards: image_shape(config["datasets"][wildcards.dataset]),
    script:
        "../workflow_scripts/measure_receptive_fields.py"


rule measure_effective_receptive_fields:
    input:
        data="results/data/{dataset}.nc",
        checkpoints=of_each_epoch(f"{RUN}/checkpoints/epoch{{epoch}}.pt"),
    output:
        fields=f"{RUN}/effective_receptive_fields.nc",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/effective_receptive_fields.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/effective_receptive_fields.tsv"
    resources:
        gpu=1,
        mem_mb=growing(config["memory_budget_mb"] + 2000),
        runtime=growing(30),
        batch_mb=config["memory_budget_mb"],
    params:
        code=code("measure_effective_receptive_fields"),
        labels=labels,
        settings=config["receptive_fields"],
    script:
        "../workflow_scripts/measure_effective_receptive_fields.py"


rule summarise_receptive_fields:
    input:
        receptive_fields=RECEPTIVE_FIELD_FILES,
        effective_fields=EFFECTIVE_FIELD_FILES,
    output:
        summary="results/receptive_fields.nc",
    log:
        "results/logs/receptive_fields.log",
    benchmark:
        "results/benchmarks/receptive_fields.tsv"
    params:
        code=code("summarise_receptive_fields"),
        architectures=ARCHITECTURES,
    script:
        "../workflow_scripts/summarise_receptive_fields.py"
