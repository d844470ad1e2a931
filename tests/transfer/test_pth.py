"""Files of torch.save: what they hold is read, and nothing that they ask for is done."""

import io
import os
import pickle

import ml_dtypes
import numpy as np
import pytest
from transfer import pth_files as files
from transfer.torchvision_models import installed

from mlr_jax.transfer.pickle_data import read_pickle
from mlr_jax.transfer.pth import read_pth

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "conv.bias": np.float32([1.5, -2]),
    "scalar": np.float32(7).reshape(()),
    "empty": np.zeros((0, 3), np.float32),
}


def same(found, expected):
    return list(found) == list(expected) and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array) for name, array in expected.items()
    )


def test_both_formats_are_read(tmp_path):
    assert same(read_pth(files.write_zip(tmp_path / "new.pth", *files.tensors(ARRAYS))), ARRAYS)
    assert same(read_pth(files.write_legacy(tmp_path / "old.pth", *files.tensors(ARRAYS, view=(None,)))), ARRAYS)


def test_types_of_numbers_and_other_values(tmp_path):
    arrays = {
        "half": np.float16([1, 2]),
        "brain": np.array([1, -2, 3.140625], ml_dtypes.bfloat16),
        "double": np.float64([[0.1]]),
        "count": np.int64(5).reshape(()),
    }
    inner, storages = files.tensors(arrays)
    rest = {"epoch": 3, "rate": 1e-3, "tags": ["a", (None, True)], "big": 2**70}
    path = files.write_zip(
        tmp_path / "a.pt",
        files.mapping({"state_dict": inner, "rest": files.value(rest)}, metadata=False),
        storages,
    )
    found = read_pth(path)
    assert same(found["state_dict"], arrays)
    assert found["rest"] == {**rest, "tags": ["a", [None, True]]}


def test_views_of_one_storage(tmp_path):
    numbers = np.arange(6, dtype=np.float32)
    stored = files.storage("0", "float32", 6)
    items = {"t": files.tensor(stored, (3, 2), (1, 3)), "last": files.tensor(stored, (2,), (1,), offset=4)}
    found = read_pth(files.write_zip(tmp_path / "a.pth", files.mapping(items), {"0": numbers.tobytes()}))
    assert same(found, {"t": numbers.reshape(2, 3).T, "last": numbers[4:]})
    assert np.shares_memory(found["t"], found["last"])


class Hostile:
    """Its pickle makes a file when it is loaded."""

    def __init__(self, path, function=os.system):
        self.path, self.function = path, function

    def __reduce__(self):
        return self.function, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_runs_code_runs_nothing(tmp_path, protocol):
    mark = tmp_path / "mark"
    hostile = pickle.dumps({"weight": Hostile(mark)}, protocol)
    pickle.loads(hostile)
    assert mark.exists()  # the weapon is loaded
    mark.unlink()

    instructions = hostile[2 if protocol >= 2 else 0 : -1]
    paths = [tmp_path / "plain.pth", tmp_path / "zip.pth", tmp_path / "legacy.pth"]
    paths[0].write_bytes(hostile)
    files.write_zip(paths[1], instructions)
    files.write_legacy(paths[2], instructions)
    for path in paths:
        with pytest.raises(ValueError, match=path.name):
            read_pth(path)
    with pytest.raises(ValueError, match=r"system|instruction"):
        read_pth(paths[1])
    assert not mark.exists()


def weapon(path):
    return files.value(f"touch {path}")


