import jax
import numpy as np

from mlr_jax.graphs.features import Dropout, Linear
from mlr_jax.ops.sparse import sparse_matrix, to_dense

rng = np.random.default_rng(0)
WORDS = np.where(rng.random((40, 30)) < 0.2, rng.random((40, 30)), 0).astype(np.float32)
ROWS, COLUMNS = np.nonzero(WORDS)
SPARSE = sparse_matrix(ROWS, COLUMNS, WORDS[ROWS, COLUMNS], WORDS.shape)


def test_a_linear_layer_takes_both_kinds_and_draws_weights_of_the_promised_variance():
    layer = Linear(200)
    params = layer.init(jax.random.key(0), SPARSE)
    jax.tree.map(np.testing.assert_array_equal, params, layer.init(jax.random.key(0), WORDS))
    np.testing.assert_allclose(layer.apply(params, SPARSE), layer.apply(params, WORDS), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.var(params["params"]["kernel"]), 2 / (30 + 200), rtol=0.05)
    assert set(Linear(2, use_bias=False).init(jax.random.key(0), WORDS)["params"]) == {"kernel"}


def test_dropout_of_a_sparse_matrix_keeps_its_mean_and_its_zeros():
    drop = jax.jit(jax.vmap(lambda key: to_dense(Dropout(0.4).apply({}, SPARSE, True, rngs={"dropout": key}))))
    draws = np.asarray(drop(jax.random.split(jax.random.key(0), 3000)))
    np.testing.assert_allclose(draws.mean(0), WORDS, atol=0.08)
    assert (draws[:, WORDS == 0] == 0).all()
    kept = draws[:, WORDS > 0] > 0
    np.testing.assert_allclose(kept.mean(), 0.6, atol=0.003)
    np.testing.assert_allclose(draws[0][draws[0] > 0], (WORDS / 0.6)[draws[0] > 0], rtol=1e-5)


def test_without_training_or_without_a_rate_nothing_is_dropped_and_no_key_is_needed():
    for rate, train in ((0.4, False), (0.0, True)):
        assert Dropout(rate).apply({}, SPARSE, train) is SPARSE
