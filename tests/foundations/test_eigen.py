import jax
import numpy as np
import pytest
from scipy.linalg import hilbert
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA

from mlr_jax.classical import pca
from mlr_jax.foundations.eigen import eigenvalues, eigh, power_iteration, schur, subspace_iteration

rng = np.random.default_rng(0)
WINE = load_wine().data
WINE = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0, ddof=1)
WINE = WINE[:, :6]
COVARIANCE = WINE.T @ WINE / (len(WINE) - 1)
BASIS = np.linalg.qr(rng.normal(size=(6, 6))).Q


def with_values(*values):
    """A symmetric matrix of these eigenvalues."""
    return BASIS @ np.diag(values) @ BASIS.T


def distance(first, second):
    """Of two sets of complex numbers: the largest gap between partners, matched as well as can be."""
    gaps = np.abs(np.asarray(first)[:, None] - np.asarray(second)[None, :])
    return gaps[linear_sum_assignment(gaps)].max()


def test_power_iteration_finds_the_first_principal_axis_of_wine(x64):
    found = jax.jit(power_iteration)(COVARIANCE, jax.random.key(0), tolerance=1e-10)
    values, vectors = np.linalg.eigh(COVARIANCE)
    assert found.converged
    np.testing.assert_allclose(found.values, values[-1], rtol=1e-12)
    np.testing.assert_allclose(np.abs(found.vectors @ vectors[:, -1]), 1.0, rtol=1e-12)
    rate = np.log(values[-2] / values[-1])  # of the residual's fall
    assert abs(found.iterations - np.log(1e-10) / rate) < 10


def test_power_iteration_on_matrices_of_all_kinds():
    matrices = {
        "negative": with_values(-5, 1, 2, 3, 3, 0),
        "repeated": with_values(4, 4, 1, 0, 0, 0),
        "zero": np.zeros((6, 6)),
        "not symmetric": np.triu(np.ones((6, 6))) + np.diag([9.0, 1, 2, 3, 4, 5]),
        "two signs": with_values(3, -3, 1, 0, 0, 0),
        "rotation": np.kron(np.eye(3), [[0, -1], [1, 0]]),
    }
    stack = np.stack(list(matrices.values())).astype(np.float32)
    run = jax.jit(jax.vmap(lambda a: power_iteration(a, jax.random.key(1), max_iterations=500)))
    found = dict(zip(matrices, zip(*map(np.asarray, run(stack)), strict=True), strict=True))
    expected = {"negative": -5, "repeated": 4, "zero": 0, "not symmetric": 10}
    for name, matrix in matrices.items():
        value, vector, iterations, converged = found[name]
        assert converged == (name in expected)
        np.testing.assert_allclose(np.linalg.norm(vector), 1.0, rtol=1e-5)
        if converged:
            np.testing.assert_allclose(value, expected[name], rtol=1e-4)
            residual = matrix @ vector - expected[name] * vector
            np.testing.assert_allclose(residual, np.zeros(6), atol=1e-3)
        else:
            assert iterations == 500


@jax.jit
def first_two(a):
    return subspace_iteration(a, jax.random.key(0), rank=2, tolerance=1e-10, max_iterations=300)


