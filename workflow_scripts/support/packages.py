"""Files that Python packages on this machine ship, found without importing the packages."""

import hashlib
import importlib.util
from pathlib import Path


class PackageError(RuntimeError):
    """A package that is not installed, or a file of it that is missing or altered."""


def package_folder(module: str, package: str) -> Path:
    """Folder of the top-level `module` that the installed `package` provides.

    Raises:
        PackageError: it is not installed.
    """
    found = importlib.util.find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise PackageError(f"the Python package {package} is not installed (pip install {package})")
    return Path(found.submodule_search_locations[0])


def package_file(module: str, package: str, file: str, checksum: str) -> bytes:
    """Content of a file in the folder of a module, if its sha256 is `checksum`.

    Raises:
        PackageError: the package is not installed, or the file is missing or altered.
    """
    path = package_folder(module, package) / file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PackageError(f"{path} of the Python package {package} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != checksum:
        raise PackageError(f"{path} of the Python package {package} has the sha256 {digest}, but {checksum} is wanted")
    return content
