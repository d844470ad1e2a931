"""The network of the speed run: its filters make patches white, its kernels begin by handing their input on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.fast_cifar import FastCifarNet, partial_identity, whitening_filters
from mlr_jax.ops.convolution import conv2d


@pytest.fixture(scope="module")
def images():
    """Smooth coloured noise: neighbouring pixels and channels are correlated."""
    noise = np.random.default_rng(0).normal(size=(200, 10, 10, 3))
    smooth = noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1] + noise[:, :-1, :-1]
    return (smooth @ np.array([[1.0, 0.5, 0.2], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])).astype(np.float32)


def test_whitened_patches_are_uncorrelated_and_of_variance_one(images):
    filters = whitening_filters(images, epsilon=0.0)
    assert filters.shape == (2, 2, 3, 24)
    white = np.asarray(conv2d(jnp.asarray(images), jnp.asarray(filters), padding="VALID"))
    covariance = np.cov(white.reshape(-1, 24), rowvar=False)
    expected = np.block([[np.eye(12), -np.eye(12)], [-np.eye(12), np.eye(12)]])
    np.testing.assert_allclose(covariance, expected, atol=2e-3)


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (5, 3)])
def test_a_partial_identity_hands_its_inputs_on(inputs, outputs):
    kernel = partial_identity(jax.random.key(0), (3, 3, inputs, outputs))
    x = jax.random.normal(jax.random.key(1), (2, 6, 6, inputs))
    shared = min(inputs, outputs)
    np.testing.assert_allclose(conv2d(x, kernel)[..., :shared], x[..., :shared], rtol=1e-6)


def test_the_filters_are_kept_as_they_were_given(images):
    model = FastCifarNet(whitening_filters(images), 4, (4, 8))
    x = jnp.asarray(images[:4, :8, :8])
    variables = jax.jit(model.init)(jax.random.key(0), x)
    assert set(variables) == {"params", "constants", "batch_stats"}
    logits, updated = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats", "constants"]))(
        variables, x
    )
    assert logits.shape == (4, 4)
    np.testing.assert_array_equal(updated["constants"]["filters"], whitening_filters(images))


def test_it_is_the_network_that_its_docstring_says(images):
    model = FastCifarNet(whitening_filters(images), 4, (4,))
    x = jnp.asarray(images[:3, :9, :9])
    variables = jax.jit(model.init)(jax.random.key(0), x)
    params = jax.tree.map(lambda leaf: leaf + 0.1, variables["params"])

    def normalised(h, layer):  # by the moments that a layer starts with
        scale, bias = (layer[name].reshape(1, 1, 1, -1) for name in ("scale", "bias"))
        return h / np.sqrt(1 + 1e-5) * scale + bias

    h = jax.nn.gelu(conv2d(x, variables["constants"]["filters"], padding="VALID"))
    h = conv2d(h, params["Conv_0"]["kernel"]).reshape(3, 4, 2, 4, 2, 4).max((2, 4))
    h = jax.nn.gelu(normalised(h, params["BatchNorm_0"]))
    h = jax.nn.gelu(normalised(conv2d(h, params["Conv_1"]["kernel"]), params["BatchNorm_1"]))
    expected = h.max((1, 2)) @ params["Dense_0"]["kernel"]
    logits = jax.jit(model.apply)({**variables, "params": params}, x)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_padding_does_not_enter_the_statistics(images):
    model, mask = FastCifarNet(whitening_filters(images), 4, (4,)), jnp.array([1.0, 1.0, 0.0])
    x = jnp.asarray(images[:3, :8, :8])
    variables = jax.jit(model.init)(jax.random.key(0), x)
    train = jax.jit(lambda x: model.apply(variables, x, train=True, mask=mask, mutable=["batch_stats"]))
    (clean, moved), (junk, moved_too) = train(x), train(x.at[2].set(100.0))
    np.testing.assert_allclose(clean[:2], junk[:2], rtol=1e-5, atol=1e-6)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), moved, moved_too)
