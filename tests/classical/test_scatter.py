from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.classical import scatter as module
from mlr_jax.classical.scatter import scatter

rng = np.random.default_rng(0)


def by_numpy(x, weight):
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    mean = weight @ x / weight.sum()
    return weight.sum(), mean, ((x - mean) * weight[:, None]).T @ (x - mean)


@pytest.mark.parametrize("shape", [(1, 3), (10, 1), (31, 6), (32, 5), (33, 4), (100, 3)])
def test_it_equals_the_two_pass_formula_whatever_the_blocks(shape, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 32)
    x, weight = rng.normal(size=shape) + 3, rng.uniform(0, 2, shape[0])
    with jax.enable_x64(True):
        for ours, expected in zip(jax.jit(scatter)(jnp.array(x), jnp.array(weight)), by_numpy(x, weight), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", [np.arange, np.zeros], ids=["sorted", "as drawn"])
def test_in_float32_a_mean_far_from_zero_costs_no_digits(order):
    x = (rng.normal(size=(10_000, 3)) + 1000 + 1e-3 * order(10_000)[:, None]).astype(np.float32)
    weight = rng.integers(0, 3, 10_000).astype(np.float32)
    for ours, expected in zip(jax.jit(scatter)(x, weight), by_numpy(x, weight), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=1e-5 * np.abs(expected).max())


def test_it_can_be_vmapped_over_weights_and_differentiated(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 32)
    x, weights = jnp.array(rng.normal(size=(70, 3))), jnp.array(rng.uniform(size=(2, 70)))
    many = jax.jit(jax.vmap(scatter, (None, 0)))(x, weights)
    for i in range(2):
        jax.tree.map(
            partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5),
            tuple(value[i] for value in many),
            jax.jit(scatter)(x, weights[i]),
        )
    gradient = jax.jit(jax.grad(lambda x: jnp.trace(scatter(x, weights[0])[2])))(x)
    _, mean, _ = by_numpy(x, weights[0])
    np.testing.assert_allclose(gradient, 2 * weights[0][:, None] * (x - mean[None]), atol=1e-4)
