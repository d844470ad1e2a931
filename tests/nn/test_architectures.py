"""What all networks for images have in common: published sizes, 16 bits, recomputation, rows that are padding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.alexnet import AlexNet
from mlr_jax.nn.efficientnet import EfficientNetLite0
from mlr_jax.nn.lenet import LeNet5
from mlr_jax.nn.norm import GroupNorm
from mlr_jax.nn.resnet import ResNet, ResNetMaps, cifar_resnet, resnet
from mlr_jax.nn.vgg import VGG
from mlr_jax.nn.vit import ViT, vit

PUBLISHED = {
    "LeNet-5": (LeNet5(10), 32, 61_706),
    "AlexNet": (AlexNet(1000), 224, 61_100_840),
    "VGG-11": (VGG(11, 1000), 224, 132_863_336),
    "VGG-13": (VGG(13, 1000), 224, 133_047_848),
    "VGG-16": (VGG(16, 1000), 224, 138_357_544),
    "VGG-19": (VGG(19, 1000), 224, 143_667_240),
    "VGG-16-BN": (VGG(16, 1000, batch_norm=True), 224, 138_365_992),
    "ResNet-18": (resnet(18, 1000), 224, 11_689_512),
    "ResNet-34": (resnet(34, 1000), 224, 21_797_672),
    "ResNet-50": (resnet(50, 1000), 224, 25_557_032),
    "ResNet-101": (resnet(101, 1000), 224, 44_549_160),
    "ResNet-152": (resnet(152, 1000), 224, 60_192_808),
    "ResNet-20": (cifar_resnet(20, 10), 32, 269_722),
    "ResNet-32": (cifar_resnet(32, 10), 32, 464_154),
    "ResNet-44": (cifar_resnet(44, 10), 32, 658_586),
    "ResNet-56": (cifar_resnet(56, 10), 32, 853_018),
    "ResNet-110": (cifar_resnet(110, 10), 32, 1_727_962),
    "ViT-Ti/16": (vit("tiny", 1000), 224, 5_717_416),
    "ViT-S/16": (vit("small", 1000), 224, 22_050_664),
    "ViT-B/16": (vit("base", 1000), 224, 86_567_656),
    "EfficientNet-Lite0": (EfficientNetLite0(1000), 224, 4_652_008),
}
"""The network, the side of its images and how many parameters the published one has."""

SMALL = {
    "resnet": (partial(ResNetMaps, (1, 1), (4, 6)), 16),
    "bottleneck": (partial(ResNetMaps, (1, 1), (2, 3), "bottleneck", norm=partial(GroupNorm, groups=2)), 16),
    "vit": (partial(ViT, 3, patch=4, width=8, depth=2, heads=2, pooling="mean"), 8),
}
"""Networks small enough to train a step of: how to make them, the side of their images."""


def made(name, **options):
    make, side = SMALL[name]
    network = make(**options)
    return (ResNet(network, 3) if isinstance(network, ResNetMaps) else network), side


def images(side, rows=4):
    return np.random.default_rng(0).random((rows, side, side, 3), np.float32)


def started(network, x):
    """Variables of which none is at its special start."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)
    return jax.tree.map(lambda leaf: 0.3 + 0.2 * rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)


def gradient(network, variables, x, mask=None):
    """Of the sum of all logits of the real rows, in training."""
    mask = np.ones(len(x), np.float32) if mask is None else mask

    def loss(params):
        logits, _ = network.apply({**variables, "params": params}, x, train=True, mask=mask, mutable=["batch_stats"])
        return jnp.sum(jnp.sin(logits) * mask[:, None])

    return jax.jit(jax.grad(loss))(variables["params"])


def assert_close(first, second, tolerance=1e-4):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), first, second)


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_has_as_many_parameters_as_the_published_network(name):
    network, side, count = PUBLISHED[name]
    x = jax.ShapeDtypeStruct((2, side, side, 1 if name == "LeNet-5" else 3), jnp.float32)
    logits, variables = jax.eval_shape(network.init_with_output, jax.random.key(0), x)
    assert logits.shape == (2, network.outputs)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize("name", ["AlexNet", "VGG-16-BN", "ResNet-18", "ViT-Ti/16", "EfficientNet-Lite0"])
def test_in_sixteen_bits_parameters_and_logits_stay_float32(name):
    network, side, _ = PUBLISHED[name]
    if isinstance(network, ResNet):
        network = network.clone(maps=network.maps.clone(dtype=jnp.bfloat16))
    else:
        network = network.clone(dtype=jnp.bfloat16)
    x = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    variables = jax.eval_shape(network.init, jax.random.key(0), x)
    look = partial(network.apply, capture_intermediates=True, mutable=["intermediates"])
    logits, inside = jax.eval_shape(look, variables, x)
    assert logits.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(inside)]
    assert dtypes.count(jnp.float32) <= 4  # the logits, and what holds them
    assert len(dtypes) > 10


@pytest.mark.parametrize("name", SMALL)
def test_computing_blocks_again_changes_no_gradient(name):
    network, side = made(name)
    again, _ = made(name, remat=True)
    x = images(side)
    variables = started(network, x)
    assert "remat" in str(jax.make_jaxpr(lambda x: again.apply(variables, x))(x))
    assert_close(gradient(again, variables, x), gradient(network, variables, x), 1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_padding_changes_no_gradient(name):
    network, side = made(name)
    x, mask = images(side), np.array([1, 1, 0, 1], np.float32)
    variables = started(network, x)
    changed = x.copy()
    changed[2] = 1e3
    padded = gradient(network, variables, changed, mask)
    assert_close(padded, gradient(network, variables, x, mask), 1e-5)
    assert_close(padded, gradient(network, variables, x[[0, 1, 3]]))


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (LeNet5(10), (30, 30, 1), "allowed are"),
        (AlexNet(10), (62, 64, 3), "at least 63"),
        (AlexNet(10, dropout=1.0), (64, 64, 3), "dropout"),
        (VGG(12, 10), (32, 32, 3), "layers: got 12"),
        (VGG(11, 10), (31, 32, 3), "at least 32"),
        (VGG(11, 10, dropout=-0.1), (32, 32, 3), "dropout"),
        (ViT(10, patch=5), (16, 15, 3), "patch: got 5"),
        (ViT(10, patch=4, width=10, heads=4), (16, 16, 3), "heads: got 4"),
        (ViT(10, patch=4, dropout=1.0), (16, 16, 3), "dropout"),
        (EfficientNetLite0(10, drop_path=1.0), (32, 32, 3), "drop_path"),
        (ResNet(ResNetMaps((1, 1), (4,)), 10), (32, 32, 3), "widths: got 1"),
        (ResNet(ResNetMaps((0,), (4,)), 10), (32, 32, 3), "depths"),
    ],
)
def test_what_does_not_fit_is_an_error_before_anything_is_computed(network, shape, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((2, *shape), jnp.float32))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: resnet(20, 10), "layers: got 20"),
        (lambda: cifar_resnet(18, 10), "layers: got 18"),
        (lambda: vit("large", 10), "size: got 'large'"),
    ],
)
def test_a_size_that_is_not_there_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
