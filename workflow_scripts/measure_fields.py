"""Measure norms of displacement fields and of the parts of their gradients, over images and patches, beside the exact ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from workflow_scripts.diffeo.deformation import (
    MODE_RULES,
    critical_temperatures,
    displacement_field,
    mode_sums,
    unit_coefficients,
)
from workflow_scripts.diffeo.field_norms import FORMULAS, PARTS, asymptotic_mean_squares, mean_norms, mean_squares
from workflow_scripts.diffeo.field_statistics import LOCAL_PARTS, drawn_norms, drawn_patch_squares, local_parts
from workflow_scripts.diffeo.patch_norms import (
    PATCH_PARTS,
    TOLERANCE,
    linear_estimate,
    linear_range,
    patch_gradient_mean_squares,
    patch_mean_squares,
)
from workflow_scripts.diffeo.randomness import derive_seed
from workflow_scripts.diffeo.statistics import Estimate, mean
from workflow_scripts.diffeo.variables import described, variable
from workflow_scripts.support.jobs import progress, run
from workflow_scripts.support.netcdf import write_dataset

AVERAGES = {"grid": True, "continuum": False}  # over pixels, or over the unit square
EXAMPLES = 2
PIXEL = "pixel for tau, 1 otherwise"
SQUARE_PIXEL = "pixel² for tau, 1 otherwise"
UNIT = ", at T = 1"

Moments = Callable[..., dict[str, float]]


def main(fields: Path, settings: dict[str, Any], memory_mb: int, threads: int) -> None:
    """Measure every cutoff with both mode rules; `settings` is the block `fields` of the configuration."""
    torch.set_num_threads(threads)
    write_dataset(
        measure(settings, memory_mb),
        fields,
        title="Displacement fields: norms of the displacement and of the parts of its gradient",
        configuration={"fields": settings},
        device="cpu",
        seed=settings["seed"],
    )


def measure(settings: dict[str, Any], memory_mb: int) -> xr.Dataset:
    """All ensembles, at unit temperature and at the temperatures of each cutoff."""
    cutoffs, size = sorted(settings["cutoffs"]), settings["size"]
    ensembles = [[measure_ensemble(rule, cutoff, settings, memory_mb) for cutoff in progress(cutoffs)] for rule in MODE_RULES]
    joined = xr.concat([xr.concat(of_rule, dim="cutoff") for of_rule in ensembles], dim="mode_rule")
    labels = {"mode_rule": list(MODE_RULES), "cutoff": cutoffs, "part": list(PARTS), "gradient_part": list(PARTS[1:])}
    labels |= {"patch_size": sorted(settings["patch_sizes"]), "patch_part": list(PATCH_PARTS), "local_part": list(LOCAL_PARTS)}
    labels |= {"average": list(AVERAGES), "formula": list(FORMULAS), "component": ["row", "column"]}
    measured = at_temperatures(joined.merge(about_cutoffs(cutoffs, size, settings["temperatures"])))
    ordered = measured.transpose("mode_rule", "cutoff", "strength", ..., missing_dims="ignore")
    return ordered.assign_coords(labels).rename(sample="draw")


def measure_ensemble(rule: str, cutoff: int, settings: dict[str, Any], memory_mb: int) -> xr.Dataset:
    """One ensemble at unit temperature; its draws are independent of those of the others."""
    size, draws = settings["size"], settings["draws"]
    seed = derive_seed(settings["seed"], "fields", rule, cutoff)
    coefficients = unit_coefficients(seed, torch.arange(draws), 0, cutoff, rule)
    chunks = torch.split(coefficients, max(1, memory_mb * 10**6 // (400 * size**2)))
    count, inverse_squares = mode_sums(cutoff, rule)
    examples = displacement_field(coefficients[:EXAMPLES], size)
    picture = ("example", "local_part", "component", "row", "column")
    return xr.Dataset(
        {
            "modes": variable((), count, "number N of modes of one component"),
            "inverse_square_sum": variable((), inverse_squares, "sum L of 1/(i² + j²) over the modes"),
            "linear_range": variable(
                (),
                linear_range(cutoff, rule, size=size),
                f"largest patch up to which linear_estimate is within {TOLERANCE:.0%} of the exact remainder, on the grid",
                "pixel",
            ),
            "example_part": variable(
                picture,
                local_parts(examples, size // 4).float(),
                f"parts on patches of a quarter of the image, which add up to the displacement{UNIT}",
                "pixel",
            ),
            **norms_over_the_image(chunks, rule, cutoff, size),
            **squares_over_patches(chunks, rule, cutoff, size, sorted(settings["patch_sizes"])),
        }
    )


def norms_over_the_image(chunks: tuple[Tensor, ...], rule: str, cutoff: int, size: int) -> dict[str, xr.Variable]:
    """Norms and squared norms at T = 1: of every draw, their means, and the exact ones."""
    drawn = [torch.cat(parts).numpy() for parts in zip(*(drawn_norms(chunk, size) for chunk in chunks), strict=True)]
    found: dict[str, xr.Variable] = {}
    kinds = (("norm", mean_norms, "norm", PIXEL), ("squared_norm", mean_squares, "squared norm", SQUARE_PIXEL))
    for values, (name, moments, meaning, units) in zip(drawn, kinds, strict=True):
        numbers = variable(("sample", "part"), values, f"{meaning}, mean over the pixels of a draw{UNIT}", units)
        exact = [list(moments(cutoff, rule, size=size, on_grid=on_grid).values()) for on_grid in AVERAGES.values()]
        found |= with_draws(name, meaning, numbers, mean(numbers))
        found[f"{name}_exact"] = variable(("average", "part"), exact, f"exact mean {meaning}", units)
    return found


def squares_over_patches(
    chunks: tuple[Tensor, ...], rule: str, cutoff: int, size: int, patches: list[int]
) -> dict[str, xr.Variable]:
    """Mean squares over patches at T = 1, and the shares of translation, linear part and rest, which do not depend on T."""
    drawn = [[drawn_patch_squares(chunk, size, patch) for chunk in chunks] for patch in patches]
    squares, gradients = (np.stack([np.concatenate([pair[which] for pair in row]) for row in drawn]) for which in (0, 1))

    def exact(moments: Moments) -> list[list[list[float]]]:
        return [
            [list(moments(cutoff, rule, size=size, patch=patch, on_grid=on_grid).values()) for patch in patches]
            for on_grid in AVERAGES.values()
        ]

    dims = ("patch_size", "sample", "patch_part")
    meaning = "mean square of a part of the displacement on a patch"
    parts = variable(dims, squares, f"{meaning}, of a draw{UNIT}", "pixel²")
    gradient_meaning = "squared norm of a part of the gradient averaged over a patch"
    gradient_dims = ("patch_size", "sample", "gradient_part")
    gradient = variable(gradient_dims, gradients, f"{gradient_meaning}, of a draw{UNIT}")
    whole = parts.isel(patch_part=0) + parts.isel(patch_part=1)
    share = mean(parts).over(mean(whole))
    exact_parts = np.array(exact(patch_mean_squares))
    exact_share = exact_parts / exact_parts[..., :2].sum(axis=-1, keepdims=True)
    where = ("average", "patch_size")
    estimates = [
        [linear_estimate(cutoff, rule, size=size, patch=patch, on_grid=on_grid) for patch in patches]
        for on_grid in AVERAGES.values()
    ]
    share_meaning = "share of a part of the displacement on a patch"
    return {
        **with_draws("patch_square", meaning + UNIT, parts, mean(parts)),
        "patch_square_exact": variable((*where, "patch_part"), exact_parts, f"exact {meaning}{UNIT}", "pixel²"),
        **averaged("patch_share", share_meaning, share, "1"),
        "patch_share_exact": variable((*where, "patch_part"), exact_share, f"exact {share_meaning}"),
        **with_draws("patch_gradient_square", gradient_meaning + UNIT, gradient, mean(gradient)),
        "patch_gradient_square_exact": variable(
            (*where, "gradient_part"), exact(patch_gradient_mean_squares), f"exact {gradient_meaning}{UNIT}"
        ),
        "linear_estimate": variable(where, estimates, f"remainder that a constant gradient would leave{UNIT}", "pixel²"),
    }


def with_draws(name: str, meaning: str, draws: xr.Variable, estimate: Estimate) -> dict[str, xr.Variable]:
    """The numbers of all draws (`{name}_of_draw`, float32), their mean and its standard error."""
    return {f"{name}_of_draw": draws.astype(np.float32), **averaged(name, meaning, estimate, draws.attrs["units"])}


def averaged(name: str, meaning: str, estimate: Estimate, units: str) -> dict[str, xr.Variable]:
    """A statistic of the draws and its standard error."""
    value, error = estimate.value, estimate.standard_error()
    return {
        name: described(value, f"{meaning}, mean over the draws", units),
        f"{name}_standard_error": described(error, f"standard error of {name} over draws", units),
    }


def about_cutoffs(cutoffs: list[int], size: int, count: int) -> xr.Dataset:
    """The image's size, `count` temperatures from T1/15 to 2 T2 for each cutoff, and the formulas of the slides at T = 1."""
    first, second = np.transpose([critical_temperatures(cutoff, size) for cutoff in cutoffs])
    formulas = [[list(asymptotic_mean_squares(formula, cutoff, size).values()) for cutoff in cutoffs] for formula in FORMULAS]
    return xr.Dataset(
        {
            "size": variable((), size, "edge of the image", "pixel"),
            "temperature": variable(("cutoff", "strength"), np.geomspace(first / 15, 2 * second, count, axis=1), "temperature T"),
            "critical_temperature_1": variable(("cutoff",), first, "temperature T1, where δ is half a pixel"),
            "critical_temperature_2": variable(("cutoff",), second, "temperature T2, a heuristic for the onset of folds"),
            "squared_norm_formula": variable(
                ("formula", "cutoff", "part"),
                formulas,
                "mean squared norm at large c, as the slides print it and with the factor π that it lacks",
                SQUARE_PIXEL,
            ),
        }
    )


def at_temperatures(unit: xr.Dataset) -> xr.Dataset:
    """Norms and squared norms at the temperatures in place of those at T = 1: they grow as √T and as T."""
    scaled = {}
    for kind, factor in (("norm", unit.temperature**0.5), ("squared_norm", unit.temperature)):
        for name in (kind, f"{kind}_standard_error", f"{kind}_exact", f"{kind}_formula"):
            if name in unit:
                scaled[name] = (factor * unit[name]).assign_attrs(unit[name].attrs)
    return unit.assign(scaled)


if "snakemake" in globals():
    run(main, globals()["snakemake"])
