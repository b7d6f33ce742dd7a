import xarray as xr

from workflow_scripts.diffeo.depth_profiles import in_sequence, inside, poolings

VGG = ["input", "convolution", "pool", "convolution", "pool", "pool", "logits", "softmax", "", ""]
RESNET = ["input", "convolution", "pool", "convolution", "batch_norm", "residual_sum", "activation", "pool", "logits", "softmax"]
KINDS = xr.DataArray([VGG, RESNET], dims=("checkpoint", "layer"))


def chosen(mask):
    return [[place for place, kept in enumerate(row) if kept] for row in mask.values]


def test_inside_is_from_the_input_to_the_logits():
    assert chosen(inside(KINDS)) == [list(range(7)), list(range(9))]


def test_operations_of_residual_networks_in_sequence_are_the_ends_of_blocks():
    assert chosen(in_sequence(KINDS)) == [list(range(7)), [0, 2, 5, 7, 8]]


def test_a_pooling_right_after_a_pooling_is_left_out():
    assert chosen(poolings(KINDS)) == [[2, 4], [2, 7]]


def test_a_pooling_of_the_images_counts():
    assert chosen(poolings(xr.DataArray([["pool", "pool", "logits"]], dims=("checkpoint", "layer")))) == [[0]]
