"""Spectral norms against the singular values of NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.spectral_norm import SpectralConv, SpectralDense, power_iteration


def test_power_iteration_finds_the_greatest_singular_value_and_its_gradient():
    matrix = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    left, values, right = np.linalg.svd(matrix)

    def sigma(matrix):
        return power_iteration(matrix, jnp.ones(5), steps=60)

    (found, u), gradient = jax.value_and_grad(sigma, has_aux=True)(matrix)
    np.testing.assert_allclose(found, values[0], rtol=1e-5)
    np.testing.assert_allclose(np.abs(u @ right[0]), 1.0, rtol=1e-5)
    np.testing.assert_allclose(gradient, np.outer(left[:, 0], right[0]), atol=1e-3)


@pytest.mark.parametrize(
    ("layer", "shape"), [(SpectralDense(6), (3, 5)), (SpectralConv(6, kernel=4, stride=2), (2, 8, 8, 3))]
)
def test_a_layer_in_training_comes_to_have_norm_one_and_otherwise_stays(layer, shape):
    x = jax.random.normal(jax.random.key(1), shape)
    variables = layer.init(jax.random.key(0), x)
    kernel = variables["params"]["kernel"]
    variables = {**variables, "params": {**variables["params"], "kernel": 5.0 * kernel}}
    before = variables["spectral"]
    for _ in range(30):
        y, updated = layer.apply(variables, x, train=True, mutable=["spectral"])
        variables = {**variables, **updated}
    assert not np.allclose(before["u"], variables["spectral"]["u"])
    norm = np.linalg.norm(5.0 * np.asarray(kernel).reshape(-1, 6), 2)
    unit = layer.apply({**variables, "params": {**variables["params"], "kernel": 5.0 * kernel / norm}}, x)
    np.testing.assert_allclose(y, unit, rtol=1e-2, atol=1e-2)  # what has norm one already is left as it is
    still, updated = layer.apply(variables, x, mutable=["spectral"])
    np.testing.assert_allclose(still, y, rtol=1e-2, atol=1e-2)
    np.testing.assert_array_equal(updated["spectral"]["u"], variables["spectral"]["u"])
