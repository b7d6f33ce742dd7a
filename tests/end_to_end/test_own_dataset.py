"""The page on data sets of one's own: its lines make a file, its configuration the data of it, and anew when the file changes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from snakemake.utils import validate

from tests.conftest import ROOT, copy_sources, fenced_blocks, run_snakemake
from workflow_scripts.support.configuration import check_schema, load_schema

PAGE = ROOT / "docs/own_dataset.md"
IMAGES = """
import numpy as np

generator = np.random.default_rng({seed})
images, labels = generator.integers(0, 256, (900, 3, 16, 16), dtype=np.uint8), np.arange(900) % 4
part = np.where(np.arange(900) < 650, "train", "test")
"""


def make_file(directory: Path, seed: int) -> None:
    (block,) = fenced_blocks(PAGE, "python")
    subprocess.run([sys.executable, "-c", IMAGES.format(seed=seed) + block], cwd=directory, check=True, timeout=120)


def test_configuration_of_the_page_makes_the_data_of_the_file(tmp_path: Path, rules_to_run: Callable[..., set[str]]) -> None:
    directory = copy_sources(tmp_path / "project")
    (directory / "mine.yaml").write_text(fenced_blocks(PAGE, "yaml")[0])
    make_file(directory, seed=0)
    run_snakemake(directory, "--cores", "1", "results/data/my_images.nc", "--configfile", "mine.yaml")
    with xr.open_dataset(directory / "results/data/my_images.nc") as data, xr.open_dataset(directory / "my_images.nc") as mine:
        assert np.bincount(data["split"].values).tolist() == [550, 100, 200] and data.attrs["classes"] == 4
        rows = data["source_index"].values + np.where(data["split"].values == 2, 650, 0)
        np.testing.assert_array_equal(data["images"].values, mine["images"].values[rows])
        np.testing.assert_array_equal(data["label"].values, mine["label"].values[rows])
    (directory / "my_images.nc").touch()
    to_run = rules_to_run(directory, "mine.yaml")
    assert "prepare_dataset" not in to_run and {"calibrate_deformations", "measure_stability", "train_adamw"} < to_run
    make_file(directory, seed=1)
    assert rules_to_run(directory, "mine.yaml") == {"prepare_dataset"} | to_run


@pytest.mark.parametrize("name", yaml.safe_load(fenced_blocks(PAGE, "yaml")[1])["datasets"])
def test_data_sets_of_the_page_are_allowed(name: str) -> None:
    schema = ROOT / "schemas/config.schema.yaml"
    configuration = yaml.safe_load(fenced_blocks(PAGE, "yaml")[0])
    configuration["datasets"] |= yaml.safe_load(fenced_blocks(PAGE, "yaml")[1])["datasets"]
    check_schema(configuration, load_schema(schema))
    validate(configuration, str(schema))
    assert configuration["datasets"][name]["train_options"] == {}
