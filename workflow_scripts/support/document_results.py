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
    "fields.nc": (
        "fields.nc",
        "Norms of displacement fields and of the parts of their gradients, over the image and over patches, measured and exact.",
    ),
    "receptive_fields/{dataset}/{network}.nc": (
        "receptive_fields/*/*.nc",
        "What the neurons of a network see on images of a size, whatever the weights: box and contribution profile of every "
        "operation with maps. `layer` is the operation's number in the stability files.",
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
    f"{RUN}/activation_spectra.nc": (
        "runs/*/*/*/*/*/activation_spectra.nc",
        "Power spectra of what every operation of a run's network makes of the test images, at every kept epoch.",
    ),
    f"{RUN}/deconvolution.nc": (
        "runs/*/*/*/*/*/deconvolution.nc",
        "Patches of images that drive neurons most, and their projections back to pixels by the deconvnet. `feature` numbers the "
        "chosen channels of a layer, `patch` their patches from the strongest on. What a neuron sees of an image, or of its "
        "reconstruction, is `.isel(row=slice(*box[0]), column=slice(*box[1]))`, `box` its `box_start` and `box_stop`; "
        "`image_index` is the place of its `image` along `picture`. `layer` numbers the ReLUs of maps, `operation_index` is "
        "their number in the stability files.",
    ),
    f"{RUN}/channel_shuffle.nc": (
        "runs/*/*/*/*/*/channel_shuffle.nc",
        "The sweep of a run's networks with shuffled channels, beside that of the networks as they are, at every kept epoch.",
    ),
    f"{RUN}/channel_coupling.nc": (
        "runs/*/*/*/*/*/channel_coupling.nc",
        "Whether a run's convolutions couple channels that are alike up to a rotation or translation, at every kept epoch.",
    ),
    f"{RUN}/effective_receptive_fields.nc": (
        "runs/*/*/*/*/*/effective_receptive_fields.nc",
        "Squared gradients of the central neurons of a run's convolutions with respect to the pixels, at every kept epoch. "
        "`layer` is the operation's number in the stability files.",
    ),
    f"{RUN}/local_transforms.nc": (
        "runs/*/*/*/*/*/local_transforms.nc",
        "How much every neuron of a run's convolutions and activations changes when its receptive field is translated, rotated, "
        "compressed or sheared, at every kept epoch. `layer` is the operation's number in the stability files.",
    ),
    "summary.nc": ("summary.nc", "D, G and R of all checkpoints, averaged over images, with standard errors."),
    "error_relation.nc": (
        "error_relation.nc",
        "The test error of the trained networks against their R, D and G, and both against the number P of training images: "
        "points, power laws, rank correlations and learning curves, with standard errors. `selection` is of points: those with "
        "the largest P of each network, or all.",
    ),
    "predictor.nc": (
        "predictor.nc",
        "Curves against r of all checkpoints, averaged over images, and what is read off them, with standard errors.",
    ),
    "filter_spectra.nc": ("filter_spectra.nc", "How training changed the filters, for all checkpoints, with standard errors."),
    "activation_spectra.nc": (
        "activation_spectra.nc",
        "Power spectra of the activations of all checkpoints, averaged over images, and their mean |k|, with standard errors.",
    ),
    "deconvolution.nc": (
        "deconvolution.nc",
        "How large and how smooth reconstructions are, for all checkpoints, averaged over channels, with standard errors.",
    ),
    "channel_shuffle.nc": (
        "channel_shuffle.nc",
        "D, G and R with shuffled channels, the shares of spatial and channel pooling, for all checkpoints, with errors.",
    ),
    "channel_coupling.nc": (
        "channel_coupling.nc",
        "The coupling of rotated and shifted neurons, layer by layer, for all checkpoints, with standard errors.",
    ),
    "receptive_fields.nc": (
        "receptive_fields.nc",
        "Sizes of the receptive fields of the convolutions of all checkpoints, averaged over images, with errors, beside "
        "those of the box and of the contribution profile.",
    ),
    "local_transforms.nc": (
        "local_transforms.nc",
        "The stability of neurons to local transforms and the invariance of their firing, for all checkpoints, averaged over "
        "neurons and patches, with standard errors.",
    ),
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
them combines by coordinates. Where an analysis makes no sense for a network, its file has these labels alone and the attribute
`note` says why; the tables of all runs list such networks in `left_out`.
`layer` numbers the observed operations of a network in the order in which they run: 0 is the
input, the last but one the logits, the last their softmax; `layer_name`, `operation` and `relative_depth` say what each is.
In files on filters and on coupling it numbers the convolutions; `convolution` numbers those that are shuffled alone, and `mode`
the modes (`mode_a`, `mode_b`) of the grid, 0 the constant one.
In files on spectra `wave_number` numbers the bins of |k|, in cycles per map.
`strength` numbers the strengths: `displacement`, `temperature`, `radius` and `r` say what each is. In `fields.nc`, numbers of
single draws and of patches are at temperature T = 1 (norms grow as √T, squares as T); `average` is over the pixels of the
`grid` or over the unit square (`continuum`); `C`, `S`, `R`, `U` are compression, pure shear, rotation and the whole gradient.
Beside the NetCDF files there are checkpoints (`checkpoints/epoch0000.pt` the initialisation, `best.pt` the epoch of lowest
validation error; `torch.load(path, weights_only=True)`), `claims.md` and `.html`, figures (`figures/*.svg, *.png`),
`report.html`, and `logs/` and `benchmarks/` that mirror the other paths.

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

# what share of a displacement field is no translation on patches of p pixels, measured and exact
fields = xr.open_dataset("results/fields.nc").sel(mode_rule="disc", patch_part="remainder")
print(fields.patch_share.to_series().unstack("patch_size"))
print(fields.patch_share_exact.sel(average="grid").to_series().unstack("patch_size"))
```

```python
import xarray as xr

# learning curves of all runs
training = xr.open_mfdataset("results/runs/*/*/*/*/*/training.nc", combine="by_coords", join="outer", data_vars="minimal")
print(training.error.sel(split="test").min("epoch").to_series().dropna())
```

```python
import xarray as xr

# the strongest patch of a channel of one run, and what of it drives the neuron, as the neuron's box holds them
cube = xr.open_mfdataset("results/runs/*/*/*/*/*/deconvolution.nc", combine="by_coords", join="outer", data_vars="minimal")
run = cube.sel(dataset="mnist_5k", network="vgg11_bn_tiny", recipe="short", train_size=1000, seed=0)
patch = run.isel(epoch=-1, layer=2, feature=0, patch=0).load()
rows, columns = (slice(*map(int, edges)) for edges in zip(patch.box_start, patch.box_stop))
print(patch.image.isel(picture=int(patch.image_index)).isel(row=rows, column=columns).values)
print(patch.reconstruction.isel(row=rows, column=columns).values)
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
    """One section for each kind of file, from the first file of that kind below `results` that has variables.

    Raises:
        FileNotFoundError: results lacks a kind of file.
    """
    lines = [INTRODUCTION]
    for name, (pattern, meaning) in FILES.items():
        found = next(filter(is_not_empty, sorted(results.glob(pattern))), None)
        if found is None:
            raise FileNotFoundError(f"{results} has no {pattern}; run snakemake first")
        lines += [f"## `results/{name}`", "", meaning, "", *table(found), ""]
    return "\n".join(lines)


def is_not_empty(path: Path) -> bool:
    """Whether a file has variables."""
    with xr.open_dataset(path) as dataset:
        return bool(dataset.data_vars)


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
