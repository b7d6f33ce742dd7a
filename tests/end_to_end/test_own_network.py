"""The page on networks of one's own: its configuration, as it stands there, measures a network that no code here knows."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from tests.conftest import ROOT, copy_sources, fenced_blocks, run_snakemake

PAGE = (ROOT / "docs/own_network.md").read_text()
NETWORK = """
from torch import nn

class MyNetwork(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(576, 10))
"""


def test_configuration_of_the_page_measures_the_network(tmp_path: Path) -> None:
    directory = copy_sources(tmp_path / "project")
    (block,) = fenced_blocks(ROOT / "docs/own_network.md", "yaml")
    (directory / "mine.yaml").write_text(block)
    (directory / "my_networks.py").write_text(NETWORK)
    save = "import torch, my_networks; torch.save(my_networks.MyNetwork().state_dict(), 'my_network.pt')"
    subprocess.run([sys.executable, "-c", save], cwd=directory, check=True, timeout=120)
    (command,) = re.findall(r"^    snakemake (.*)$", PAGE, re.MULTILINE)
    run_snakemake(directory, *command.replace("all", "2").split())
    with xr.open_dataset(directory / "results/summary.nc") as summary:
        assert summary.operation.values.tolist() == [["input", "convolution", "activation", "logits", "softmax"]]
        assert summary.network.item() == "mine"
        logits = summary.R.sel(interpolation="bilinear").squeeze("checkpoint").isel(layer=3)
        assert np.isfinite(logits).all()
        assert (logits > 0).all()
    (directory / "my_networks.py").write_text(NETWORK.replace("ReLU(", "LeakyReLU(0.1, "))
    printed = run_snakemake(directory, "--dry-run", *command.replace("all", "2").split()).stdout
    assert re.search(r"^import_network +1$", printed, re.MULTILINE)
