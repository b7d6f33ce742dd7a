"""A summary with local models on a grid, and with networks that blur, in which everything is planted."""

import math
from itertools import product
from typing import Any

import xarray as xr

from tests.synthetic import make_summary

BLURRING = {
    "vgg11_bn": {"architecture": "vgg11_bn", "width": 0.25, "antialiased": False},
    "vgg11_bn_blurred": {"architecture": "vgg11_bn", "width": 0.25, "antialiased": True},
    "vgg11_bn_wide_blurred": {"architecture": "vgg11_bn", "width": 1.0, "antialiased": True},
}


def local_blocks(
    channels: tuple[int, ...] = (16,), filters: tuple[int, ...] = (5,), pools: tuple[int, ...] = (2, 8)
) -> dict[str, dict[str, Any]]:
    """Blocks of the configuration: all four kinds of local models on a grid."""
    found = {}
    for connected, trained, h, f, p in product((False, True), ("all", "readout"), channels, filters, pools):
        name = f"{'local' if connected else 'conv'}_{trained}_h{h}_f{f}_p{p}"
        numbers = {"channels": h, "filter_size": f, "pool_size": p, "pooling": "max", "width": 1.0}
        found[name] = {"architecture": "local_model", "locally_connected": connected, "trained": trained, **numbers}
    return found


def planted_stability(block: dict[str, Any]) -> tuple[float, float]:
    """R_f = p^(-1/2) h^(-1/4) when trained, twice that with the read-out alone, three times that without sharing; 1 before."""
    after = block["pool_size"] ** -0.5 * block["channels"] ** -0.25
    return 1.0, after * (2 if block["trained"] == "readout" else 1) * (3 if block["locally_connected"] else 1)


def make_local_summary(blocks: dict[str, dict[str, Any]] | None = None, **options: Any) -> xr.Dataset:
    """Each model at initialisation and trained, on one data set unless `datasets` says otherwise; `options` of `make_summary`."""
    blocks = local_blocks() if blocks is None else blocks
    planted = {name: planted_stability(block) for name, block in blocks.items()}
    summary = make_summary(planted=planted, networks=blocks, **{"initial_seeds": 0, "relative_error": 0.01, **options})
    return with_errors(summary)


def make_blurring_summary(**options: Any) -> xr.Dataset:
    """Networks that blur have 0.4 of the D and G of the others; R of the logits is 0.1."""
    planted: dict[str, tuple[float, float | None]] = dict.fromkeys(BLURRING, (1.0, 0.1))
    summary = make_summary(planted=planted, networks=BLURRING, **{"initial_seeds": 0, "relative_error": 0.01, **options})
    gain = summary.G.isel(strength=0, layer=0, interpolation=0) / summary.G.isel(
        strength=0, layer=0, interpolation=0, checkpoint=0
    )
    factor = xr.where(summary.antialiased, 0.4, 1.0) / gain  # `make_summary` gives every network another G
    for name in ("D", "D_standard_error", "G", "G_standard_error"):
        summary[name] = (summary[name] * factor).transpose(*summary[name].dims).assign_attrs(summary[name].attrs)
    return with_errors(summary)


def with_errors(summary: xr.Dataset) -> xr.Dataset:
    """The summary with the error of each split, 0.9 at initialisation and 0.2 trained, each known to 0.01."""
    error = xr.where(summary.epoch > 0, 0.2, 0.9).expand_dims(split=["test", "train", "validation"])
    for name, values in (("error", error), ("error_standard_error", 0 * error + 0.01)):
        summary[name] = values.transpose("checkpoint", "split").assign_attrs(long_name=name, units="1")
    return summary


SLOPE = -0.5 * math.log10(2)  # change of log10 R_f when p_s doubles, in `planted_stability`
