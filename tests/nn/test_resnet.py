import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.resnet import Block, ResNetMaps, cifar_resnet, resnet, resnet_maps

X = np.random.default_rng(0).normal(size=(3, 7, 6, 4)).astype(np.float32)


def randomised(shapes):
    rng = np.random.default_rng(1)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)
    return {**variables, "batch_stats": jax.tree.map(np.abs, variables["batch_stats"])}


def convolved(x, kernel, stride):
    """As the sum over the window of products, in numpy; as many zeros around as half of the kernel."""
    size = len(kernel)
    pad = size // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    rows, columns = (range(0, n - size + 1, stride) for n in x.shape[1:3])
    windows = [[x[:, i : i + size, j : j + size] for j in columns] for i in rows]
    return np.einsum("ijbklc,klco->bijo", np.array(windows), kernel)


@pytest.mark.parametrize(
    ("kind", "width", "stride", "shortcut"),
    [("basic", 4, 1, "projection"), ("basic", 6, 2, "projection"), ("basic", 6, 2, "pad"),
     ("bottleneck", 3, 2, "projection"), ("bottleneck", 1, 1, "projection")],
)  # fmt: skip
def test_a_block_equals_its_formula(kind, width, stride, shortcut):
    block = Block(width, stride, kind, shortcut)
    variables = randomised(jax.eval_shape(block.init, jax.random.key(0), X))
    params, moments = variables["params"], variables["batch_stats"]

    def conv_norm(x, name, stride=1):
        y = convolved(x, params[f"{name}_conv"]["kernel"], stride)
        norm, moment = params[f"{name}_norm"], moments[f"{name}_norm"]
        return (y - moment["mean"]) / np.sqrt(moment["var"] + 1e-5) * norm["scale"] + norm["bias"]

    def relu(x):
        return np.maximum(x, 0)

    if kind == "basic":
        y = conv_norm(relu(conv_norm(X, "first", stride)), "second")
    else:
        y = conv_norm(relu(conv_norm(relu(conv_norm(X, "first")), "second", stride)), "third")
    if y.shape == X.shape:
        added = X
        assert "shortcut_conv" not in params
    elif shortcut == "projection":
        added = conv_norm(X, "shortcut", stride)
    else:
        added = np.zeros_like(y)
        added[..., :4] = X[:, ::2, ::2]
        assert "shortcut_conv" not in params
    np.testing.assert_allclose(jax.jit(block.apply)(variables, X), relu(y + added), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("maps", "sizes"),
    [
        (resnet_maps(18), [(16, 25, 64), (8, 13, 128), (4, 7, 256), (2, 4, 512)]),
        (resnet_maps(50), [(16, 25, 256), (8, 13, 512), (4, 7, 1024), (2, 4, 2048)]),
        (resnet_maps(18, stem="cifar"), [(64, 97, 64), (32, 49, 128), (16, 25, 256), (8, 13, 512)]),
        (resnet_maps(34, widths=(8, 16, 24, 32)), [(16, 25, 8), (8, 13, 16), (4, 7, 24), (2, 4, 32)]),
        (cifar_resnet(20, 10).maps, [(64, 97, 16), (32, 49, 32), (16, 25, 64)]),
    ],
    ids=["18", "50", "18 for CIFAR", "34 narrow", "20"],
)
def test_maps_have_the_sizes_of_their_stages(maps, sizes):
    x = jax.ShapeDtypeStruct((2, 64, 97, 3), jnp.float32)
    found, _ = jax.eval_shape(maps.init_with_output, jax.random.key(0), x)
    assert [map.shape for map in found] == [(2, *size) for size in sizes]


def test_the_classifier_is_a_dense_layer_of_the_last_maps_mean():
    model = resnet(18, 5, widths=(2, 2, 2, 4), stem="cifar")
    variables = randomised(jax.eval_shape(model.init, jax.random.key(0), X))
    inside = {name: leaves["maps"] for name, leaves in variables.items()}
    maps = jax.jit(ResNetMaps((2, 2, 2, 2), (2, 2, 2, 4), stem="cifar").apply)(inside, X)
    head = variables["params"]["head"]
    expected = maps[-1].mean((1, 2)) @ head["kernel"] + head["bias"][None]
    np.testing.assert_allclose(jax.jit(model.apply)(variables, X), expected, rtol=1e-5)
