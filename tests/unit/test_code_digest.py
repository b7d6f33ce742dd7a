"""Digests of source code: what changes them and what does not."""

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_scripts.support.code_digest import code_digest, transitive_imports

ROOT = Path(__file__).parents[2]
SOURCES = {
    "__init__.py": "",
    "train.py": '"""Train."""\nfrom workflow_scripts.diffeo.networks import build\n\n\ndef main():\n    """Run."""\n'
    "    from workflow_scripts.diffeo import lazy\n\n    return build() + lazy.STEP\n",
    "measure.py": "import workflow_scripts.diffeo.unrelated\n",
    "diffeo/__init__.py": "",
    "diffeo/networks.py": "import math\nfrom workflow_scripts.diffeo.layers import WIDTH\n\n\ndef build():\n"
    "    return math.pi * WIDTH  # wide\n",
    "diffeo/layers.py": "WIDTH = 3\n",
    "diffeo/lazy.py": "from workflow_scripts.diffeo.deep import DEPTH\nSTEP = DEPTH\n",
    "diffeo/deep.py": "DEPTH = 1\n",
    "diffeo/unrelated.py": "VALUE = 1\n",
}
TRAIN = "workflow_scripts.train"
Digest = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path) -> Digest:
    """Digest of `train.py` in a new project, some of its sources replaced (digests are cached: each has its own folder)."""

    def of(module: str = TRAIN, /, **changes: str) -> str:
        root = tmp_path / f"project{len(list(tmp_path.iterdir()))}"
        sources = SOURCES | {name.replace("__", "/") + ".py": text for name, text in changes.items()}
        for name, text in sources.items():
            path = root / "workflow_scripts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return code_digest(root, module)

    return of


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n\n\nWIDTH = 3  # another\n",
        '"""A docstring with a τ."""\nWIDTH = 3\n',
        "WIDTH=  (3)\n",
        "WIDTH = \\\n    3\n",
    ],
    ids=["comment", "docstring", "spaces", "line break"],
)
def test_comments_docstrings_and_formatting_change_nothing(digest: Digest, text: str) -> None:
    assert digest(diffeo__layers=text) == digest()


def test_docstrings_of_functions_and_classes_change_nothing(digest: Digest) -> None:
    plain = "WIDTH = 3\nclass A:\n    def f(self): return 1\n    async def g(self): pass\n"
    documented = (
        'WIDTH = 3\nclass A:\n    "a"\n    def f(self):\n        "f"\n        return 1\n    async def g(self):\n        "g"\n'
    )
    assert digest(diffeo__layers=plain) == digest(diffeo__layers=documented)
    assert digest(diffeo__layers=plain) != digest()


def test_a_touch_and_another_folder_change_nothing(digest: Digest, tmp_path: Path) -> None:
    first = digest()
    for path in tmp_path.rglob("*.py"):
        os.utime(path, (0, 0))
    assert code_digest.__wrapped__(tmp_path / "project0", TRAIN) == first
    assert digest() == first
    assert len(first) == 16
    assert int(first, 16) >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"diffeo__layers": "WIDTH = 4\n"},
        {"diffeo__lazy": "from workflow_scripts.diffeo.deep import DEPTH\nSTEP = DEPTH + 1\n"},
        {"diffeo__deep": "DEPTH = 2\n"},
        {"train": SOURCES["train.py"].replace("+", "-")},
        {"diffeo__layers": 'WIDTH = 3\nTITLE = "a string that is no docstring"\n'},
    ],
    ids=["imported by an import", "imported in a function", "imported by that", "the script", "a string"],
)
def test_a_change_in_anything_imported_changes_the_digest(digest: Digest, changes: dict[str, str]) -> None:
    assert digest(**changes) != digest()


def test_modules_that_are_not_imported_do_not_matter(digest: Digest) -> None:
    assert digest(diffeo__unrelated="VALUE = 2\n", measure="x = 1\n", diffeo__new="y = 1\n") == digest()
    assert digest("workflow_scripts.measure", diffeo__unrelated="VALUE = 2\n") != digest("workflow_scripts.measure")


def test_a_module_that_starts_to_be_imported_counts(digest: Digest) -> None:
    importing = "from workflow_scripts.diffeo import unrelated\nWIDTH = 3\n"
    one, other = digest(diffeo__layers=importing), digest(diffeo__layers=importing, diffeo__unrelated="VALUE = 2\n")
    assert len({one, other, digest()}) == 3


def test_modules_that_import_each_other_end(digest: Digest) -> None:
    circular = digest(diffeo__layers="import workflow_scripts.diffeo.networks\nWIDTH = 3\n")
    assert circular != digest()


def test_transitive_imports_of_a_script(digest: Digest, tmp_path: Path) -> None:
    digest()
    names = {"train", "diffeo.networks", "diffeo.layers", "diffeo.lazy", "diffeo.deep"}
    assert transitive_imports(tmp_path / "project0", TRAIN) == {f"workflow_scripts.{name}" for name in names}


def test_packages_of_this_project_carry_no_code_that_digests_would_miss() -> None:
    packages = sorted((ROOT / "workflow_scripts").rglob("__init__.py"))
    assert packages
    for path in packages:
        body = ast.parse(path.read_bytes()).body
        assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body), path
