"""What all benchmarks share: times, ratios of two of them, targets, how a time grows with a size, and tables of these."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""Where tensors are that a benchmark does not put elsewhere."""

SETTLED = 0.3
"""Seconds after which it no longer matters what a call found in the caches."""


class Ratio(NamedTuple):
    """Median of ratios of times, and the median times in seconds of the two."""

    value: float
    slow: float
    fast: float


class Judged(NamedTuple):
    """A measured number beside its target, which it must not exceed, or must reach if `at_least`."""

    name: str
    value: float
    target: float
    at_least: bool = False
    unit: str = ""  # of both; ratios have none

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def verdict(self) -> str:
        """`met`, or by how much of the target it is missed."""
        missed_by = abs(self.value / self.target - 1)
        return "met" if self.met else f"**missed by {100 * missed_by:.1f} %**"

    @property
    def cells(self) -> str:
        """The target and the verdict as two cells of a table."""
        return f"{'≥' if self.at_least else '≤'} {self.target:g} {self.unit}".rstrip() + f" | {self.verdict}"


class Growth(NamedTuple):
    """How the time of something, in seconds, grows with a size."""

    what: str
    size: str
    sizes: Sequence[float]
    seconds: Sequence[float]

    @property
    def exponent(self) -> float:
        """Exponent of the power law, by least squares of the logarithms; NaN of fewer than two sizes."""
        return _power_law(self.sizes, self.seconds)[0]

    @property
    def standard_error(self) -> float:
        """Standard error of the exponent, from what the sizes scatter about the law; NaN of fewer than three."""
        return _power_law(self.sizes, self.seconds)[1]

    @property
    def sentence(self) -> str:
        """The law in words, for a page."""
        sizes = f"{min(self.sizes):g} to {max(self.sizes):g}"
        law = f"to the power {self.exponent:.2f} ± {self.standard_error:.2f}"
        return f"Time of {self.what} grows as the {self.size} ({sizes}) {law}."


class Table(NamedTuple):
    """Lines of a table, what of it has a target, and how times in it grow."""

    lines: list[str]
    judged: list[Judged]
    growths: list[Growth]

    @property
    def text(self) -> list[str]:
        """The table, and a sentence for each growth below it."""
        return [*self.lines, *(line for growth in self.growths for line in ("", growth.sentence))]


def seconds(function: Callable[[], object]) -> float:
    """Seconds that a call takes, until the device has done all that it was given."""
    wait_for_device()
    start = time.perf_counter()
    function()
    wait_for_device()
    return time.perf_counter() - start


def settled_seconds(function: Callable[[], object]) -> float:
    """Seconds that a call takes; of a short one, the median of several that follow a first one, which finds the caches cold."""
    first = seconds(function)
    if first > SETTLED:
        return first
    return statistics.median(seconds(function) for _ in range(max(1, round(SETTLED / max(first, SETTLED / 100)))))


def wait_for_device() -> None:
    """A GPU works on while Python goes on; wait for it."""
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def ratio(slow: Callable[[], object], fast: Callable[[], object], repeats: int) -> Ratio:
    """Time of `slow` over that of `fast`, run one after the other, `repeats` times after a first run of each."""
    times = np.array([[settled_seconds(slow), settled_seconds(fast)] for _ in range(repeats + 1)][1:])
    return Ratio(float(np.median(times[:, 0] / times[:, 1])), *np.median(times, axis=0).tolist())


def growth(what: str, size: str, sizes: Sequence[int], prepare: Callable[[int], Callable[[], object]], repeats: int) -> Growth:
    """Median times of what `prepare` returns for each size, all sizes in turn, `repeats` times after a first run."""
    work = [prepare(each) for each in sizes]
    rounds = [[seconds(function) for function in work] for _ in range(repeats + 1)][1:]
    return Growth(what, size, sizes, [statistics.median(times) for times in zip(*rounds, strict=True)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown."""
    return ["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def _power_law(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """Exponent and its standard error."""
    if len(sizes) < 2:
        return math.nan, math.nan
    x, y = np.log(sizes), np.log(times)
    x = x - x.mean()
    exponent = float(x @ y / (x @ x))
    left = y - y.mean() - exponent * x
    degrees = len(sizes) - 2
    return exponent, math.sqrt(left @ left / degrees / (x @ x)) if degrees else math.nan
