import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.sparse import SparseMatrix, compressed, matmul, neighbour_sum, product, sparse_matrix, to_dense

rng = np.random.default_rng(0)


def made(shape, count, heavy_rows=(), heavy_columns=()):
    """Entries at random places, some rows and columns full of them, some places taken twice."""
    rows, columns = (rng.integers(0, size, count) for size in shape)
    for row in heavy_rows:
        rows, columns = np.append(rows, np.full(shape[1], row)), np.append(columns, np.arange(shape[1]))
    for column in heavy_columns:
        rows, columns = np.append(rows, np.arange(shape[0])), np.append(columns, np.full(shape[0], column))
    values = rng.normal(size=len(rows)).astype(np.float32)
    dense = np.zeros(shape, np.float32)
    np.add.at(dense, (rows, columns), values)
    return sparse_matrix(rows, columns, values, shape), dense


MATRICES = {
    "few": made((7, 5), 9),
    "a full row": made((60, 90), 150, heavy_rows=(3,)),
    "a full column": made((90, 60), 150, heavy_columns=(0, 59)),
    "both": made((50, 70), 60, (0, 49), (8,)),
    "no entries": made((4, 3), 0),
    "one": made((1, 1), 1),
}


@pytest.mark.parametrize("name", MATRICES)
def test_product_and_both_gradients_equal_the_dense_ones(name):
    matrix, dense = MATRICES[name]
    h = rng.normal(size=(dense.shape[1], 4)).astype(np.float32)
    cotangent = rng.normal(size=(dense.shape[0], 4)).astype(np.float32)
    assert matrix.shape == dense.shape
    np.testing.assert_allclose(to_dense(matrix), dense, atol=1e-6)

    @jax.jit
    def both(values, h):
        def loss(values, h):
            y = product(matrix._replace(values=values), h)
            return jnp.sum(y * cotangent), y

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(values, h)

    (_, y), (by_values, by_h) = both(matrix.values, h)
    np.testing.assert_allclose(y, dense @ h, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(by_h, dense.T @ cotangent, rtol=1e-5, atol=1e-5)
    slopes = to_dense(sparse_like(matrix, np.asarray(by_values)))
    taken = np.asarray(to_dense(sparse_like(matrix, (np.asarray(matrix.values) != 0).astype(np.float32))))
    np.testing.assert_allclose(slopes, taken * (cotangent @ h.T), rtol=1e-4, atol=1e-4)


def sparse_like(matrix, values):
    return matrix._replace(values=np.where(np.asarray(matrix.values) != 0, values, 0))


def test_members_of_a_sweep_have_their_own_factors():
    matrix, dense = MATRICES["both"]
    h = rng.normal(size=(3, dense.shape[1], 2)).astype(np.float32)
    scale = np.array([1.0, 2, 3], np.float32)
    together = jax.vmap(lambda h, scale: product(matrix._replace(values=matrix.values * scale), h))(h, scale)
    np.testing.assert_allclose(together, scale[:, None, None] * (dense @ h), rtol=1e-5, atol=1e-5)


def test_what_no_entry_points_to_is_not_read():
    rows, columns = np.array([0, 2, 2]), np.array([1, 1, 2])  # lists of two, of which the first row fills half
    matrix = sparse_matrix(rows, columns, np.ones(3, np.float32), (4, 4))
    h = np.array([[np.nan], [1], [2], [np.nan]], np.float32)
    y = jax.jit(product)(matrix, h)
    np.testing.assert_array_equal(y[:, 0], [1, 0, 3, 0])
    cotangent = np.array([[1], [np.nan], [1], [np.nan]], np.float32)
    _, pull = jax.vjp(lambda h: product(matrix, h), np.nan_to_num(h))
    np.testing.assert_array_equal(pull(cotangent)[0][:, 0], [0, 2, 1, 0])


def test_factors_may_be_of_two_precisions():
    matrix, dense = MATRICES["few"]
    h = jnp.ones((5, 3), jnp.bfloat16)
    y, pull = jax.vjp(lambda values, h: product(matrix._replace(values=values), h), matrix.values, h)
    by_values, by_h = pull(y)
    assert (y.dtype, by_values.dtype, by_h.dtype) == (jnp.float32, jnp.float32, jnp.bfloat16)
    np.testing.assert_allclose(y, dense @ np.ones((5, 3)), rtol=1e-2, atol=1e-5)


def test_only_large_matrices_of_few_entries_are_compressed():
    large = np.zeros((256, 256), np.float32)
    large[::3, ::3] = 2
    assert isinstance(compressed(large), SparseMatrix)
    np.testing.assert_array_equal(to_dense(compressed(large)), large)
    for kept in (large + 1, large[:255]):
        assert compressed(kept) is kept


def test_matmul_takes_both_kinds():
    matrix, dense = MATRICES["few"]
    kernel = rng.normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(matmul(matrix, kernel), matmul(jnp.asarray(dense), kernel), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([0, 3], [0, 0], r"rows: got 3 at entry 1, allowed are 0 to 2"),
        ([0, 1], [-1, 0], r"columns: got -1 at entry 0, allowed are 0 to 1"),
        ([0], [0, 1], r"rows: got shape \(1,\), wanted \[E\]"),
    ],
)
def test_entries_must_be_inside(rows, columns, message):
    with pytest.raises(ValueError, match=message):
        sparse_matrix(np.array(rows), np.array(columns), np.ones(2, np.float32), (3, 2))


def test_neighbour_sum_is_the_product_with_the_adjacency_matrix():
    senders, receivers = rng.integers(0, 6, (2, 15)).astype(np.int32)
    adjacency = np.zeros((6, 6), np.float32)
    np.add.at(adjacency, (receivers, senders), 1)
    x, cotangent = rng.normal(size=(2, 6, 3)).astype(np.float32)
    y, pull = jax.vjp(lambda x: neighbour_sum(x, senders, receivers), x)
    np.testing.assert_allclose(y, adjacency @ x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(pull(cotangent)[0], adjacency.T @ cotangent, rtol=1e-5, atol=1e-6)
    none = np.array([], np.int32)
    np.testing.assert_array_equal(neighbour_sum(x, none, none), np.zeros_like(x))
