import jax
import numpy as np
import pytest
from scipy.linalg import hilbert
from sklearn.datasets import load_digits

from mlr_jax.foundations.svd import svd

rng = np.random.default_rng(0)
TALL = rng.normal(size=(6, 4))
KINDS = {
    "random": TALL,
    "rank two": TALL[:, :2] @ rng.normal(size=(2, 4)),
    "zero": np.zeros((6, 4)),
    "repeated": np.linalg.qr(TALL).Q * 3,
    "zero column": TALL * np.array([[1.0, 0, 1, 1]]),
    "equal columns": np.ones((6, 4)),
    "ill-conditioned": hilbert(6)[:, :4],
    "huge": TALL * 1e30,
    "tiny": TALL * 1e-30,
}


every = jax.jit(jax.vmap(svd))


def one(a):
    """Of one matrix, without compiling for another shape."""
    padded = np.zeros((len(KINDS), 6, 4), a.dtype)
    padded[0, : a.shape[0], : a.shape[1]] = a
    return [np.asarray(leaf)[0] for leaf in every(padded)]


def test_it_equals_numpy_on_matrices_of_all_kinds(dtype):
    stack = np.stack(list(KINDS.values())).astype(dtype)
    u, s, vh, sweeps, converged = map(np.asarray, every(stack))
    assert s.dtype == dtype
    assert converged.all()
    assert (sweeps <= 12).all()
    eps = 50 * np.finfo(dtype).eps
    scale = np.maximum(np.abs(stack).max(axis=(1, 2)), 1e-37)[:, None]
    expected = np.linalg.svd(stack.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(s / scale, expected / scale, atol=eps)
    assert (np.diff(s, axis=1) <= eps * scale).all()
    np.testing.assert_allclose((u * (s / scale)[:, None]) @ vh, stack / scale[..., None], atol=eps)
    identity = np.broadcast_to(np.eye(4), vh.shape)
    np.testing.assert_allclose(np.swapaxes(u, 1, 2) @ u, identity, atol=eps)
    np.testing.assert_allclose(vh @ np.swapaxes(vh, 1, 2), identity, atol=eps)


def test_small_singular_values_keep_their_digits(x64):
    graded = (TALL * np.array([[1.0, 1e-5, 1e-10, 1e-15]])).astype(np.float32)
    truth = np.linalg.svd(TALL / np.linalg.norm(TALL, axis=0), compute_uv=False)
    assert truth[0] / truth[-1] < 10
    exact = one(graded.astype(np.float64))[1]
    np.testing.assert_allclose(one(graded)[1], exact, rtol=1e-5)


def test_it_sees_what_the_gram_matrix_no_longer_holds():
    a = np.array([[1, 1], [1e-4, 0], [0, 1e-4]], np.float32)  # (Läuchli, 1961)
    np.testing.assert_array_equal(a.T @ a, np.ones((2, 2), np.float32))
    np.testing.assert_allclose(one(a)[1][:2], [np.sqrt(2), 1e-4], rtol=2e-3)


@pytest.mark.parametrize("shape", [(2, 3), (3, 1), (1, 1)])
def test_wide_matrices_rows_and_columns(shape):
    a = rng.normal(size=shape).astype(np.float32)
    u, s, vh, *_ = jax.jit(svd)(a)
    assert u.shape == (shape[0], min(shape))
    np.testing.assert_allclose(s, np.linalg.svd(a, compute_uv=False), rtol=1e-5)
    np.testing.assert_allclose((u * s[None]) @ vh, a, atol=1e-5)


def test_the_first_terms_are_the_best_approximation_of_a_digit():
    digit = load_digits().images[0][1:7, 2:6].astype(np.float32)
    u, s, vh, *_ = one(digit)
    two = (u[:, :2] * s[None, :2]) @ vh[:2]
    np.testing.assert_allclose(np.linalg.norm(digit - two) ** 2, np.sum(s[2:] ** 2), rtol=1e-4)


def test_no_sweeps_do_not_converge_and_complex_matrices_are_refused():
    assert not jax.jit(lambda a: svd(a, max_sweeps=0))(TALL.astype(np.float32)).converged
    with pytest.raises(ValueError, match="dtype complex64, wanted a real matrix"):
        svd(TALL.astype(np.complex64))
