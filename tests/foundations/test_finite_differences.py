import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess

from mlr_jax.foundations.finite_differences import gradient, hessian, jacobian

X = np.array([-1.2, 1.0, 0.3, 2.0])


def rosenbrock(x):
    return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def vector(x):
    return jnp.stack([x[0] * x[1], jnp.sin(x[2]), jnp.exp(x[3] - x[0])])


def relative_error(found, expected):
    return np.max(np.abs(np.asarray(found) - expected)) / np.max(np.abs(expected))


def test_derivatives_equal_those_of_scipy_to_the_promised_digits(dtype):
    digits = {"float32": (3e-4, 5e-3, 2e-2), "float64": (1e-9, 1e-7, 1e-6)}[dtype]
    x = jnp.asarray(X, dtype)
    np.testing.assert_allclose(rosenbrock(x), rosen(X), rtol=1e-6)
    central = jax.jit(gradient(rosenbrock))(x)
    forward = jax.jit(gradient(rosenbrock, central=False))(x)
    second = np.asarray(jax.jit(hessian(rosenbrock))(x))
    assert central.dtype == dtype
    assert relative_error(central, rosen_der(X)) < digits[0]
    assert relative_error(forward, rosen_der(X)) < digits[1]
    assert relative_error(second, rosen_hess(X)) < digits[2]
    np.testing.assert_allclose(second, second.T, atol=digits[2] * 1e3)


def test_a_jacobian_has_a_row_for_each_output(x64):
    np.testing.assert_allclose(jax.jit(jacobian(vector))(X), jax.jacfwd(vector)(X), atol=1e-8)


def test_halving_the_step_halves_the_error_or_quarters_it(x64):
    forward = jax.jit(lambda step: gradient(rosenbrock, step=step, central=False)(X))
    central = jax.jit(lambda step: gradient(rosenbrock, step=step)(X))
    second = jax.jit(lambda step: hessian(rosenbrock, step=step)(X))
    for derivative, exact, factor in [(forward, rosen_der, 2.0), (central, rosen_der, 4.0), (second, rosen_hess, 4.0)]:
        errors = [relative_error(derivative(step), exact(X)) for step in (2e-3, 1e-3)]
        np.testing.assert_allclose(errors[0] / errors[1], factor, rtol=0.01)


def test_steps_follow_the_size_of_x_and_integers_are_points_too():
    slope = jax.jit(gradient(lambda x: jnp.sum(x**2)))
    np.testing.assert_allclose(slope(np.array([1e6, -1e6], np.float32)), [2e6, -2e6], rtol=1e-3)
    np.testing.assert_allclose(slope(np.array([1, -2])), [2, -4], rtol=1e-3)
    with pytest.raises(ValueError, match=r"x: got shape \(2, 1\), wanted \[N\]"):
        gradient(jnp.sum)(np.zeros((2, 1)))


def test_points_can_be_vmapped():
    points = jnp.asarray(np.stack([X, X + 1]), jnp.float32)
    found = jax.jit(jax.vmap(gradient(rosenbrock)))(points)
    expected = np.stack([rosen_der(X), rosen_der(X + 1)])
    assert relative_error(found, expected) < 1e-3
