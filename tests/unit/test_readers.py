import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from scipy.io import savemat

from workflow_scripts.support import readers
from workflow_scripts.support.readers import FormatError

BATCHES = (*readers.TRAIN_BATCHES, *readers.TEST_BATCHES)


def idx(array):
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def tar_gz(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def cifar_images(count=4, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (6, count, 3, 32, 32), dtype=np.uint8)
    return images, generator.integers(0, 10, (6, count), dtype=np.uint8)


def binary_archive(images, labels):
    records = [
        b"".join(bytes([label]) + image.tobytes() for image, label in zip(*batch, strict=True))
        for batch in zip(images, labels, strict=True)
    ]
    names = [f"cifar-10-batches-bin/{name}.bin" for name in BATCHES]
    return tar_gz({"cifar-10-batches-bin/readme.html": b"", **dict(zip(names, records, strict=True))})


def text(value):
    """A byte string as Python 2 pickled it (opcode BINSTRING)."""
    return b"T" + struct.pack("<i", len(value)) + value


def python2_batch(pixels, labels):
    """A batch of CIFAR-10 as cPickle of Python 2 wrote it, protocol 2, opcode by opcode."""
    number = [b"K" + bytes([label]) for label in labels]
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\1\x87R(K\3" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    rows, columns = pixels.shape
    shape = b"M" + struct.pack("<H", rows) + b"M" + struct.pack("<H", columns) + b"\x86"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text(b"b") + b"\x87R"
    array = empty + b"(K\1" + shape + dtype + b"\x89" + text(pixels.tobytes()) + b"tb"
    names = b"](" + b"".join(text(b"%d.png" % row) for row in range(rows)) + b"e"
    entries = {b"data": array, b"labels": b"](" + b"".join(number) + b"e", b"batch_label": text(b"batch"), b"filenames": names}
    return b"\x80\2}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u."


def python_archive(batches):
    names = [f"cifar-10-batches-py/{name}" for name in BATCHES]
    return tar_gz(dict(zip(names, batches, strict=True)))


def test_idx_round_trip():
    array = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
    assert (readers.read_idx(idx(array)) == array).all()
    images, labels = readers.read_idx_pair(idx(array), idx(np.array([7, 9], dtype=np.uint8)))
    assert images.shape == (2, 1, 3, 5) and (images[:, 0] == array).all()
    assert labels.tolist() == [7, 9] and labels.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x0d\1\0\0\0\0", "not an IDX file of unsigned bytes"),
        (b"\0\0\x08\3\0\0", "truncated IDX file: 6 bytes, less than its header of 16"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "17 bytes, but its header announces 18"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "19 bytes, but its header announces 18"),
    ],
)
def test_damaged_idx_is_refused(content, words):
    with pytest.raises(FormatError, match=words):
        readers.read_idx(content)


