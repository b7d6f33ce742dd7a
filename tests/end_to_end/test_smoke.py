"""The finished smoke experiment: every file keeps the contract, every command and snippet of the docs runs, the report opens."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from tests.conftest import BIN, ROOT, fenced_blocks, run_snakemake
from workflow_scripts.support.configuration import load_schema
from workflow_scripts.support.document_configuration import SCHEMA, configuration_page
from workflow_scripts.support.document_networks import networks_page
from workflow_scripts.support.document_results import results_page

ATTRIBUTES = {"title", "source", "history", "references", "git_commit", "package_versions", "configuration", "complete"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def blocks(language: str) -> list[tuple[str, str]]:
    """Fenced blocks of one language in the README and the docs, with the page they are on."""
    found = [(page.name, block) for page in PAGES for block in fenced_blocks(page, language)]
    assert found
    return found


def commands() -> list[str]:
    """Every shell command of the README and the docs, once, without comments."""
    lines = [line.split(" #")[0].strip() for _, block in blocks("sh") for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line))


def test_every_netcdf_file_keeps_the_contract(smoke_run: Path) -> None:
    files = sorted((smoke_run / "results").rglob("*.nc"))
    assert (
        len(files) == 3 + 4 + 5 + 13 + 3 + 16 + 3 + 11
    )  # data, calibration, training, stability, predictor, other analyses of runs; fields, receptive fields; tables, claims
    for path in files:
        with xr.open_dataset(path) as dataset:
            assert set(dataset.attrs) >= ATTRIBUTES, path
            assert dataset.attrs["complete"] == 1
            for name, variable in dataset.data_vars.items():
                assert {"long_name", "units"} <= set(variable.attrs), f"{path}: {name}"


def test_no_half_written_file_is_left(smoke_run: Path) -> None:
    left = [path for path in (smoke_run / "results").rglob("*") if path.name.endswith(".partial") or path.name == ".resume"]
    assert left == []


def test_page_of_results_is_true(smoke_run: Path) -> None:
    assert (ROOT / "docs/results.md").read_text() == results_page(smoke_run / "results")


def test_page_of_networks_is_true() -> None:
    assert (ROOT / "docs/networks.md").read_text() == networks_page()


def test_page_of_configuration_is_true() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == configuration_page(load_schema(SCHEMA))


# That of own_dataset.md has arrays to start with: tests/end_to_end/test_own_dataset.py.
@pytest.mark.parametrize("block", [block for page, block in blocks("python") if page != "own_dataset.md"])
def test_snippet_runs(block: str, smoke_run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], cwd=smoke_run, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", commands())
def test_command_runs(command: str, smoke_copy: Path) -> None:
    """On the smoke experiment; `make` is asked what it would do, and what would install or test is only checked to exist.

    Commands for clusters are asked too: tests/cluster runs them.
    """
    shutil.copyfile(smoke_copy / "configs/smoke.yaml", smoke_copy / "config.yaml")
    program, *arguments = command.split()
    if program == "make":
        done = subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    elif program == "snakemake":
        run_snakemake(smoke_copy, *arguments, *(["--dry-run"] if "--workflow-profile" in arguments else []))
    elif command == "pip install -r requirements.txt":
        assert (ROOT / "requirements.txt").read_text().count("==") > 50
    else:
        assert command == "pytest"


def test_cube_holds_every_run_at_its_labels(smoke_run: Path) -> None:
    pattern = str(smoke_run / "results/runs/*/*/*/*/*/stability/*.nc")
    with xr.open_mfdataset(pattern, combine="by_coords", join="outer", data_vars="minimal") as cube:
        run = {"dataset": "mnist_5k", "network": "fc2", "recipe": "short", "train_size": 1000, "seed": 0, "epoch": 2}
        file = smoke_run / "results/runs/mnist_5k/fc2/short/P1000/seed0/stability/epoch0002.nc"
        with xr.open_dataset(file) as alone:
            layers = alone.sizes["layer"]
            found = cube.squared_distance.sel(run).isel(layer=slice(layers)).load()
            xr.testing.assert_equal(found.drop_vars(run), alone.squared_distance.squeeze(list(run), drop=True))
        assert cube.operation.sel(network="fc2").values[:3].tolist() == ["input", "linear", "activation"]
        assert cube.squared_distance.sel({**run, "dataset": "scale_detection"}).isnull().all()


def test_input_layer_of_the_sweep_is_the_calibrated_norm(smoke_run: Path) -> None:
    results = smoke_run / "results"
    sweep = xr.open_dataset(results / "runs/mnist_5k/fc2/short/P1000/seed0/stability/epoch0001.nc").squeeze()
    calibration = xr.open_dataset(results / "calibration/mnist_5k/cutoff3.nc").squeeze()
    for name in ("bilinear", "gaussian"):
        norms = calibration.displacement_norm.sel(interpolation=name)
        moved = sweep.squared_distance.sel(perturbation=f"diffeo_{name}").isel(layer=0)
        noisy = sweep.squared_distance.sel(perturbation=f"noise_{name}").isel(layer=0)
        assert abs(moved**0.5 / norms - 1).max() < 1e-5
        assert abs(noisy**0.5 / norms.mean("sample") - 1).max() < 1e-5


def test_summary_knows_the_numbers_of_networks_and_the_steps_of_r(smoke_run: Path) -> None:
    summary = xr.open_dataset(smoke_run / "results/summary.nc")
    local = summary.isel(checkpoint=summary.network.values.tolist().index("conv_tiny"))
    assert (local.channels, local.filter_size, local.pool_size, local.pooling, local.trained) == (4, 3, 4, "max", "all")
    assert summary.antialiased.values.tolist() == [name.endswith("antialiased") for name in summary.network.values.tolist()]
    vgg = summary.isel(checkpoint=summary.network.values.tolist().index("vgg11_bn_tiny")).transpose(..., "layer")
    layers = (vgg.operation != "").values.nonzero()[0][:-1]  # all but the softmax
    logarithm = np.log10(vgg.R.values[..., layers])
    np.testing.assert_allclose(vgg.R_step.values[..., layers[1:]], np.diff(logarithm), atol=1e-12)
    assert (vgg.R_step_standard_error < vgg.R_standard_error / vgg.R).isel(layer=layers[1:-1]).mean() > 0.5


def test_error_relation_holds_the_last_errors_of_the_trainings(smoke_run: Path) -> None:
    relation = xr.open_dataset(smoke_run / "results/error_relation.nc").sel(quantity="R")
    runs = zip(*(relation[f"point_{name}"].values.tolist() for name in ("network", "train_size")), strict=True)
    found = dict(zip(runs, relation.test_error.values.tolist(), strict=True))
    assert set(found) == {("fc2", 500), ("fc2", 1000), ("vgg11_bn_tiny", 1000)}
    for (network, size), error in found.items():
        training = smoke_run / f"results/runs/mnist_5k/{network}/short/P{size}/seed0/training.nc"
        assert error == pytest.approx(xr.open_dataset(training).error.sel(epoch=2, split="test").item(), rel=1e-12)
    assert relation.note.sel(dataset="mnist_5k", selection="all_train_sizes").item().endswith(": 2, needed: 4")
    assert relation.train_sizes.values.tolist() == [2]


def test_every_figure_is_there_as_svg_and_png(smoke_run: Path) -> None:
    figures = smoke_run / "results/figures"
    names = {path.stem for path in figures.glob("*.svg")}
    assert names == {path.stem for path in figures.glob("*.png")}
    assert len({path.read_bytes() for path in figures.glob("*.png")}) == len(names)  # each its own
    of_predictor = {
        "noise_stability",
        "misclassification",
        "interpolations",
        "interpolation_stability",
        "directions",
        "boundary",
        "image_size",
    }
    of_stability = {"stability_bars", "stability_curves", "depth", "operations", "local_models", "antialiasing"}
    of_stability |= {"error_against_stability", "learning_curves"}
    of_fields = {"field_norms", "field_patches", "field_parts"}
    of_filters = {"filter_spectra_mnist_5k", "first_layers_mnist_5k", "gabor"}
    of_mechanisms = {"activation_spectra", "activation_depth"}
    of_channels = {"channel_shuffle", "channel_shares", "channel_coupling"}
    of_alpha = {
        f"neuron_stability_{quantity}_{norm}" for quantity in ("normalised", "raw") for norm in ("displacement", "frobenius")
    }
    of_alpha |= {"neuron_firing", "transform_displacement"}
    others = {"training_curves", "noisy_samples", "deconvolution", "receptive_field", "receptive_field_sizes"}
    assert of_stability | of_predictor | of_fields | of_filters | of_mechanisms | of_channels | of_alpha | others <= names


@pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium")
def test_report_opens_in_a_browser_without_network(smoke_copy: Path) -> None:
    run_snakemake(smoke_copy, "--configfile", "configs/smoke.yaml", "--report", "results/report.html")
    report = smoke_copy / "results/report.html"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    options += [
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--virtual-time-budget=10000",
        f"--user-data-dir={smoke_copy / 'browser'}",
    ]
    page = subprocess.run(
        [str(CHROMIUM), *options, "--dump-dom", report.as_uri()], capture_output=True, text=True, timeout=120
    ).stdout
    assert "Stability" in page
    assert "Claims" in page


def test_default_experiment_passes_the_schema_and_expands() -> None:
    printed = run_snakemake(ROOT, "--dry-run", "--quiet", "rules").stdout
    runs = yaml.safe_load((ROOT / "config.yaml").read_text())["runs"]
    assert len(runs) > 1
    assert "Error" not in printed


def test_bad_configuration_is_refused_in_one_sentence_before_any_job(tmp_path: Path) -> None:
    configuration = yaml.safe_load((ROOT / "configs/smoke.yaml").read_text())
    configuration["recipes"]["short"]["learning_rate"] = "1e-3"
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(configuration))
    command = [str(BIN / "snakemake"), "--dry-run", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "bad.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "recipes.short.learning_rate: '1e-3' is not of type number; write 0.001" in done.stdout + done.stderr
