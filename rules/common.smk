"""Names of files, lists of targets, and what rules pass to their scripts."""

import os
from functools import partial

from workflow_scripts.support.code_digest import code_digest
from workflow_scripts.support.configuration import expand_runs, kept_epochs

# Jobs inherit these: glibc then keeps the memory of one operation for the next instead of giving it back to the system, which
# saves a fifth of the time of sweeps and trainings on CPUs (docs/architecture.md). Without effect elsewhere.
os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
os.environ.setdefault("MALLOC_TOP_PAD_", str(2**26))

RUN = "results/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}"
RUNS = expand_runs(config)
EPOCHS = {name: kept_epochs(recipe) for name, recipe in config["recipes"].items()}
DATASETS = sorted({run["dataset"] for run in RUNS})

DATA_FILES = [f"results/data/{dataset}.nc" for dataset in DATASETS]
CALIBRATION = "results/calibration/{dataset}/cutoff{cutoff}.nc"
CALIBRATION_FILES = expand(CALIBRATION, dataset=DATASETS, cutoff=config["deformations"]["cutoffs"])
TRAINING_FILES = [f"{RUN}/training.nc".format(**run) for run in RUNS if config["recipes"][run["recipe"]]["epochs"] > 0]
STABILITY_FILES = [
    f"{RUN}/stability/epoch{epoch:04d}.nc".format(**run) for run in RUNS for epoch in EPOCHS[run["recipe"]] if config["stability"]
]


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    cutoff="[0-9]+",
    network="[A-Za-z0-9_-]+",
    recipe="[A-Za-z0-9_-]+",
    train_size="[0-9]+",
    seed="[0-9]+",
    epoch="[0-9]+",


def code(script):
    """Digest of a script and of the project modules it imports: an edit of any of them makes the rule's results stale."""
    return code_digest(BASE, f"workflow_scripts.{script}")


def labels(wildcards, recipe=None):
    """The labels of a run (and epoch) as the dimensions of its files; `recipe` where it is not a wildcard."""
    named = {**wildcards} | ({"recipe": recipe} if recipe else {})
    return {name: label if name in ("dataset", "network", "recipe") else int(label) for name, label in named.items()}


def network_settings(wildcards):
    """The configuration block of the network."""
    return config["networks"][wildcards.network]
