"""Digest of what a script does: its own source and that of every project module it imports, transitively.

Snakemake compares time stamps of the script alone. Rules pass this digest as a param instead, so that a clone, a `touch` or an
edit of comments, docstrings or formatting reruns nothing, and an edit of a library module reruns exactly the rules that use it.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "workflow_scripts"
DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@cache
def code_digest(root: Path, module: str) -> str:
    """Return 16 hex digits for `module` (dotted, e.g. `workflow_scripts.train_network`) of the project at `root`."""
    digest = hashlib.sha256()
    for name in sorted(transitive_imports(root, module)):
        digest.update(f"{name}\n{normalised_source(module_path(root, name))}\n".encode())
    return digest.hexdigest()[:16]


def module_digest(factory: str | None) -> str:
    """Return 16 hex digits for the file behind an import path `package.module:callable`; nothing where there is none.

    The file lies in the working directory or where Python finds it. What it imports does not count.
    """
    if not factory:
        return ""
    module = factory.partition(":")[0]
    local = Path(*module.split(".")).with_suffix(".py")
    try:
        found = None if local.is_file() else importlib.util.find_spec(module)
    except ImportError:
        return ""
    path = Path(found.origin) if found and found.origin else local
    return hashlib.sha256(normalised_source(path).encode()).hexdigest()[:16] if path.suffix == ".py" and path.is_file() else ""


def transitive_imports(root: Path, module: str) -> frozenset[str]:
    """Every project module that `module` imports directly or indirectly, itself included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(direct_imports(root, module_path(root, name)))
    return frozenset(seen)


@cache
def direct_imports(root: Path, path: Path) -> tuple[str, ...]:
    """Project modules that a file imports anywhere in it, inside functions too."""
    found = {name for node in ast.walk(ast.parse(path.read_bytes())) for name in imported_names(node)}
    return tuple(sorted(name for name in found if name.startswith(PACKAGE) and is_module(root, name)))


def imported_names(node: ast.AST) -> Iterator[str]:
    """Dotted names that one import statement may refer to (a module, or an attribute of one)."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_module(root: Path, name: str) -> bool:
    """Whether the dotted name is a file of the project, rather than an attribute in one."""
    return (root / Path(*name.split("."))).with_suffix(".py").is_file()


def module_path(root: Path, name: str) -> Path:
    """File of a dotted module name below `root`."""
    return (root / Path(*name.split("."))).with_suffix(".py")


@cache
def normalised_source(path: Path) -> str:
    """Source without comments, docstrings and formatting (the same for every Python version that prints it alike)."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
