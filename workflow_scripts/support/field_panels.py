"""What the figures of displacement fields share: measured points over exact lines, for both mode rules."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from workflow_scripts.support.plotting import GREY

RULES: dict[str, dict[str, Any]] = {
    "disc": {"linestyle": "-", "filled": True},
    "padded": {"linestyle": (0, (4, 1.5)), "filled": False},
}


def measured_and_exact(axis: Axes, x: Any, value: Any, error: Any, exact: Any, *, rule: str, color: str, marker: str) -> None:
    """Points with error bars of one standard error, on the line of the exact values."""
    style = RULES[rule]
    axis.plot(np.asarray(x), np.asarray(exact), color=color, linestyle=style["linestyle"], linewidth=0.9)
    face = color if style["filled"] else "white"
    points: dict[str, Any] = {"marker": marker, "markersize": 3.2, "markerfacecolor": face, "markeredgewidth": 0.7}
    axis.errorbar(np.asarray(x), np.asarray(value), np.asarray(error), linestyle="none", color=color, elinewidth=0.8, **points)


def part_handles(parts: dict[str, tuple[str, str, str]]) -> list[Line2D]:
    """Legend entries for parts, given as name: (label, colour, marker)."""
    return [Line2D([], [], color=colour, marker=marker, label=name) for name, colour, marker in parts.values()]


def rule_handles() -> list[Line2D]:
    """Legend entries for the mode rules."""
    return [
        Line2D(
            [],
            [],
            color=GREY,
            marker="o",
            linestyle=style["linestyle"],
            markerfacecolor=GREY if style["filled"] else "white",
            label=f"{rule} (line: exact)",
        )
        for rule, style in RULES.items()
    ]
