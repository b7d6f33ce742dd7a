"""Names of files, lists of targets, and what rules pass to their scripts."""

import os
from functools import partial
from pathlib import Path

from workflow_scripts.support.code_digest import code_digest, module_digest
from workflow_scripts.support.configuration import (
    IMPORTED_EPOCH,
    expand_runs,
    image_shape,
    is_training,
    kept_epochs,
    runs_with,
)

# Jobs inherit these: glibc then keeps the memory of one operation for the next instead of giving it back to the system, which
# saves a fifth of the time of sweeps and trainings on CPUs (docs/architecture.md). Without effect elsewhere.
os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
os.environ.setdefault("MALLOC_TOP_PAD_", str(2**26))
# No file is written to once it has its name, so that locks protect nothing; some network file systems refuse them.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

RUN = "results/runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}"
RUNS = expand_runs(config)
EPOCHS = {name: kept_epochs(recipe) for name, recipe in config["recipes"].items()}
DATASETS = sorted({run["dataset"] for run in RUNS})
ARCHITECTURES = {name: network.get("model", network["architecture"]) for name, network in config["networks"].items()}
CALIBRATED = sorted({run["dataset"] for run in runs_with(config, "stability")})

DATA_FILES = [f"results/data/{dataset}.nc" for dataset in DATASETS]
CALIBRATION = "results/calibration/{dataset}/cutoff{cutoff}.nc"
CALIBRATION_FILES = expand(CALIBRATION, dataset=CALIBRATED, cutoff=config["deformations"]["cutoffs"])
TRAINING_RUNS = [run for run in RUNS if is_training(config["recipes"][run["recipe"]])]
TRAINING_FILES = [f"{RUN}/training.nc".format(**run) for run in TRAINING_RUNS]
STABILITY_FILES = [
    f"{RUN}/stability/epoch{epoch:04d}.nc".format(**run)
    for run in runs_with(config, "stability")
    for epoch in EPOCHS[run["recipe"]]
    if config["stability"]
]
PREDICTOR_FILES = [
    f"{RUN}/predictor/epoch{epoch:04d}.nc".format(**run)
    for run in runs_with(config, "predictor")
    for epoch in EPOCHS[run["recipe"]]
    if config["predictor"] and (config["predictor"]["epochs"] == "kept" or epoch == EPOCHS[run["recipe"]][-1])
]


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    cutoff="[0-9]+",
    network="[A-Za-z0-9_-]+",
    recipe="[A-Za-z0-9_-]+",
    train_size="[0-9]+",
    seed="[0-9]+",
    epoch="[0-9]+",


def growing(amount):
    """A resource (MB, minutes) that grows with every attempt at a job: profiles may let jobs run again (`retries`)."""
    return lambda wildcards, attempt: attempt * amount


def code(script):
    """Digest of a script and of the project modules it imports: an edit of any of them makes the rule's results stale."""
    return code_digest(BASE, f"workflow_scripts.{script}")


def run_files(analysis, runs=None, name=None):
    """Files (called after the analysis, or `name`) with one job for each run: of all that the analysis is asked for, or `runs`."""
    chosen = runs_with(config, analysis) if runs is None else runs
    return [f"{RUN}/{name or analysis}.nc".format(**run) for run in chosen] if config[analysis] else []


def of_dataset(files, dataset):
    """Those of some files of runs that are of one data set."""
    return [file for file in files if f"results/runs/{dataset}/" in file]


def figure_files(figures):
    """Both files of each figure."""
    return [f"results/figures/{figure}.{kind}" for figure in figures for kind in ("svg", "png")]


def usual(runs):
    """Runs without those of the simple local models, which have a figure of their own."""
    return [run for run in runs if config["networks"][run["network"]]["architecture"] != "local_model"]


def of_each_epoch(path, chosen="kept"):
    """An input function: the files of the epochs of a run, all `kept` or the `first_and_last`; `path` has the wildcard `epoch`."""
    epochs = {name: kept if chosen == "kept" else sorted({kept[0], kept[-1]}) for name, kept in EPOCHS.items()}
    return lambda wildcards: [path.format(**{**wildcards, "epoch": f"{epoch:04d}"}) for epoch in epochs[wildcards.recipe]]


def labels(wildcards, recipe=None):
    """The labels of a run (and epoch) as the dimensions of its files; `recipe` where it is not a wildcard."""
    named = {**wildcards} | ({"recipe": recipe} if recipe else {})
    return {name: label if name in ("dataset", "network", "recipe") else int(label) for name, label in named.items()}


def own_files(path):
    """The file of people's own that the configuration names, if it names one."""
    return [str(Path(path).expanduser())] if path else []


def code_with_network(script):
    """An input function: `code`, and for a network of people's own the digest of the file that defines it."""
    return lambda wildcards: code(script) + module_digest(config["networks"][wildcards.network].get("factory"))


def network_settings(wildcards):
    """The configuration block of the network, without `weights`, which only the import reads."""
    return network_block(wildcards.network)


def network_block(network):
    """The configuration block of a network, without `weights`."""
    return {key: value for key, value in config["networks"][network].items() if key != "weights"}
