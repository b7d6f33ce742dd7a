"""Networks at initialisation, trained and imported: one job for each run's epoch 0, one for its training or its import."""


rule initialise_network:
    input:
        data="results/data/{dataset}.nc",
    output:
        checkpoint=f"{RUN}/checkpoints/epoch0000.pt",
    log:
        "results/logs/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/checkpoints/epoch0000.log",
    benchmark:
        "results/benchmarks/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}/checkpoints/epoch0000.tsv"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_with_network("initialise_network"),
        labels=labels,
        network=network_settings,
    script:
        "../workflow_scripts/initialise_network.py"


IMPORTED = f"{RUN}/checkpoints/epoch{IMPORTED_EPOCH:04d}".removeprefix("results/")
PRETRAINED = [name for name, recipe in config["recipes"].items() if recipe["pretrained"]]


rule import_network:
    input:
        data="results/data/{dataset}.nc",
        weights=lambda wildcards: own_files(config["networks"][wildcards.network]["weights"]),
    output:
        checkpoint=f"results/{IMPORTED}.pt",
    log:
        f"results/logs/{IMPORTED}.log",
    benchmark:
        f"results/benchmarks/{IMPORTED}.tsv"
    wildcard_constraints:
        recipe="|".join(PRETRAINED) or "-",  # no recipe is called "-"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_with_network("import_network"),
        labels=labels,
        network=network_settings,
        epoch=IMPORTED_EPOCH,
    script:
        "../workflow_scripts/import_network.py"


# One rule for each recipe, because the epochs that it keeps are the outputs of its trainings.
for recipe, settings in config["recipes"].items():
    if is_training(settings):
        RECIPE_RUN = RUN.replace("{recipe}", recipe)
        RECIPE_JOB = RECIPE_RUN.removeprefix("results/")

        rule:
            name:
                f"train_{recipe}"
            input:
                data="results/data/{dataset}.nc",
                initial=f"{RECIPE_RUN}/checkpoints/epoch0000.pt",
            output:
                training=f"{RECIPE_RUN}/training.nc",
                best=f"{RECIPE_RUN}/checkpoints/best.pt",
                checkpoints=[f"{RECIPE_RUN}/checkpoints/epoch{epoch:04d}.pt" for epoch in EPOCHS[recipe] if epoch > 0],
            log:
                f"results/logs/{RECIPE_JOB}/training.log",
            benchmark:
                f"results/benchmarks/{RECIPE_JOB}/training.tsv"
            resources:
                gpu=1,
                mem_mb=growing(config["memory_budget_mb"] + 2000),
                runtime=growing(240),
            params:
                code=code("train_network"),
                labels=partial(labels, recipe=recipe),
                network=network_settings,
                recipe={key: value for key, value in settings.items() if key != "pretrained"},
            script:
                "../workflow_scripts/train_network.py"
