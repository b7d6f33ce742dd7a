"""Networks of people's own, by an import path: `package.module:callable`."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn


def own_network(factory: str, options: Mapping[str, Any]) -> nn.Module:
    """Call what `factory` names, a class or function of a module that Python can import or that lies in the working directory.

    Args:
        factory: `package.module:callable`.
        options: keyword arguments of the call.

    Raises:
        ValueError: the module cannot be imported, it has no such callable, or that does not return a `torch.nn.Module`.
    """
    module_name, _, name = factory.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        make = getattr(importlib.import_module(module_name), name)
    except ImportError as error:
        raise ValueError(f"factory {factory!r}: the module {module_name!r} cannot be imported: {error}") from error
    except AttributeError as error:
        raise ValueError(f"factory {factory!r}: the module {module_name!r} has no {name!r}") from error
    try:
        network = make(**options)
    except TypeError as error:
        raise ValueError(f"factory {factory!r} does not take the options {dict(options)}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ValueError(f"factory {factory!r} returned a {type(network).__name__}; it must return a torch.nn.Module")
    return network
