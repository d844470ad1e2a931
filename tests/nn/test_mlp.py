import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.mlp import MLP

X = np.random.default_rng(0).normal(size=(6, 4, 2)).astype(np.float32)


def test_it_equals_its_matrix_products():
    model = MLP((5, 7), 3)
    params = model.init(jax.random.key(0), X)["params"]
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)  # biases start at zero
    x = X.reshape(6, 8)
    for name in ("Dense_0", "Dense_1"):
        x = np.maximum(x @ params[name]["kernel"] + params[name]["bias"][None], 0)
    expected = x @ params["Dense_2"]["kernel"] + params["Dense_2"]["bias"][None]
    np.testing.assert_allclose(model.apply({"params": params}, X), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [(), (5,), (5, 7)])
def test_shapes_and_number_of_parameters(hidden):
    model = MLP(hidden, 3)
    variables = model.init(jax.random.key(0), X)
    widths = (8, *hidden, 3)
    assert set(variables) == {"params"}
    assert model.apply(variables, X).shape == (6, 3)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert count == sum((before + 1) * after for before, after in itertools.pairwise(widths))


def test_dropout_is_active_only_in_training_and_keeps_the_mean():
    model = MLP((512,), 1, dropout=0.5)
    params = {"Dense_0": {"kernel": jnp.ones((8, 512)), "bias": jnp.ones(512)},
              "Dense_1": {"kernel": jnp.ones((512, 1)), "bias": jnp.zeros(1)}}  # fmt: skip
    ones = np.ones((6, 8), np.float32)

    def train(seed):
        return model.apply({"params": params}, ones, train=True, rngs={"dropout": jax.random.key(seed)})

    np.testing.assert_array_equal(model.apply({"params": params}, ones), np.full((6, 1), 9 * 512))
    assert len(np.unique(np.stack([train(0), train(1)]))) > 6
    np.testing.assert_allclose(np.mean([train(seed) for seed in range(20)]), 9 * 512, rtol=0.02)
    np.testing.assert_array_equal(train(0), train(0))


def test_rows_are_independent_and_the_mask_changes_nothing():
    model = MLP((5,), 3)
    variables = model.init(jax.random.key(0), X)
    changed = X.copy()
    changed[1:] = 7.0
    np.testing.assert_array_equal(model.apply(variables, changed)[0], model.apply(variables, X)[0])
    masked = model.apply(variables, X, train=True, mask=np.zeros(6, np.float32))
    np.testing.assert_array_equal(masked, model.apply(variables, X))
