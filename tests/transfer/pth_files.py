"""Files in the two formats of `torch.save`, written by hand: the instructions of their pickles, without PyTorch."""

import pickle
import zipfile

import numpy as np

DTYPES = {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16", "int64": "Long"}


def value(item):
    """The instructions that push a plain value."""
    return pickle.dumps(item, 2)[2:-1]


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def call(function, *arguments):
    return function + b"(" + b"".join(arguments) + b"tR"


def mapping(items, metadata=True):
    """An OrderedDict of strings to instructions, with the attribute that state dicts have."""
    made = call(name("collections", "OrderedDict")) + b"("
    made += b"".join(value(key) + item for key, item in items.items()) + b"u"
    return made + (value({"_metadata": {"": {"version": 1}}}) + b"b" if metadata else b"")


def storage(key, dtype="float32", length=0, view=()):
    """The instructions that push a storage; `view=(None,)` in the older format."""
    start = b"(" + value("storage") + name("torch", f"{DTYPES[str(dtype)]}Storage")
    return start + value(key) + value("cpu") + value(length) + b"".join(map(value, view)) + b"tQ"


def tensor(stored, shape, strides, offset=0):
    hooks = call(name("collections", "OrderedDict"))
    numbers = (value(offset), value(shape), value(strides))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, *numbers, value(False), hooks)


def program(instructions):
    return b"\x80\x02" + instructions + b"."


def tensors(arrays, view=()):
    """The instructions of a state dict of arrays, and the storages that belong to it."""
    items = {}
    for place, (key, array) in enumerate(arrays.items()):
        strides = tuple(step // array.itemsize for step in array.strides)
        items[key] = tensor(storage(str(place), array.dtype, array.size, view), array.shape, strides)
    return mapping(items), {str(place): array.tobytes() for place, array in enumerate(arrays.values())}


def write_zip(path, instructions, storages=(), byteorder=b"little"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program(instructions))
        archive.writestr("archive/byteorder", byteorder)
        for key, content in dict(storages).items():
            archive.writestr(f"archive/data/{key}", content)
    return path


def write_legacy(path, instructions, storages=(), itemsize=4):
    heads = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
    content = b"".join(pickle.dumps(head, 2) for head in heads) + program(instructions)
    content += pickle.dumps(list(dict(storages)), 2)
    for numbers in dict(storages).values():
        content += np.int64(len(numbers) // itemsize).tobytes() + numbers
    path.write_bytes(content)
    return path
