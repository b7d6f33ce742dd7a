"""The project's writer and reader of NetCDF files over xarray's own, on a stability file of the default experiment."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import xarray as xr

from benchmarks.timing import Table, growth, ratio, table
from workflow_scripts.diffeo.perturbations import Diffeo, Noise, Perturbation, for_all
from workflow_scripts.diffeo.stability import Sweep
from workflow_scripts.measure_stability import as_dataset
from workflow_scripts.support.netcdf import read_dataset, write_dataset

STRENGTHS, LAYERS, SAMPLES, DRAWS, CLASSES = 5, 33, 500, 1, 10  # every operation of VGG11-bn


def stability_file(samples: int) -> xr.Dataset:
    """What a sweep of deformations and noise writes, of random numbers."""
    generator = torch.Generator().manual_seed(0)
    moved, cell = 2, (samples, DRAWS)

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).exp()

    amounts = for_all(torch.ones(STRENGTHS, dtype=torch.float64), samples, DRAWS)
    perturbations: dict[str, Perturbation] = {
        "diffeo_bilinear": Diffeo(amounts, "bilinear", 0, 3, "disc"),
        "noise_bilinear": Noise(amounts, "bilinear", 0),
    }
    sweep = Sweep(
        squared_distance=some(moved, STRENGTHS, LAYERS, *cell),
        squared_deviation=some(1, LAYERS, samples),
        read_out=some(moved, STRENGTHS, *cell, CLASSES),
        reference_read_out=some(1, samples, CLASSES),
    )
    return as_dataset(sweep, perturbations)


def write(dataset: xr.Dataset, path: Path) -> None:
    """As a script of the workflow does."""
    write_dataset(dataset, path, title="benchmark", configuration={})


def measure(samples: Sequence[int] = (500, 1000, 2000, 4000, 8000), repeats: int = 9) -> Table:
    """A row for writing and one for reading a file of the first number of samples; growth with all of them."""
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = Path(folder) / "ours.nc", Path(folder) / "plain.nc"
        dataset = stability_file(samples[0])
        writing = ratio(partial(write, dataset, ours), partial(dataset.to_netcdf, plain), repeats)
        reading = ratio(partial(read_dataset, ours), partial(xr.load_dataset, plain), repeats)
        sizes = [f"{path.stat().st_size / 2**20:.2f} MiB" for path in (ours, plain)]

        def written(number: int) -> Callable[[], object]:
            return partial(write, stability_file(number), Path(folder) / f"{number}.nc")

        def read(number: int) -> Callable[[], object]:
            return partial(read_dataset, Path(folder) / f"{number}.nc")

        growths = [
            growth(f"{verb} a file", "number of samples", samples, prepare, repeats)
            for verb, prepare in (("writing", written), ("reading", read))
        ]
    rows = [
        [verb, f"{found.value:.2f}", f"{1000 * found.slow:.0f} ms", f"{1000 * found.fast:.0f} ms", *sizes]
        for verb, found in (("writing", writing), ("reading", reading))
    ]
    head = ["what", "ours / plain", "ours", "plain", "size, ours", "size, plain"]
    return Table(table(head, rows), [], growths)
