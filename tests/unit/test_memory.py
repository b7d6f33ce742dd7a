"""Peak memory of a sweep does not grow with strengths or draws: measured in processes of their own."""

import sys

import pytest

from benchmarks.sweep_memory import peak


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read in the unit that Linux gives it in")
@pytest.mark.parametrize("every_operation", [False, True], ids=["outputs", "every_operation"])
def test_peak_memory_is_that_of_one_strength_and_one_draw(every_operation: bool) -> None:
    before, few = peak(every_operation=every_operation)
    _, many = peak(strengths=8, draws=4, every_operation=every_operation)
    assert few - before > 20_000  # a sweep takes memory that can be seen
    assert many < 1.05 * few
