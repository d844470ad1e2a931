import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.transformer import sinusoids
from mlr_jax.nn.unet import UNet

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 8, 12, 2)).astype(np.float32)
TIME, Y = np.array([0.1, 0.5, 0.9], np.float32), np.array([0, 2, 4], np.int32)
model = UNet((4, 8), heads=2, classes=4)


@pytest.fixture(scope="module")
def variables():
    """Variables that are not at their special start."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), X, TIME, Y)
    return jax.tree.map(lambda leaf: (0.3 * RNG.normal(size=leaf.shape)).astype(leaf.dtype), shapes)


def test_it_starts_at_zero_and_keeps_the_shape():
    y, variables = jax.jit(model.init_with_output)(jax.random.key(0), X, TIME, Y)
    assert y.shape == X.shape
    assert not np.any(y)
    assert variables["params"]["told"]["class"]["embedding"].shape[0] == 5


def test_rows_are_apart_and_every_pixel_class_and_time_counts(variables):
    apply = jax.jit(model.apply)
    y = apply(variables, X, TIME, Y)
    np.testing.assert_allclose(apply(variables, X[1:2], TIME[1:2], Y[1:2]), y[1:2], rtol=1e-4, atol=1e-5)
    moved = X.copy()
    moved[:, 0, 0, 0] += 1
    far = np.abs(apply(variables, moved, TIME, Y) - y)[:, -1, -1]  # from one corner to the other
    assert far.max(axis=-1).min() > 1e-6
    for changed in (apply(variables, X, TIME + 0.01, Y), apply(variables, X, TIME, (Y + 1) % 5)):
        assert (np.abs(changed - y).max(axis=(1, 2, 3)) > 1e-4).all()


def test_patches_and_depth_are_a_choice_and_no_class_is_one_too():
    coarse = UNet((4, 4), depth=2, heads=1, patch=2)
    y, variables = jax.jit(coarse.init_with_output)(jax.random.key(0), X, TIME)
    assert y.shape == X.shape
    assert variables["params"]["first"]["kernel"].shape == (3, 3, 2 * 2 * 2, 4)
    assert sum(name.startswith("block") for name in variables["params"]) == 2 * 2 * 2 + 1


def test_sinusoids_tell_a_thousand_times_apart():
    told = np.asarray(sinusoids(jnp.arange(1000), 16))
    np.testing.assert_allclose(told[:, 0], np.sin(np.arange(1000)), atol=1e-3)
    np.testing.assert_allclose(told[:, 5], np.cos(np.arange(1000) / 10_000 ** (4 / 16)), atol=1e-3)
    distances = np.linalg.norm(told[:, None] - told[None], axis=-1)
    assert distances[~np.eye(1000, dtype=bool)].min() > 0.1


@pytest.mark.parametrize(
    ("network", "x", "y", "message"),
    [
        (UNet((4, 4, 4), classes=4), X[:, :6], Y, "multiples of 4"),
        (UNet((4,), classes=4), X[0], Y, "wanted \\[B, H, W, C\\]"),
        (UNet((4,)), X, Y, "y: got some, but the network is told of 0"),
        (UNet((4,), classes=3), X, None, "y: got none"),
        (UNet((0,)), X, None, "widths: got \\(0,\\)"),
        (UNet((4,), dropout=1.0), X, None, "dropout: got 1.0"),
    ],
)
def test_what_makes_no_network_is_refused(network, x, y, message):
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0), x, TIME, y)
