"""Published weights: all that does not fit is listed at once, before anything is used; export inverts import."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors.numpy import load_file, save_file
from transfer import pth_files as files

from mlr_jax.nn.convolution import Conv
from mlr_jax.nn.norm import BatchNorm
from mlr_jax.transfer.names import Names, after_maps, batch_norm, conv, dense, layer_norm
from mlr_jax.transfer.weights import from_tensors, load_weights, read_tensors, save_weights, to_tensors


class Tiny(nn.Module):
    """A layer of each kind that name maps know."""

    @nn.compact
    def __call__(self, x):
        x = BatchNorm(name="norm")(Conv(3, use_bias=True, name="conv")(x))
        x = nn.LayerNorm(name="layer_norm")(x).reshape(len(x), -1)
        return nn.Dense(5, name="head")(x)


NAMES = Names(
    (
        *conv("features.0", "conv", bias=True),
        *batch_norm("features.1", "norm"),
        *layer_norm("ln", "layer_norm"),
        *dense("fc", "head", after_maps(4, 2)),
    )
)
LIKE = jax.eval_shape(Tiny().init, jax.random.key(0), jnp.zeros((1, 4, 2, 2)))


def published():
    rng = np.random.default_rng(0)
    shapes = {"features.0.weight": (3, 2, 3, 3), "features.0.bias": (3,), "fc.weight": (5, 24), "fc.bias": (5,)}
    shapes |= {f"{layer}.{part}": (3,) for layer in ("features.1", "ln") for part in ("weight", "bias")}
    shapes |= {"features.1.running_mean": (3,), "features.1.running_var": (3,)}
    arrays = {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**arrays, "features.1.num_batches_tracked": np.array(7)}


def by_hand(x, t):
    """The network on images [B, C, H, W], in PyTorch's layout and with its order of flattened maps."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    x = np.einsum("bchwkl,ockl->bohw", windows, t["features.0.weight"]) + t["features.0.bias"][:, None, None]
    moments = [t[f"features.1.running_{name}"][:, None, None] for name in ("mean", "var")]
    x = (x - moments[0]) / np.sqrt(moments[1] + 1e-5)
    x = x * t["features.1.weight"][:, None, None] + t["features.1.bias"][:, None, None]
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-6)
    x = x * t["ln.weight"][:, None, None] + t["ln.bias"][:, None, None]
    return x.reshape(len(x), -1) @ t["fc.weight"].T + t["fc.bias"]


@pytest.mark.parametrize("kind", ["safetensors", "pth", "legacy.pth"])
def test_every_format_gives_the_network_that_was_published(tmp_path, kind):
    tensors, path = published(), tmp_path / f"tiny.{kind}"
    if kind == "safetensors":
        save_file(tensors, path)
    elif kind == "pth":
        files.write_zip(path, *files.tensors(tensors))
    else:
        real = {name: array for name, array in tensors.items() if array.dtype == np.float32}
        files.write_legacy(path, *files.tensors(real, view=(None,)))
    variables = load_weights(path, NAMES, LIKE)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(lambda leaf: leaf.shape, LIKE)
    x = np.random.default_rng(1).normal(size=(6, 2, 4, 2)).astype(np.float32)
    logits = Tiny().apply(variables, x.transpose(0, 2, 3, 1))
    np.testing.assert_allclose(logits, by_hand(x, tensors), rtol=1e-4, atol=1e-4)


def test_export_gives_the_published_file_back(tmp_path):
    save_weights(tmp_path / "a.safetensors", NAMES, from_tensors(published(), NAMES, LIKE))
    again = load_file(tmp_path / "a.safetensors")
    assert again.keys() | {"features.1.num_batches_tracked"} == published().keys()
    assert all(np.array_equal(again[name], published()[name]) for name in again)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_one_error_lists_everything_that_is_wrong(tmp_path):
    tensors = published()
    del tensors["fc.bias"], tensors["features.1.running_var"]
    tensors["fc.weight"] = tensors["fc.weight"].T
    tensors["features.0.weight"] = tensors["features.0.weight"][:, :1]
    tensors["aux.weight"] = np.zeros(3, np.float32)
    tensors["ln.bias"] = np.zeros(3, np.int32)
    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="6 of the tensors") as caught:
        load_weights(tmp_path / "a.safetensors", NAMES, LIKE)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/a.safetensors: 6 of the tensors do not fit the model:",
        "  aux.weight: extra",
        "  fc.bias: missing",
        "  fc.weight: got shape (24, 5), needed is (5, 24)",
        "  features.0.weight: got shape (3, 1, 3, 3), needed is (3, 2, 3, 3)",
        "  features.1.running_var: missing",
        "  ln.bias: got int32, needed are real numbers",
    ]


def test_names_of_another_model_are_an_error():
    fewer = Names(NAMES.entries[1:])
    more = Names((*NAMES.entries, *conv("extra", "other")))
    with pytest.raises(ValueError, match=r"(?s)features.0.weight: extra.*no name .* variable params/conv/kernel"):
        from_tensors(published(), fewer, LIKE)
    with pytest.raises(ValueError, match=r"extra\.weight: the model has no params/other/kernel"):
        from_tensors(published(), more, LIKE)
    variables = from_tensors(published(), NAMES, LIKE)
    for names in (fewer, more):
        with pytest.raises(ValueError, match="different models"):
            to_tensors(variables, names)


def test_variables_are_copies_of_the_type_that_the_model_has(tmp_path):
    tensors = {name: array.astype(ml_dtypes.bfloat16) for name, array in published().items() if array.ndim}
    save_file(tensors, tmp_path / "a.safetensors")
    variables = load_weights(tmp_path / "a.safetensors", NAMES, LIKE)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}

    tensors = published()
    variables = from_tensors(tensors, NAMES, LIKE)
    before = jax.tree.map(np.array, variables)
    for array in tensors.values():
        array[...] = 0
    jax.tree.map(np.testing.assert_array_equal, before, variables)
    assert flatten_dict(variables, sep="/").keys() == flatten_dict(LIKE, sep="/").keys()


def test_what_a_file_holds_is_said(tmp_path):
    inner, storages = files.tensors({"a": np.ones(2, np.float32)})
    both = files.mapping({"state_dict": inner, "epoch": files.value(3)})
    path = files.write_zip(tmp_path / "a.pth", both, storages)
    assert read_tensors(path, entry="state_dict")["a"].tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"a\.pth: holds 'state_dict' \(dict\), 'epoch' \(int\).*choose an entry"):
        read_tensors(path)
    with pytest.raises(ValueError, match=r"a\.pth: has no entry 'model'; it holds 'state_dict'"):
        read_tensors(path, entry="model")
    with pytest.raises(ValueError, match=r"a\.pth: holds a list, needed"):
        read_tensors(files.write_zip(path, files.value([1])))


def test_files_that_cannot_be_read(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(FileNotFoundError, match=r"a\.safetensors"):
        read_tensors(path)
    for content in (b"", b"\x08\0\0\0\0\0\0\0{}", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.safetensors: a damaged"):
            read_tensors(path)
    with pytest.raises(ValueError, match=r"model\.h5: got a file '\.h5', allowed are"):
        read_tensors(tmp_path / "model.h5")
