"""The dual solver beside libsvm and a general quadratic solver, by its optimality conditions, and by its memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize
from sklearn.datasets import make_classification
from sklearn.svm import SVC

from mlr_jax.classical.dual_solver import Problem, solve
from mlr_jax.ops.kernels import gram, linear, polynomial, rbf

SIZE, GAMMA = 600, 0.05


@pytest.fixture(scope="module")
def rows():
    """Two classes that overlap."""
    x, y = make_classification(SIZE, 12, n_informative=6, flip_y=0.1, random_state=0)
    return x, np.where(y > 0, 1.0, -1.0)


def problem_of(x, y, C):
    C = np.broadcast_to(C, y.shape)
    arrays = (x, y, np.minimum(0, C * y), np.maximum(0, C * y))
    return Problem(*map(jnp.asarray, arrays), jnp.int32(len(y)))


solve_rbf = jax.jit(
    lambda problem, tolerance, **sizes: solve(partial(gram, rbf(), gamma=GAMMA), problem, tolerance, **sizes),
    static_argnames=("working_set", "block_size", "max_iterations"),
)


def assert_optimal(kernel_matrix, problem, solution, tolerance):
    """No residual that may rise exceeds one that may fall, with the residual computed anew."""
    beta, lower, upper = (np.asarray(a) for a in (solution.coefficients, problem.lower, problem.upper))
    residual = np.asarray(problem.target) - kernel_matrix @ beta
    np.testing.assert_allclose(solution.residual, residual, atol=1e-9)
    assert ((lower <= beta) & (beta <= upper)).all()
    assert abs(beta.sum()) < 1e-10 * np.abs(beta).sum()
    gap = residual[beta < upper].max() - residual[beta > lower].min()
    np.testing.assert_allclose(solution.gap, gap, atol=1e-9)
    assert gap <= tolerance


@pytest.mark.parametrize("working_set", [4, 20, 64, 512])
@pytest.mark.parametrize("C", [0.1, 10.0])
def test_the_solution_is_optimal_and_as_good_as_that_of_libsvm(rows, C, working_set):
    x, y = rows
    tolerance = 1e-3 if working_set > 4 else 1e-1
    with jax.enable_x64(True):
        kernel_matrix = np.asarray(gram(rbf(), jnp.array(x), jnp.array(x), GAMMA))
        problem = problem_of(x, y, C)
        solution = solve_rbf(problem, tolerance, working_set=working_set, block_size=200)
        assert_optimal(kernel_matrix, problem, solution, tolerance)
    peer = SVC(C=C, gamma=GAMMA, tol=tolerance).fit(x, y)
    beta = np.zeros(SIZE)
    beta[peer.support_] = peer.dual_coef_[0]
    ours, theirs = (0.5 * b @ kernel_matrix @ b - y @ b for b in (np.asarray(solution.coefficients), beta))
    assert ours <= theirs + 1e-5 * abs(theirs) * (tolerance / 1e-3)


def test_a_tighter_tolerance_is_reached():
    x, y = make_classification(300, 5, random_state=1)
    with jax.enable_x64(True):
        problem = problem_of(x, np.where(y > 0, 1.0, -1.0), 1.0)
        kernel_matrix = np.asarray(gram(rbf(), problem.x, problem.x, GAMMA))
        for working_set in (64, 512):
            solution = solve_rbf(problem, 1e-10, working_set=working_set)
            assert_optimal(kernel_matrix, problem, solution, 1e-10)


def test_a_general_solver_finds_the_same_minimum():
    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(25, 3)), rng.normal(size=25)
    lower, upper = -rng.uniform(0, 2, 25), rng.uniform(0, 2, 25)
    with jax.enable_x64(True):
        problem = Problem(*map(jnp.array, (x, target, lower, upper)), jnp.int32(25))
        beta = np.asarray(solve_rbf(problem, 1e-9).coefficients)
        kernel_matrix = np.asarray(gram(rbf(), problem.x, problem.x, GAMMA))
    reference = minimize(
        lambda b: 0.5 * b @ kernel_matrix @ b - target @ b, np.zeros(25), jac=lambda b: kernel_matrix @ b - target,
        bounds=list(zip(lower, upper, strict=True)), constraints=LinearConstraint(np.ones(25), 0, 0),
        method="SLSQP", options={"ftol": 1e-13, "maxiter": 500},
    )  # fmt: skip
    np.testing.assert_allclose(beta, reference.x, atol=1e-4)


@pytest.mark.parametrize("working_set", [32, 512])
def test_rows_behind_num_rows_take_no_part(rows, working_set):
    x, y = rows
    with jax.enable_x64(True):
        part = solve_rbf(problem_of(x[:350], y[:350], 1.0), 1e-6, working_set=working_set, block_size=100)
        blank = problem_of(np.where(np.arange(SIZE)[:, None] < 350, x, 1e3), y, np.where(np.arange(SIZE) < 350, 1.0, 0))
        padded = solve_rbf(blank._replace(num_rows=jnp.int32(350)), 1e-6, working_set=working_set, block_size=100)
        np.testing.assert_allclose(padded.coefficients[:350], part.coefficients, atol=1e-4)
        assert (padded.coefficients[350:] == 0).all()


def test_memory_is_linear_in_the_rows():
    def temporary_bytes(size):
        row = jax.ShapeDtypeStruct((size,), jnp.float32)
        shapes = Problem(
            jax.ShapeDtypeStruct((size, 20), jnp.float32), row, row, row, jax.ShapeDtypeStruct((), jnp.int32)
        )
        compiled = solve_rbf.lower(shapes, 1e-3).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    small, large = temporary_bytes(100_000), temporary_bytes(400_000)
    assert small < 4 * 100_000**2 / 500
    assert large < 4 * small


def test_many_prices_side_by_side_are_each_alone(rows):
    x, y = rows
    x, y = x[:200], y[:200]
    with jax.enable_x64(True):
        solve_small = jax.jit(lambda C: solve_rbf(problem_of_traced(x, y, C), 1e-8, working_set=48))
        together = jax.jit(jax.vmap(solve_small))(jnp.array([0.1, 1.0, 30.0]))
        for index, C in enumerate([0.1, 1.0, 30.0]):
            alone = solve_small(jnp.array(C))
            np.testing.assert_allclose(together.coefficients[index], alone.coefficients, atol=1e-5)


def problem_of_traced(x, y, C):
    x, y = jnp.array(x), jnp.array(y)
    return Problem(x, y, jnp.minimum(0, C * y), jnp.maximum(0, C * y), jnp.int32(len(y)))


@pytest.mark.parametrize("kernel", [linear(), polynomial(2)])
def test_rows_that_are_all_alike_do_not_stop_it(kernel):
    x, y = np.zeros((40, 3)), np.where(np.arange(40) < 15, 1.0, -1.0)
    with jax.enable_x64(True):
        solution = solve(partial(gram, kernel, gamma=1.0, coef0=0.0), problem_of(x, y, 1.0), 1e-6)
    # Nothing can be told apart: the smaller class is wrong everywhere, each at its full price.
    beta = np.asarray(solution.coefficients)
    np.testing.assert_allclose(beta[:15], 1.0)
    np.testing.assert_allclose(beta.sum(), 0, atol=1e-12)
    assert float(solution.gap) <= 1e-6


def test_it_ends_after_so_many_iterations_and_says_what_is_missing(rows):
    x, y = rows
    solution = solve_rbf(
        problem_of(x.astype(np.float32), y.astype(np.float32), 10.0), 1e-3, working_set=16, max_iterations=3
    )
    assert solution.iterations == 3
    assert solution.gap > 1e-3


def test_it_ends_where_float32_allows_no_further_step(rows):
    x, y = rows
    problem = problem_of(x[:150].astype(np.float32), y[:150].astype(np.float32), 1e3)
    solution = solve_rbf(problem, 0.0, max_iterations=20)
    assert 0 <= solution.gap < 1e-2