def test_subspace_iteration_equals_the_principal_components_of_scikit_learn_and_of_production(x64):
    found = first_two(COVARIANCE)
    assert found.converged
    theirs = PCA(2).fit(WINE)
    np.testing.assert_allclose(found.values, theirs.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(np.abs(theirs.components_ @ found.vectors), np.eye(2), atol=1e-8)
    production = jax.jit(lambda x: pca.fit(pca.Hypers(), x, num_components=2))(WINE)
    np.testing.assert_allclose(found.values, production.variance, rtol=1e-10)
    np.testing.assert_allclose(np.abs(production.components @ found.vectors), np.eye(2), atol=1e-8)


def test_subspace_iteration_is_not_stopped_by_ties_inside_but_by_those_at_its_edge(x64):
    inside = first_two(with_values(3, -3, 1, 0, 0, 0))
    assert inside.converged
    np.testing.assert_allclose(np.sort(inside.values), [-3, 3], rtol=1e-5)
    assert not first_two(with_values(3, 2, -2, 0, 0, 0)).converged
    with pytest.raises(ValueError, match="rank: got 7, allowed are 1 to 6"):
        subspace_iteration(BASIS, jax.random.key(0), rank=7)


SYMMETRIC = {
    "random": with_values(*rng.normal(size=6)),
    "repeated": with_values(2, 2, 2, -1, -1, 5),
    "identity": np.eye(6),
    "zero": np.zeros((6, 6)),
    "rank one": np.ones((6, 6)),
    "exchange": np.eye(6)[::-1].copy(),
    "graded": with_values(1, 1e-3, 1e-6, 1e-9, 1e-12, 0),
    "hilbert": hilbert(6),
    "huge": with_values(1, 2, 3, 4, 5, 6) * 1e200,
    "not symmetric": rng.normal(size=(6, 6)),  # its symmetric part counts
    "path": np.diag(np.ones(5), 1) + np.diag(np.ones(5), -1),
}


def test_eigh_equals_numpy_on_symmetric_matrices_of_all_kinds(dtype):
    eps = np.finfo(dtype).eps
    names = [name for name in SYMMETRIC if dtype == "float64" or name != "huge"]
    stack = np.stack([SYMMETRIC[name] for name in names]).astype(dtype)
    values, vectors, iterations, converged = map(np.asarray, jax.jit(jax.vmap(eigh))(stack))
    assert values.dtype == dtype
    assert converged.all()
    assert (iterations <= 20).all()
    stack = (stack + stack.swapaxes(1, 2)) / 2
    scale = np.maximum(np.abs(stack).max(axis=(1, 2)), 1e-30)[:, None]
    expected = np.linalg.eigvalsh(stack.astype(np.float64))
    np.testing.assert_allclose(values / scale, expected / scale, atol=30 * eps)
    images = (stack / scale[..., None]) @ vectors
    np.testing.assert_allclose(images, vectors * (values / scale)[:, None, :], atol=30 * eps)
    products = np.swapaxes(vectors, 1, 2) @ vectors
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(6), products.shape), atol=30 * eps)


GENERAL = {
    "real": rng.normal(size=(6, 6)),
    "complex": rng.normal(size=(6, 6)) + 1j * rng.normal(size=(6, 6)),
    "hermitian": with_values(1, 2, 3, 4, 5, 6) + 1j * (np.triu(np.ones((6, 6)), 1) - np.tril(np.ones((6, 6)), -1)),
    "roots of x^6 = 1": np.roll(np.eye(6), 1, axis=0),
    "rotations": np.kron(np.diag([1.0, 2, 3]), [[0, -1], [1, 0]]),
    "triangular": np.triu(rng.normal(size=(6, 6))),
    "zero": np.zeros((6, 6)),
}


def test_the_schur_form_of_a_complex_matrix_is_triangular_and_similar(x64):
    stack = np.stack(list(GENERAL.values()))
    q, t, iterations, converged = map(np.asarray, jax.jit(jax.vmap(schur))(stack))
    assert converged.all()
    assert (iterations <= 35).all()
    np.testing.assert_allclose(t, np.triu(t), atol=1e-13)
    np.testing.assert_allclose(q @ t @ np.conj(q).swapaxes(1, 2), stack, atol=1e-13)
    np.testing.assert_allclose(np.diag(t[2]).imag, np.zeros(6), atol=1e-13)
    for form, a in zip(t, stack, strict=True):
        assert distance(np.diag(form), np.linalg.eigvals(a)) < 1e-12


def test_eigenvalues_of_real_matrices_are_complex_and_nan_where_not_found():
    defective = BASIS @ (2 * np.eye(6) + np.diag([1.0, 0, 0, 0, 0], 1)) @ BASIS.T
    nothing = np.full((6, 6), np.nan)
    stack = np.stack([GENERAL["real"], GENERAL["rotations"], defective, nothing, GENERAL["real"]]).astype(np.float32)
    run = jax.jit(jax.vmap(lambda a, limit: eigenvalues(a, max_iterations=limit)))
    found = np.asarray(run(stack, np.array([180, 180, 180, 180, 2])))
    assert found.dtype == np.complex64
    for values, a in zip(found[:2], stack, strict=False):
        assert distance(values, np.linalg.eigvals(a)) < 1e-4
    np.testing.assert_allclose(found[2], np.full(6, 2.0), atol=2e-3)  # the root of the precision is all there is
    assert np.isnan(found[3:]).all()  # and too few iterations are told
