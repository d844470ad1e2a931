"""The multinomial loss beside automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical import multinomial

RNG = np.random.default_rng(0)


def rows_of(num_classes):
    x = RNG.normal(size=(12, 3))
    share = RNG.uniform(size=12)
    return multinomial.Rows(
        jnp.asarray(x),
        jnp.asarray(x**2),
        jnp.asarray(RNG.integers(0, num_classes, 12)),
        jnp.asarray(share / share.sum()),
    )


def loss(rows, theta, num_classes):
    logits = rows.x @ theta.T
    if num_classes == 2:
        logits = jnp.concatenate([jnp.zeros((12, 1)), logits], axis=1)
    log_probability = jax.nn.log_softmax(logits)
    return -jnp.sum(rows.share * log_probability[jnp.arange(12), rows.y])


@pytest.mark.parametrize("num_classes", [2, 4])
def test_value_gradient_and_curvature_are_those_of_automatic_differentiation(num_classes):
    with jax.enable_x64(True):
        rows = rows_of(num_classes)
        shape = (1 if num_classes == 2 else num_classes, 3)
        theta = jnp.asarray(RNG.normal(size=shape))
        found = multinomial.evaluate(rows, theta, num_classes)
        np.testing.assert_allclose(found.value, loss(rows, theta, num_classes), rtol=1e-12)
        expected = jax.grad(loss, 1)(rows, theta, num_classes)
        np.testing.assert_allclose(found.gradient, expected, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(multinomial.gradient(rows, theta, num_classes), expected, rtol=1e-10, atol=1e-14)
        size = theta.size
        hessian = jax.hessian(loss, 1)(rows, theta, num_classes).reshape(size, size)
        np.testing.assert_allclose(found.curvature.ravel(), jnp.diagonal(hessian), rtol=1e-10)


def test_large_logits_neither_overflow_nor_lose_the_loss():
    rows = multinomial.Rows(jnp.eye(2), jnp.eye(2), jnp.array([0, 1]), jnp.full(2, 0.5))
    theta = jnp.array([[1e4, 0.0], [0, -1e4], [0, 1e4]])
    found = multinomial.evaluate(rows, theta, 3)
    assert all(np.isfinite(leaf).all() for leaf in found)
    np.testing.assert_allclose(found.value, 1e4)
