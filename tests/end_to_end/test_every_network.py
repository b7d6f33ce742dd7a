"""Every architecture trains for an epoch and goes through every analysis; where one makes no sense, the file says why."""

from pathlib import Path

import numpy as np
import pytest

from tests.every_analysis import NETWORKS, analyse
from workflow_scripts.diffeo.networks import ARCHITECTURES
from workflow_scripts.support.netcdf import read_dataset

# What every file that is not empty has, and the networks whose files are empty, with what they say.
NUMBERS = {
    "stability0": "squared_distance",
    "stability1": "squared_distance",
    "predictor": "squared_distance",
    "filter_spectra": "ratio",
    "activation_spectra": "power",
    "channel_shuffle": "squared_distance",
    "channel_coupling": "channels",
    "deconvolution": "activation",
    "receptive_fields": "box_size",
    "effective_receptive_fields": "total",
    "local_transforms": "alpha",
}
NOTES = {
    "filter_spectra": ("no convolution has filters of 2 x 2 pixels", ("fully_connected", "locally_connected")),
    "activation_spectra": ("no operation makes maps", ("fully_connected",)),
    "channel_shuffle": (
        "no convolution has several input channels",
        ("fully_connected", "local_model", "locally_connected", "vision_transformer"),
    ),
    "channel_coupling": ("the network has no convolution", ("fully_connected",)),
    "deconvolution": (
        "a deconvnet is defined for ReLUs",
        ("fully_connected", "efficientnet_b0", "convnext_tiny", "vision_transformer"),
    ),
    "receptive_fields": ("no operation makes maps", ("fully_connected",)),
    "effective_receptive_fields": ("the network has no convolution", ("fully_connected",)),
    "local_transforms": ("", ("fully_connected", "locally_connected")),
}


def test_every_architecture_is_among_the_networks() -> None:
    assert {network["architecture"] for network, _ in NETWORKS.values()} == set(ARCHITECTURES)


@pytest.mark.parametrize("name", NETWORKS)
def test_network_trains_and_goes_through_every_analysis(name: str, tmp_path: Path) -> None:
    files = analyse(tmp_path, name)
    assert set(files) == set(NUMBERS)
    for analysis, path in files.items():
        note, empty = NOTES.get(analysis, ("", ()))
        measured = read_dataset(path)
        if name in empty:
            assert not measured.data_vars, analysis
            assert measured.note.startswith(note)
            assert len(measured.note) > 20
        else:
            numbers = measured[NUMBERS[analysis]]
            explained = (measured.reason != "").all() if analysis == "channel_coupling" else False  # layer by layer
            assert numbers.notnull().any() or explained, analysis
            assert not np.isinf(numbers).any(), analysis
    for epoch in (0, 1):
        assert read_dataset(files[f"stability{epoch}"]).squared_distance.notnull().all()
