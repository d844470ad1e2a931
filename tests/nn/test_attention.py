import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.attention import MultiHeadAttention

X = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
MASK = np.tril(np.ones((1, 5, 5), bool))


def seen(mask):
    return None if mask is None else lambda rows, columns: jnp.asarray(mask)


def linen(heads):
    return nn.MultiHeadDotProductAttention(heads, qkv_features=8)


def with_their_names(params, heads):
    """Our parameters as Linen's layer has them."""
    kernels = np.split(params["qkv"]["kernel"], 3, axis=1)
    biases = np.split(params["qkv"]["bias"], 3)
    parts = zip(("query", "key", "value"), kernels, biases, strict=True)
    theirs = {
        name: {"kernel": kernel.reshape(8, heads, -1), "bias": bias.reshape(heads, -1)} for name, kernel, bias in parts
    }
    return {**theirs, "out": {"kernel": params["out"]["kernel"].reshape(heads, -1, 8), "bias": params["out"]["bias"]}}


@pytest.fixture(scope="module")
def params():
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(MultiHeadAttention(2).init, jax.random.key(0), X)["params"]
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)


@pytest.mark.parametrize("mask", [None, MASK], ids=["all", "causal"])
@pytest.mark.parametrize("heads", [1, 2])
def test_it_equals_linen(params, heads, mask):
    found = jax.jit(lambda x: MultiHeadAttention(heads).apply({"params": params}, x, visible=seen(mask)))(X)
    variables = {"params": with_their_names(params, heads)}
    expected = linen(heads).apply(variables, X, mask=None if mask is None else mask[:, None])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_position_does_not_depend_on_those_that_its_mask_hides(params):
    jacobian = jax.jit(
        jax.jacobian(lambda x: MultiHeadAttention(2).apply({"params": params}, x[None], visible=seen(MASK))[0])
    )(X[0])
    depends = np.abs(jacobian).sum((1, 3)) > 0
    np.testing.assert_array_equal(depends, MASK[0])


@pytest.mark.parametrize("reach", [None, 4])
def test_dropout_is_of_the_weights_and_in_training_only(params, reach):
    layer, visible = MultiHeadAttention(2, dropout=0.5, reach=reach), seen(MASK)
    apply = jax.jit(
        lambda seed, train: layer.apply(
            {"params": params}, X, visible=visible, train=train, rngs={"dropout": jax.random.key(seed)}
        ),
        static_argnums=1,
    )
    assert (apply(0, True) != apply(1, True)).any()
    whole = MultiHeadAttention(2).apply({"params": params}, X, visible=visible)
    np.testing.assert_allclose(apply(0, False), whole, rtol=1e-4, atol=1e-4)


def test_without_biases_and_in_sixteen_bits():
    layer = MultiHeadAttention(4, use_bias=False, dtype=jnp.bfloat16)
    y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), X)
    assert y.dtype == jnp.bfloat16
    assert {path[-1].key for path, _ in jax.tree.leaves_with_path(variables)} == {"kernel"}
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("settings", [{"heads": 3}, {"heads": 0}, {"heads": 2, "dropout": 1.0}])
def test_what_does_not_fit_is_an_error(settings):
    with pytest.raises(ValueError, match=r"heads|dropout"):
        MultiHeadAttention(**settings).init(jax.random.key(0), X)
