"""Make docs/results.md from the finished results of the smoke experiment (`make docs`)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

RUN = "runs/{dataset}/{network}/{recipe}/P{train_size}/seed{seed}"
FILES = {
    "data/{dataset}.nc": ("data/*.nc", "Images, labels, splits and normalisation constants of a data set."),
    "calibration/{dataset}/cutoff{cutoff}.nc": (
        "calibration/*/*.nc",
        "The deformations of one cutoff c on the probe images of a data set.",
    ),
    f"{RUN}/training.nc": ("runs/*/*/*/*/*/training.nc", "Loss and error of a run, by epoch."),
    f"{RUN}/stability/epoch{{epoch}}.nc": (
        "runs/*/*/*/*/*/stability/*.nc",
        "The sweep of one checkpoint, image by image and draw by draw.",
    ),
    f"{RUN}/predictor/epoch{{epoch}}.nc": (
        "runs/*/*/*/*/*/predictor/*.nc",
        "The outputs of one checkpoint on moving away from the images, image by image and draw by draw.",
    ),
    f"{RUN}/filter_spectra.nc": (
        "runs/*/*/*/*/*/filter_spectra.nc",
        "The filters of a run's convolutions on the eigenvectors of the grid Laplacian; Gabor fits to the first's.",
    ),
    "summary.nc": ("summary.nc", "D, G and R of all checkpoints, averaged over images, with standard errors."),
    "predictor.nc": (
        "predictor.nc",
        "Curves against r of all checkpoints, averaged over images, and what is read off them, with standard errors.",
    ),
    "filter_spectra.nc": ("filter_spectra.nc", "How training changed the filters, for all checkpoints, with standard errors."),
    "claims.nc": ("claims.nc", "The claims of the slides, decided."),
}
INTRODUCTION = """\
# Result files

The tables of this page are made from finished results by `make docs`; do not edit them by hand.

Everything under `results/` is written whole or not at all, opens with xarray, and says where it comes from: the attributes
`title, source, history, references, git_commit, package_versions, configuration` (the part of the configuration that made it,
as JSON), where they apply `device` and `seed`, and `complete = 1`, which readers insist on. Every variable has `long_name` and
`units` (`1` if dimensionless; `normalised image` is the norm in units of images normalised as in training).

Files of runs carry `dataset, network, recipe, train_size, seed` (and `epoch`) as dimensions of size 1, so that any number of
them combines by coordinates. `layer` numbers the observed operations of a network in the order in which they run: 0 is the
input, the last but one the logits, the last their softmax; `layer_name`, `operation` and `relative_depth` say what each is.
In files on filters it numbers the convolutions, and `mode` the modes (`mode_a`, `mode_b`) of the grid, 0 the constant one.
`strength` numbers the strengths: `displacement`, `temperature`, `radius` and `r` say what each is. Beside the NetCDF files
there are checkpoints (`checkpoints/epoch0000.pt` the initialisation, `best.pt` the epoch of lowest validation error;
`torch.load(path, weights_only=True)`), `claims.md` and `.html`, figures (`figures/*.svg, *.png`), `report.html`, and `logs/`
and `benchmarks/` that mirror the other paths.

```python
import xarray as xr

# all sweeps as one cube (lazy), and the relative stability of each layer from it
cube = xr.open_mfdataset("results/runs/*/*/*/*/*/stability/*.nc", combine="by_coords", join="outer", data_vars="minimal")
distance = cube.squared_distance.mean(["sample", "draw"])
R = distance.sel(perturbation="diffeo_bilinear", drop=True) / distance.sel(perturbation="noise_bilinear", drop=True)
print(R.isel(strength=-1, epoch=-1).load())
```

```python
import xarray as xr

# G/r² of the logits of all networks against r, and where it has its bump
predictor = xr.open_dataset("results/predictor.nc").sel(perturbation="noise", output="logits")
print((predictor.stability / predictor.r**2).to_series().unstack("strength"))
print(predictor.bump_position.sel(statistic="mean").to_series())
```

```python
import xarray as xr

# what training did to the constant part of the filters of each layer
spectra = xr.open_dataset("results/filter_spectra.nc")
print(spectra.ratio.sel(mode=0).to_series().dropna())
```

```python
import xarray as xr

# learning curves of all runs
training = xr.open_mfdataset("results/runs/*/*/*/*/*/training.nc", combine="by_coords", join="outer", data_vars="minimal")
print(training.error.sel(split="test").min("epoch").to_series().dropna())
```

```python
import xarray as xr

# the verdicts
claims = xr.open_dataset("results/claims.nc")
print(claims[["value", "standard_error", "verdict"]].to_dataframe())
```

```python
import xarray as xr

# the training images of a data set
data = xr.open_dataset("results/data/mnist_5k.nc")
print(data.images.isel(image=data.split.values == 0))
```
"""


def main(results: Path = Path("results")) -> None:
    """Print the page."""
    print(results_page(results), end="")


def results_page(results: Path) -> str:
    """One section for each kind of file, from the first file of that kind below `results`.

    Raises:
        FileNotFoundError: results lacks a kind of file.
    """
    lines = [INTRODUCTION]
    for name, (pattern, meaning) in FILES.items():
        found = sorted(results.glob(pattern))
        if not found:
            raise FileNotFoundError(f"{results} has no {pattern}; run snakemake first")
        lines += [f"## `results/{name}`", "", meaning, "", *table(found[0]), ""]
    return "\n".join(lines)


def table(path: Path) -> Iterator[str]:
    """Rows of variable, dimensions, units and meaning, then the coordinates."""
    yield "| variable | dimensions | units | meaning |"
    yield "|---|---|---|---|"
    with xr.open_dataset(path) as dataset:
        for name, variable in dataset.data_vars.items():
            meaning = variable.attrs["long_name"].replace("|", "\\|")
            yield f"| `{name}` | {', '.join(map(str, variable.dims))} | {variable.attrs['units']} | {meaning} |"
        coordinates = [f"`{name}` ({', '.join(map(str, value.dims))})" for name, value in sorted(dataset.coords.items())]
        yield ""
        yield f"Coordinates: {', '.join(coordinates)}."


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
