"""Simple local models against one of their numbers (h, f_s, p_s), averaged over the others. Knows no torch."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from workflow_scripts.diffeo.configured_pairs import Measure, labels
from workflow_scripts.diffeo.network_options import OPTIONS
from workflow_scripts.diffeo.run_averages import Average, average_over_runs

Array = NDArray[np.float64]


class Curve(NamedTuple):
    """A measured number against a number of the models, with standard errors; all of the same length."""

    x: Array
    value: Array
    standard_error: Array


def against(checkpoints: xr.Dataset, option: str, measure: Measure) -> Curve:
    """Mean of `measure` against the number `option` of local models of one data set, over seeds, then over models; at least one.

    The models that are alike in all other numbers make a group, with some values of `option`. Averaged are the groups that have
    every value of the group with most, so that all points are means over the same. Models share the probe images, so that
    their errors are averaged.
    """
    groups: dict[tuple[str, ...], dict[float, Average]] = {}
    others = [name for name in OPTIONS if name != option]
    networks = checkpoints.network.values.tolist()
    for (_, network), average in average_over_runs(*measure(checkpoints)).items():
        model = checkpoints.isel(checkpoint=[networks.index(network)])
        (group,) = labels(model, others)
        groups.setdefault(group, {})[model[option].item()] = average
    most = max(groups.values(), key=len)
    complete = [group for group in groups.values() if set(group) >= set(most)]
    x = np.array(sorted(most))
    columns = (np.array([[group[at][part] for at in x.tolist()] for group in complete], float) for part in range(2))
    return Curve(x, *(column.mean(axis=0) for column in columns))