def test_idx_pair_must_belong_together():
    images = idx(np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(FormatError, match="2 images, but 3 labels"):
        readers.read_idx_pair(images, idx(np.zeros(3, np.uint8)))
    with pytest.raises(FormatError, match="labels from 0 to 10"):
        readers.read_idx_pair(images, idx(np.array([0, 10], np.uint8)))
    with pytest.raises(FormatError, match="of 1 axes"):
        readers.read_idx_pair(idx(np.zeros(2, np.uint8)), images)


def test_mnist_csv_has_the_label_last():
    table = np.random.default_rng(0).integers(0, 256, (3, 785))
    table[:, -1] = [4, 0, 9]
    images, labels = readers.read_mnist_csv("\n".join(",".join(map(str, row)) for row in table.tolist()).encode())
    assert (images.reshape(3, 784) == table[:, :-1]).all() and images.shape == (3, 1, 28, 28)
    assert labels.tolist() == [4, 0, 9]


@pytest.mark.parametrize("content", [b"", b"1,2,3\n", b"1,2\n1\n", b"a,b\n", b"256," * 784 + b"1\n", b"-1," * 784 + b"1\n"])
def test_damaged_csv_is_refused(content):
    with pytest.raises(FormatError, match="table"):
        readers.read_mnist_csv(content)


def test_cifar_binary_and_python_archives_hold_the_same_images():
    images, labels = cifar_images()
    python = python_archive([python2_batch(i.reshape(len(i), -1), k) for i, k in zip(images, labels, strict=True)])
    for train, test in (readers.read_cifar_binary(binary_archive(images, labels)), readers.read_cifar_python(python)):
        assert (train.images == images[:5].reshape(20, 3, 32, 32)).all() and (train.labels == labels[:5].reshape(20)).all()
        assert (test.images == images[5]).all() and (test.labels == labels[5]).all()
        assert train.images.dtype == np.uint8 and train.labels.dtype == np.int64


def test_damaged_cifar_binary_is_refused():
    images, labels = cifar_images()
    whole = binary_archive(images, labels)
    with pytest.raises(FormatError, match="complete gzipped tar"):
        readers.read_cifar_binary(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match="complete gzipped tar"):
        readers.read_cifar_binary(b"<html>")
    with pytest.raises(FormatError, match=r"lacks .*data_batch_1.bin.*test_batch.bin"):
        readers.read_cifar_binary(tar_gz({"readme": b""}))
    with pytest.raises(FormatError, match="3074 bytes, which is not a number of records of 3073"):
        readers.read_cifar_binary(tar_gz({f"cifar-10-batches-bin/{name}.bin": bytes(3074) for name in BATCHES}))
    with pytest.raises(FormatError, match="labels from 4 to 200"):
        readers.read_cifar_binary(binary_archive(images, np.where(np.arange(4) == 1, 200, 4) + np.zeros((6, 1), int)))


def test_malicious_pickle_is_refused_and_does_not_run(tmp_path):
    trace = tmp_path / "executed"
    evil = b"cos\nsystem\n(" + text(f"touch {trace}".encode()) + b"tR."
    assert pickle.loads(evil) == 0 and trace.exists()  # the attack is real: an ordinary unpickler runs it
    trace.unlink()
    with pytest.raises(FormatError, match=r"os.system, which is refused"):
        readers.read_cifar_python(python_archive([evil] * 6))
    assert not trace.exists()


@pytest.mark.parametrize(
    "batch", [b"", b"\x80\2}.", b"garbage", pickle.dumps([1], 2), python2_batch(np.zeros((300, 3072), np.uint8), [0] * 300)[:-20]]
)
def test_damaged_python_batch_is_refused(batch):
    with pytest.raises(FormatError, match="data_batch_1"):
        readers.read_cifar_python(python_archive([batch] * 6))


def matlab(**variables):
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return buffer.getvalue()


def test_svhn_axes_and_label_ten():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    images, labels = readers.read_svhn(matlab(X=pixels, y=np.array([[10], [1], [9], [10]], dtype=np.uint8)))
    assert images.shape == (4, 3, 32, 32) and images[2, 1, 5, 7] == pixels[5, 7, 1, 2]
    assert labels.tolist() == [0, 1, 9, 0] and labels.dtype == np.int64


def test_damaged_svhn_is_refused():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    whole = matlab(X=pixels, y=np.ones((4, 1), np.uint8))
    for content in (b"", b"<html>no</html>", whole[:100], whole[: len(whole) // 2], matlab(X=pixels)):
        with pytest.raises(FormatError, match="not a complete Matlab file"):
            readers.read_svhn(content)
    with pytest.raises(FormatError, match="X is float64"):
        readers.read_svhn(matlab(X=pixels.astype(float), y=np.ones((4, 1), np.uint8)))
    with pytest.raises(FormatError, match="4 images, but 3 labels"):
        readers.read_svhn(matlab(X=pixels, y=np.ones((3, 1), np.uint8)))
