"""What follows what inside a network: the operations in order of depth, blocks, poolings. Knows no torch.

All masks are boolean, of the dims of the kinds of operations that they are made from: (layer), or (checkpoint, layer).
"""

from xarray import DataArray

SIMPLE = ("fully_connected", "simple_cnn")  # the architectures that the slides except
ENDS_OF_BLOCKS = ("input", "residual_sum", "pool", "logits")


def inside(operations: DataArray) -> DataArray:
    """From the input to the logits: neither the softmax nor what a network has fewer of."""
    return ~operations.isin(["", "softmax"])


def in_sequence(operations: DataArray) -> DataArray:
    """Operations of which each follows from the one before, input to logits.

    In a residual network two branches run beside each other inside a block: only the input, the sum that ends each block,
    poolings and the logits are in sequence. In all others every operation is.
    """
    residual = (operations == "residual_sum").any("layer")
    return inside(operations) & (~residual | operations.isin(ENDS_OF_BLOCKS))


def poolings(operations: DataArray) -> DataArray:
    """Poolings that follow another operation than a pooling.

    That leaves out the global average of a VGG, right after the last max-pooling: of 32-pixel images it averages one pixel.
    """
    return (operations == "pool") & (operations.shift(layer=1, fill_value="") != "pool")
