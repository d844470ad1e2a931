import gzip
import struct

import numpy as np
import pytest

from mlr_jax.data import idx
from mlr_jax.data.images import load_images


def encoded(array):
    """An IDX file of unsigned bytes, by the format's description."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def write(tmp_path):
    """Writes the four files of a set of `classes` classes; `change` replaces contents by file name."""

    def make(name="set", classes=10, compressed=True, change=()):
        folder = tmp_path / name
        folder.mkdir()
        rng = np.random.default_rng(0)
        arrays = {}
        for split, rows in (("train", 30), ("t10k", 20)):
            arrays[f"{split}-images-idx3-ubyte"] = rng.integers(0, 256, (rows, 4, 3))
            arrays[f"{split}-labels-idx1-ubyte"] = np.arange(rows) % classes
        for file, array in (arrays | dict(change)).items():
            data = array if isinstance(array, bytes) else encoded(array)
            path = folder / (f"{file}.gz" if compressed else file)
            path.write_bytes(gzip.compress(data) if compressed else data)
        return folder, arrays

    return make


@pytest.mark.parametrize("compressed", [True, False])
def test_a_folder_of_idx_files_is_read_by_its_path(write, compressed):
    folder, arrays = write(compressed=compressed)
    dataset = load_images(str(folder))
    for split, part in (("train", dataset.train), ("t10k", dataset.test)):
        np.testing.assert_allclose(part["x"][..., 0] * 255, arrays[f"{split}-images-idx3-ubyte"], rtol=1e-6)
        np.testing.assert_array_equal(part["y"], arrays[f"{split}-labels-idx1-ubyte"])
        assert part["x"].dtype == np.float32
        assert part["y"].dtype == np.int32
    assert dataset.class_names == tuple("0123456789")


def test_the_classes_of_fashion_mnist_have_names(write, monkeypatch):
    folder, _ = write("my-Fashion-MNIST")
    assert idx.read_idx(folder).class_names == idx.FASHION_NAMES
    monkeypatch.setattr(idx, "FASHION_FOLDER", folder)
    assert load_images("fashion_mnist").train["x"].shape == (30, 4, 3, 1)


def test_fashion_names_are_for_ten_classes_only(write):
    assert idx.read_idx(write("fashion", classes=3)[0]).class_names == ("0", "1", "2")


def test_fashion_mnist_that_is_not_there_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(idx, "FASHION_FOLDER", tmp_path)
    with pytest.raises(FileNotFoundError, match="install the Debian package dataset-fashion-mnist") as error:
        load_images("fashion_mnist")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("train-images-idx3-ubyte", b"\1\2\3\4", "is not an IDX file"),
        ("train-images-idx3-ubyte", b"\0", "is not an IDX file"),
        ("train-images-idx3-ubyte", b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "type 0x0d, only unsigned bytes"),
        ("t10k-labels-idx1-ubyte", b"\0\0\x08\1\0\0\0\5\1\2", r"must hold 5 values of shape \[5\], got 2"),
        ("t10k-labels-idx1-ubyte", np.zeros((20, 1)), r"labels \[N\], got \[20, 4, 3\] and \[20, 1\]"),
        ("train-labels-idx1-ubyte", np.zeros(29), "equal leading lengths"),
        ("train-labels-idx1-ubyte", np.full(30, 2), "labels must be 0 .. K - 1"),
        ("t10k-labels-idx1-ubyte", np.full(20, 11), r"must be in \[0, 10\), got 11"),
    ],
)
def test_what_is_no_sound_set_is_refused_in_one_line(write, file, content, message):
    folder, _ = write(change={file: content})
    with pytest.raises(ValueError, match=message) as error:
        idx.read_idx(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_a_file_that_is_missing_or_cut_off_is_named(write):
    folder, _ = write()
    whole = (folder / "t10k-images-idx3-ubyte.gz").read_bytes()
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte.gz is not a whole gzip file"):
        idx.read_idx(folder)
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold the file t10k-images-idx3-ubyte or"):
        idx.read_idx(folder)
