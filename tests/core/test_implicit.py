"""Derivatives of minimisers beside closed forms and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mlr_jax.core.implicit import implicit_minimum

A = np.array([[3.0, 1, 0], [1, 2, 0.5], [0, 0.5, 1]])
B = np.array([1.0, -2, 0.5])


def quadratic_minimum(scale, b):
    """The minimiser of x' (scale A) x / 2 - b' x, found outside of what is differentiated."""
    minimum = jnp.asarray(np.linalg.solve(A, B) / 2)
    return implicit_minimum(lambda x: scale * A @ x - b, minimum)


def softplus_minimum(p, precondition=None):
    """The minimiser of sum softplus(x) - p' x + |x|² / 2, by a loop that reverse mode could not pass."""

    def gradient(x):
        return jax.nn.sigmoid(x) - p + x

    fixed = lax.stop_gradient(p)
    start = jnp.zeros_like(p)
    found = lax.while_loop(
        lambda x: jnp.max(jnp.abs(jax.nn.sigmoid(x) - fixed + x)) > 1e-12,
        lambda x: x - 0.8 * (jax.nn.sigmoid(x) - fixed + x),
        start,
    )
    return implicit_minimum(gradient, found, precondition)


def test_the_jacobian_of_a_linear_system_is_the_closed_form_forward_and_backward():
    with jax.enable_x64(True):
        b = jnp.asarray(B)
        for jacobian in (jax.jacfwd, jax.jacrev):
            of_scale, of_b = jax.jit(jacobian(quadratic_minimum, (0, 1)))(2.0, b)
            np.testing.assert_allclose(of_b, np.linalg.inv(A) / 2, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(of_scale, -np.linalg.solve(A, B) / 4, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("precondition", [None, lambda v: v / 1.2])
def test_first_and_second_derivatives_agree_with_finite_differences(precondition):
    with jax.enable_x64(True):
        p, h = jnp.array([0.3, -1.0, 2.0]), 1e-5

        def loss(p):
            return jnp.sum(softplus_minimum(p, precondition) ** 3)

        value, gradient, hessian = jax.jit(loss), jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))(p)
        for j, step in enumerate(h * np.eye(3)):
            np.testing.assert_allclose(gradient(p)[j], (value(p + step) - value(p - step)) / (2 * h), rtol=1e-7)
            np.testing.assert_allclose(
                hessian[j], (gradient(p + step) - gradient(p - step)) / (2 * h), rtol=1e-6, atol=1e-8
            )


def test_vmap_of_the_gradient_is_the_gradient_of_each():
    gradient = jax.grad(lambda p: jnp.sum(softplus_minimum(p)))
    with jax.enable_x64(True):
        points = jnp.array([[0.3, -1.0], [2.0, 0.1]])
        each = [gradient(point) for point in points]
        np.testing.assert_allclose(jax.jit(jax.vmap(gradient))(points), each, rtol=1e-9)


def test_entries_held_fixed_have_no_derivative():
    with jax.enable_x64(True):
        is_free = jnp.array([True, False, True])

        def slope(x, b):
            free = jnp.where(is_free, x, 0.0)
            return jnp.where(is_free, A @ free - b, x)

        def minimum(b):
            inner = jnp.linalg.solve(A[::2, ::2], lax.stop_gradient(b)[::2])
            return implicit_minimum(lambda x: slope(x, b), jnp.zeros(3).at[::2].set(inner))

        expected = np.zeros((3, 3))
        expected[::2, ::2] = np.linalg.inv(A[::2, ::2])
        np.testing.assert_allclose(jax.jacrev(minimum)(jnp.asarray(B)), expected, rtol=1e-9, atol=1e-12)


def test_the_value_is_the_minimum_as_it_came():
    minimum = jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(implicit_minimum(lambda x: x, minimum), minimum)
