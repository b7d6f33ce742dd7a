"""Averages over a layer's neurons of the numbers about their deconvolved patches. Knows no torch."""

import xarray as xr

from workflow_scripts.diffeo.variables import described

PICTURES = ("image", "split_index", "reconstruction", "reconstruction_scale")  # variables of a file that averages do without
MEANING = {
    "share_inside": ("share of the energy of reconstructions inside the receptive field's box", "1"),
    "extent": ("edge of the uniform square as wide as the energy of reconstructions", "pixel"),
    "seen": ("edge of the square as large as what the receptive fields hold of the image", "pixel"),
    "centroid": ("mean |k| of reconstructions over the Nyquist frequency", "1"),
    "low_fraction": ("share of the energy of reconstructions below a quarter of the Nyquist frequency", "1"),
}
LAYERS = {
    "layer_name": ("name of the layer inside the network; empty where a network has fewer", "1"),
    "relative_depth": ("depth of the layer, 0 at the input and 1 at the logits", "1"),
    "dead_fraction": ("share of the layer's channels that no image activates", "1"),
}


def deconvolution_statistics(measured: xr.Dataset) -> xr.Dataset:
    """Mean over the channels of each layer, of the mean over a channel's patches, with the standard error over channels.

    Args:
        measured: a file of `measure_deconvolution` without the dims of its run; `PICTURES` are not needed.

    Returns:
        the variables of `MEANING` with dims (epoch, layer), each with its `*_standard_error` (NaN where only one channel is
        active); and what the layers are, `LAYERS`. Patches without activation are left out.
    """
    numbers = measured.drop_vars("operation_index").reset_coords(["layer_name", "relative_depth"])
    edges = (numbers.box_stop - numbers.box_start).prod("axis") ** 0.5
    numbers["seen"] = edges.where(numbers.extent.notnull())
    found = {}
    for name, (long_name, unit) in MEANING.items():
        of_channel = numbers[name].astype(float).mean("patch")
        error = of_channel.std("feature", ddof=1) / of_channel.count("feature") ** 0.5
        found[name] = described(of_channel.mean("feature"), long_name, unit)
        found[f"{name}_standard_error"] = described(error, f"standard error of {name}, over channels", unit)
    return xr.Dataset(found | {name: described(numbers[name], *about) for name, about in LAYERS.items()})
