"""Loss and error of a checkpoint, and how many images they are averages over."""

import numpy as np
import pytest
import xarray as xr

from tests.synthetic import make_history
from workflow_scripts.summarise import at_epoch, counted

SIZE = {"train": 5000, "validation": 300, "test": 2000}


@pytest.mark.parametrize(("train_size", "counted_train"), [(500, 500), (5000, 2000)])
def test_errors_are_of_their_splits_images(train_size: int, counted_train: int) -> None:
    error = at_epoch(make_history(), "error", 2)
    found = counted(error, SIZE, train_size)
    assert found["error_images"].sel(split=["train", "validation", "test"]).values.tolist() == [counted_train, 300, 2000]
    expected = (0.3 * 2000 + 1) / 2002
    own = found["error_standard_error"].sel(split="test").item()
    assert own == pytest.approx((expected * (1 - expected) / 2003) ** 0.5, rel=1e-12)
    for values in found.values():
        assert {"long_name", "units"} <= set(values.attrs)


def test_without_a_training_nothing_is_known() -> None:
    for values in counted(at_epoch(None, "error", 1), SIZE, 10).values():
        assert isinstance(values, xr.DataArray) and np.isnan(values).all()