HOSTILE = {
    "call of a name": lambda p: files.call(files.name("os", "system"), weapon(p)),
    "name from the stack": lambda p: files.value("os") + files.value("system") + b"\x93(" + weapon(p) + b"tR",
    "builtin": lambda p: files.call(files.name("builtins", "eval"), files.value("1")),
    "torch itself": lambda p: files.call(files.name("torch", "load"), weapon(p)),
    "attribute of an admitted name": lambda p: files.name("torch._utils", "_rebuild_tensor_v2.__globals__"),
    "instance": lambda p: b"(" + weapon(p) + b"ios\nsystem\n",
    "object": lambda p: b"(" + files.name("os", "system") + weapon(p) + b"o",
    "new object": lambda p: files.name("os", "system") + b"(" + weapon(p) + b"t\x81",
    "new admitted object": lambda p: files.name("collections", "OrderedDict") + b")\x81",
    "call of a number type": lambda p: files.call(files.name("torch", "FloatStorage"), files.value(1)),
    "call of a string": lambda p: files.call(weapon(p)),
    "changed function": lambda p: files.name("collections", "OrderedDict") + files.value({"__code__": 1}) + b"b",
    "extension": lambda p: b"\x82\x01",
    "items of a function": lambda p: files.name("collections", "OrderedDict") + files.value(1) * 2 + b"s",
    "persistent text": lambda p: b"Pstorage\n",
    "buffer": lambda p: b"\x97",
    "empty": lambda p: b"",
    "stack runs out": lambda p: b"0",
    "no mark": lambda p: b"t",
    "nothing stored": lambda p: b"h\x07",
    "unhashable key": lambda p: b"}" + files.value([]) + files.value(1) + b"s",
    "half an item": lambda p: b"}(" + files.value(1) + b"u",
    "list in itself": lambda p: b"]q\x00h\x00a",
    "long text": lambda p: b"\x8d" + b"\xff" * 7 + b"\x0f",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_other_instruction_and_name_is_refused(tmp_path, kind):
    for write in (files.write_zip, files.write_legacy):
        path = write(tmp_path / "a.pth", HOSTILE[kind](tmp_path / "mark"))
        with pytest.raises(ValueError, match=r"a\.pth"):
            read_pth(path)
    assert not (tmp_path / "mark").exists()


STORED = {"0": np.arange(6, dtype=np.float32).tobytes()}


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "length", "storages"),
    [
        ((7,), (1,), 0, 6, STORED),
        ((6,), (1,), 1, 6, STORED),
        ((3, 2), (3, 1), 0, 6, STORED),
        ((10**12,), (0,), 0, 6, STORED),
        ((2,), (-1,), 1, 6, STORED),
        ((-2,), (1,), 0, 6, STORED),
        ((2,), (1,), -1, 6, STORED),
        ((2.0,), (1,), 0, 6, STORED),
        ((2, 3), (1,), 0, 6, STORED),
        ((600,), (1,), 0, 600, STORED),
        ((6,), (1,), 0, 6, {}),
        ((6,), (1,), 0, -6, STORED),
    ],
)
def test_a_tensor_outside_of_its_storage_is_an_error(tmp_path, *, shape, strides, offset, length, storages):
    for write, view in ((files.write_zip, ()), (files.write_legacy, (None,))):
        one = files.tensor(files.storage("0", "float32", length, view), shape, strides, offset)
        with pytest.raises(ValueError, match=r"a\.pth: (a tensor|storage 0|a storage)"):
            read_pth(write(tmp_path / "a.pth", files.mapping({"w": one}), storages))


@pytest.mark.parametrize("write", [files.write_zip, files.write_legacy])
def test_a_damaged_file_is_an_error_or_reads_like_the_whole(tmp_path, write):
    view = (None,) if write is files.write_legacy else ()
    content = write(tmp_path / "a.pth", *files.tensors(ARRAYS, view=view)).read_bytes()
    rng, path, messages = np.random.default_rng(0), tmp_path / "b.pth", []
    damages = [content[:length] for length in rng.integers(0, len(content), 60)]
    damages += [flip(content, *rng.integers((0, 1), (len(content), 256))) for _ in range(400)]
    for damaged in damages:
        path.write_bytes(damaged)
        try:
            read_pth(path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 60
    assert all(str(path) in message for message in messages)


def flip(content, place, bits):
    return content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]


def test_other_files_are_named_as_such(tmp_path):
    path = tmp_path / "a.pth"
    for content in (b"", b"PNG", pickle.dumps({"a": 1}), pickle.dumps([1, 2], 0)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.pth: (neither|damaged|cannot mmap)"):
            read_pth(path)
    files.write_zip(path, files.value({}), byteorder=b"big")
    with pytest.raises(ValueError, match="big-endian"):
        read_pth(path)


def test_lists_that_share_a_list_are_read_once(tmp_path):
    laughs = b"]" + b"".join(b"q" + bytes([i]) + b"]" + (b"h" + bytes([i]) + b"a") * 10 for i in range(40))
    assert read_pth(files.write_zip(tmp_path / "a.pth", laughs))


def test_state_of_a_dict_is_dropped_and_the_position_is_behind_the_end():
    file = io.BytesIO(files.program(files.mapping({"a": files.value(1)})) + b"rest")
    assert read_pickle(file, {"collections.OrderedDict": lambda: {}}) == {"a": 1}
    assert file.read() == b"rest"


@pytest.mark.parametrize("new", [True, False])
def test_pytorch_writes_what_is_read(tmp_path, new):
    if not installed("torch"):
        pytest.skip('torch is not installed: pip install "mlr-jax[peers]"')
    import torch

    x = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    saved = {"x": x, "t": x.t(), "half": x.half(), "brain": x.bfloat16(), "n": torch.tensor(3), "b": x > 2}
    torch.save({**saved, "p": torch.nn.Parameter(x)}, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    found = read_pth(tmp_path / "a.pth")
    for name, tensor in saved.items():
        assert found[name].shape == tuple(tensor.shape)
        np.testing.assert_array_equal(found[name].astype(np.float64), tensor.double().numpy())
    assert same({"p": found["p"], "x": found["x"]}, {"p": x.numpy(), "x": x.numpy()})
