import collections
import os
import pickle

import numpy as np
import pytest
import scipy.sparse

from mlr_jax.data.graphs import restricted_pickle
from mlr_jax.data.graphs.restricted_pickle import Csr, read_pickle


def written(tmp_path, value, protocol=2):
    path = tmp_path / "part"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        np.zeros((0, 4), bool),
        np.arange(200, dtype=np.uint8),
    ],
)
def test_arrays_come_as_numpy_itself_reads_them(tmp_path, protocol, array):
    read = read_pickle(written(tmp_path, array, protocol))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype


def test_sparse_matrices_are_added_up_as_scipy_does(tmp_path):
    matrix = scipy.sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), ([0, 0, 2], [1, 1, 3])), shape=(3, 5))
    read = read_pickle(written(tmp_path, matrix))
    assert isinstance(read, Csr)
    np.testing.assert_array_equal(read.dense("x"), matrix.toarray())


def test_what_python_2_wrote_is_read(tmp_path):
    matrix = (
        b"ccopy_reg\n_reconstructor\n(cscipy.sparse.csr\ncsr_matrix\nc__builtin__\nobject\nNtR(dVshape\n(I1\nI2\ntsVdata\n"
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\n"
        b"tR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x00\\x00\\x80?'\ntbsVindices\ncnumpy.core.multiarray\n_reconstruct\n"
        b"(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I1\ntcnumpy\ndtype\n(S'i4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"S'\\x01\\x00\\x00\\x00'\ntbsVindptr\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n"
        b"(I2\ntcnumpy\ndtype\n(S'i4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"S'\\x00\\x00\\x00\\x00\\x01\\x00\\x00\\x00'\ntbsb."
    )
    np.testing.assert_array_equal(read_pickle(written(tmp_path, matrix)).dense("x"), [[0, 1]])


def test_dicts_of_lists_are_read_whatever_kind_they_are(tmp_path):
    lists = collections.defaultdict(list, {0: [1, 2], 5: []})
    assert read_pickle(written(tmp_path, lists)) == {0: [1, 2], 5: []}


class Runs:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def calls(module, name, argument=b"(Vx\nt"):
    return f"c{module}\n{name}\n".encode() + argument + b"R."


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("wrap", [lambda evil: evil, lambda evil: {0: [evil]}, lambda evil: np.array([evil], object)])
def test_a_pickle_that_tries_to_run_code_runs_none(tmp_path, protocol, wrap):
    path = written(tmp_path, wrap(Runs(str(tmp_path / "made"))), protocol)
    with pytest.raises(ValueError, match=r"part cannot be read as arrays: UnpicklingError: it asks for \w+\.mkdir"):
        read_pickle(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content",
    [
        calls("builtins", "eval"), calls("builtins", "getattr"), calls("numpy", "load"), calls("os", "system"),
        calls("scipy.sparse", "load_npz"), calls("copy_reg", "_reconstructor", b"(c__builtin__\nlist\nt"),
        calls("_codecs", "encode", b"(Vx\nVrot13\nt"), calls("numpy.core.multiarray", "scalar"),
        b"cnumpy\nndarray.tofile\n.", pickle.dumps(np.array(["text"])), pickle.dumps(np.array([[1], 2], object), 2),
        b"", b"\x80",
    ],
)  # fmt: skip
def test_names_that_no_array_needs_are_refused(tmp_path, content):
    with pytest.raises(ValueError, match="part cannot be read as arrays"):
        read_pickle(written(tmp_path, content))


def test_a_pickle_cannot_change_what_stands_in_for_numpy(tmp_path):
    # BUILD with a pair sets attributes: of a class, for everyone who uses it afterwards.
    content = b"cscipy.sparse.csr\ncsr_matrix\n(N(dVdense\nI1\nstb."
    with pytest.raises(ValueError, match="cannot be read"):
        read_pickle(written(tmp_path, content))
    assert callable(Csr.dense)
    assert all(isinstance(made, type) for made in restricted_pickle.ALLOWED.values())


@pytest.mark.parametrize(
    "change",
    [
        {"indices": np.array([0, 9])}, {"indptr": np.array([0, 1])}, {"indptr": np.array([0, 3, 2])},
        {"data": np.array(["a", "b"])}, {"_shape": (2, -4)}, {"_shape": (2**20, 2**20)}, {"data": np.ones(3)},
    ],
)  # fmt: skip
def test_a_damaged_sparse_matrix_is_refused(change):
    matrix = Csr()
    good = {"_shape": (2, 3), "data": np.ones(2), "indices": np.array([0, 2]), "indptr": np.array([0, 1, 2])}
    matrix.__setstate__(good)
    assert matrix.dense("x").tolist() == [[1, 0, 0], [0, 0, 1]]
    matrix.__setstate__({**good, **change})
    with pytest.raises(ValueError, match="x must hold a sparse matrix in compressed rows"):
        matrix.dense("x")
