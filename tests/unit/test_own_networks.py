"""Networks of people's own: what is imported, called and refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from workflow_scripts.diffeo.networks import build_network
from workflow_scripts.diffeo.own_networks import own_network
from workflow_scripts.support import code_digest
from workflow_scripts.support.code_digest import module_digest

SOURCE = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self, hidden=4):
        super().__init__(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 3))

def no_network():
    return 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of people's own in the working directory, under a name that no other test has imported."""
    monkeypatch.chdir(tmp_path)
    name = f"nets_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    return name


def test_a_class_of_the_working_directory_is_called_with_its_options(module: str) -> None:
    specification = {"architecture": "own", "factory": f"{module}:Small", "options": {"hidden": 7}}
    network = build_network(specification, input_shape=(1, 8, 8), classes=3, seed=1)
    assert [tuple(parameter.shape) for parameter in network.parameters()] == [(7, 64), (7,), (3, 7), (3,)]
    again = build_network(specification, input_shape=(1, 8, 8), classes=3, seed=1)
    assert torch.equal(network[1].weight, again[1].weight)  # a function of the seed
    assert not any(getattr(part, "inplace", False) for part in network.modules())


def test_a_network_of_an_installed_package_is_found() -> None:
    assert isinstance(own_network("torch.nn:Linear", {"in_features": 2, "out_features": 3}), nn.Linear)


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        ("no_such_module_here:net", {}, "the module 'no_such_module_here' cannot be imported"),
        ("torch.nn:Lineal", {}, "the module 'torch.nn' has no 'Lineal'"),
        ("torch.nn:Linear", {"in_features": 2}, "does not take the options"),
        ("math:gcd", {}, "returned a int; it must return a torch.nn.Module"),
    ],
)
def test_what_makes_no_network_is_refused(factory: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        own_network(factory, options)


def test_digest_is_that_of_the_code_without_comments(module: str, tmp_path: Path) -> None:
    first = module_digest(f"{module}:Small")
    assert len(first) == 16
    source = tmp_path / f"{module}.py"
    source.write_text("# a comment\n" + SOURCE)
    code_digest.normalised_source.cache_clear()
    assert module_digest(f"{module}:Small") == first
    source.write_text(SOURCE.replace("hidden=4", "hidden=5"))
    code_digest.normalised_source.cache_clear()
    assert module_digest(f"{module}:Small") != first
    assert module_digest("no_such_module_here:net") == module_digest(None) == ""
    assert len(module_digest("torch.nn:Linear")) == 16
