import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.foundations.qr import as_matrix, hessenberg, qr, reflect_columns, reflect_rows, reflector

rng = np.random.default_rng(0)
TALL, WIDE, SQUARE = rng.normal(size=(6, 4)), rng.normal(size=(4, 6)), rng.normal(size=(5, 5))
COMPLEX = SQUARE + 1j * rng.normal(size=(5, 5))
EDGES = {
    "zero": np.zeros((4, 4)),
    "repeated columns": np.repeat(TALL[:4, :2], 2, axis=1),
    "zero column": SQUARE[:4, :4] * np.array([[1.0, 0, 1, 1]]),
    "triangular": np.triu(SQUARE)[:4, :4],
    "huge": SQUARE[:4, :4] * 1e30,
    "tiny": SQUARE[:4, :4] * 1e-30,
}


def dagger(a):
    return np.conj(np.asarray(a)).T


@pytest.mark.parametrize("a", [TALL, WIDE, SQUARE], ids=["tall", "wide", "square"])
def test_it_equals_lapack_signs_included(a, x64):
    q, r = jax.jit(qr)(a)
    expected_q, expected_r = np.linalg.qr(a)
    np.testing.assert_allclose(q, expected_q, atol=1e-13)
    np.testing.assert_allclose(r, expected_r, atol=1e-13)


def test_a_complex_matrix_has_a_unitary_q(x64):
    q, r = jax.jit(qr)(COMPLEX)
    np.testing.assert_allclose(q @ r, COMPLEX, atol=1e-13)
    np.testing.assert_allclose(dagger(q) @ q, np.eye(5), atol=1e-13)
    np.testing.assert_array_equal(r, np.triu(r))


def test_rank_deficient_and_badly_scaled_matrices():
    stack = np.stack(list(EDGES.values())).astype(np.float32)
    q, r = map(np.asarray, jax.jit(jax.vmap(qr))(stack))
    scale = np.maximum(np.abs(stack).max(axis=(1, 2), keepdims=True), 1e-37)
    np.testing.assert_allclose(q @ (r / scale), stack / scale, atol=2e-6)
    np.testing.assert_allclose(q.transpose(0, 2, 1) @ q, np.broadcast_to(np.eye(4), q.shape), atol=2e-6)
    np.testing.assert_array_equal(q[3], np.eye(4))  # nothing to do


def test_one_row_and_one_column():
    for a in (np.array([[3.0, 4.0]], np.float32), np.array([[3.0], [4.0]], np.float32)):
        np.testing.assert_allclose(jax.jit(qr)(a).r, np.linalg.qr(a).R, rtol=1e-6)


def test_its_gradient_equals_that_of_jax(x64):
    weights = jnp.asarray(rng.normal(size=(6, 4)))

    def through(factors):
        return jnp.sum(factors[0] * weights) + jnp.sum(jnp.sin(factors[1]))

    ours = jax.jit(jax.grad(lambda a: through(qr(a))))(jnp.asarray(TALL))
    theirs = jax.jit(jax.grad(lambda a: through(jnp.linalg.qr(a))))(jnp.asarray(TALL))
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("a", [SQUARE, COMPLEX, SQUARE + SQUARE.T], ids=["real", "complex", "symmetric"])
def test_hessenberg_form(a, x64):
    q, h = jax.jit(hessenberg)(a)
    np.testing.assert_allclose(q @ h @ dagger(q), a, atol=1e-13)
    np.testing.assert_allclose(dagger(q) @ q, np.eye(5), atol=1e-13)
    np.testing.assert_array_equal(h, np.triu(h, -1))
    if np.allclose(a, dagger(a)):
        np.testing.assert_allclose(h, np.tril(h, 1), atol=1e-13)


def test_small_matrices_are_hessenberg_already():
    for size in (1, 2):
        a = SQUARE[:size, :size].astype(np.float32)
        np.testing.assert_array_equal(jax.jit(hessenberg)(a).h, a)


def test_a_reflection_zeroes_below_the_pivot_and_is_its_own_inverse():
    x = jnp.array([1.0, -2.0, 2.0, 4.0])
    v = jax.jit(reflector)(x, 1)
    np.testing.assert_allclose(reflect_rows(x[:, None], v)[:, 0], [1.0, np.sqrt(24), 0, 0], atol=1e-6)
    np.testing.assert_allclose(reflect_rows(reflect_rows(x[:, None], v), v)[:, 0], x, atol=1e-6)
    np.testing.assert_allclose(reflect_columns(x[None, :], v)[0], [1.0, np.sqrt(24), 0, 0], atol=1e-6)
    np.testing.assert_array_equal(jax.jit(reflector)(jnp.array([1.0, 2.0, 0.0, 0.0]), 1), np.zeros(4))


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"a: got shape \(3,\), wanted \[M, N\]"):
        qr(np.zeros(3))
    with pytest.raises(ValueError, match=r"wanted \[N, N\]"):
        hessenberg(np.zeros((3, 2)))
    assert as_matrix(np.array([[1, 2]])).dtype == jnp.float32
