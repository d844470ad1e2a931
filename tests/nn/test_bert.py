"""BERT: padding is not there, every token sees every other, and as many parameters as published."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.bert import BERT, MaskedLM, mean_of_tokens

V, T, B = 11, 8, 3
MODEL = BERT(V, T, depth=2, heads=2, width=8)
TOKENS = jnp.asarray(np.random.default_rng(0).integers(V, size=(B, T)))
LENGTHS = jnp.array([8, 5, 1])
MASK = jnp.arange(T)[None] < LENGTHS[:, None]


def random_variables(model):
    shapes = jax.eval_shape(model.init, jax.random.key(0), TOKENS)
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), jnp.float32), shapes)


@pytest.mark.parametrize("model", [MODEL, MaskedLM(MODEL)], ids=["features", "logits"])
def test_padding_changes_nothing(model):
    variables = random_variables(model)
    padded = model.apply(variables, jnp.where(MASK, TOKENS, 3), mask=MASK)
    for row, length in enumerate(LENGTHS):
        alone = model.apply(variables, TOKENS[row : row + 1, :length])
        np.testing.assert_allclose(padded[row, :length], alone[0], rtol=1e-4, atol=1e-5)


def test_every_token_sees_every_real_one():
    bound = MODEL.bind(random_variables(MODEL))
    outputs = np.asarray(bound(TOKENS, mask=MASK))
    for place in range(T):
        changed = np.asarray(bound(TOKENS.at[:, place].set((TOKENS[:, place] + 1) % V), mask=MASK))
        differs = np.abs(changed - outputs).max(-1) > 1e-6
        for row, length in enumerate(LENGTHS):
            assert differs[row, :length].all() == (place < length)


def test_parts_tell_two_texts_apart():
    variables = random_variables(MODEL)
    plain = MODEL.apply(variables, TOKENS)
    np.testing.assert_array_equal(MODEL.apply(variables, TOKENS, parts=jnp.zeros((B, T), int)), plain)
    assert (MODEL.apply(variables, TOKENS, parts=jnp.ones((B, T), int)) != plain).any()


def test_bert_base_has_as_many_parameters_as_the_published_one():
    shapes = jax.eval_shape(BERT(30522, 512, 12, 12, 768).init, jax.random.key(0), jnp.zeros((1, 1), int))
    pooler = 768 * 768 + 768  # which is not here
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 109_482_240 - pooler


def test_the_mean_is_over_real_tokens():
    features = jnp.arange(24.0).reshape(1, 8, 3)
    np.testing.assert_allclose(mean_of_tokens(features, jnp.array([[1, 1, 1, 0, 0, 0, 0, 0]]))[0], [3, 4, 5])


def test_more_tokens_than_the_context_are_an_error():
    with pytest.raises(ValueError, match="tokens: got 9 in a row, the context has room for 8"):
        MODEL.init(jax.random.key(0), jnp.zeros((1, 9), int))
