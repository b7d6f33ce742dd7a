"""Every script on a GPU, with no change but the device; on a pretended one to the last bit, on a real one where there is one."""

from pathlib import Path

import pytest
import torch
import xarray as xr

from tests.every_analysis import analyse
from tests.pretend_cuda import deterministic_as_before, pretend_cuda
from workflow_scripts.support.netcdf import read_dataset

NETWORKS = ("fully_connected", "locally_connected", "simple_cnn", "vgg11_bn_antialiased", "resnet18")
OF_NUMBERS = (
    "stability0",
    "stability1",
    "predictor",
    "activation_spectra",
)  # in which no maximum of nearly equal numbers decides


@pytest.mark.parametrize("name", NETWORKS)
def test_pretended_device_makes_every_bit_of_the_files_of_the_cpu(name: str, tmp_path: Path) -> None:
    on_cpu = analyse(made(tmp_path / "cpu"), name)
    with deterministic_as_before(), pretend_cuda():
        on_cuda = analyse(made(tmp_path / "cuda"), name, device="cuda")
    for analysis, path in on_cpu.items():
        expected, found = read_dataset(path), read_dataset(on_cuda[analysis])
        xr.testing.assert_identical(expected.drop_attrs(), found.drop_attrs())
        assert (expected.attrs.get("device", "cpu"), found.attrs.get("device", "cpu")) in {("cpu", "cuda"), ("cpu", "cpu")}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("name", NETWORKS)
def test_gpu_makes_the_files_of_the_cpu(name: str, tmp_path: Path) -> None:
    on_cpu = analyse(made(tmp_path / "cpu"), name)
    with deterministic_as_before():
        on_cuda = analyse(made(tmp_path / "cuda"), name, device="cuda", memory_mb=2000)
    for analysis, path in on_cpu.items():
        expected, found = read_dataset(path), read_dataset(on_cuda[analysis])
        assert expected.sizes == found.sizes
        if analysis in OF_NUMBERS:
            xr.testing.assert_allclose(expected.drop_attrs(), found.drop_attrs(), rtol=1e-2, atol=1e-4)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder
