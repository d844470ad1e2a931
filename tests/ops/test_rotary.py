import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.rotary import rotate

rng = np.random.default_rng(0)
X = rng.normal(size=(2, 5, 3, 8)).astype(np.float32)
POSITIONS = np.array([[0, 1, 2, 3, 4], [7, 0, 100, 3, 3]])


def test_each_pair_is_a_complex_number_turned_by_its_angle():
    turned = rotate(jnp.asarray(X), jnp.asarray(POSITIONS))
    rates = 10_000.0 ** (-np.arange(4) / 4)
    complex_ = (X[..., :4] + 1j * X[..., 4:]) * np.exp(1j * POSITIONS[:, :, None, None] * rates)
    np.testing.assert_allclose(turned, np.concatenate([complex_.real, complex_.imag], -1), rtol=1e-4, atol=1e-5)


def test_products_depend_on_the_distance_alone():
    q, k = jnp.asarray(X[:, :1]), jnp.asarray(X[:, 1:2])
    products = [
        jnp.sum(rotate(q, jnp.array([[5 + shift]])) * rotate(k, jnp.array([[2 + shift]])), axis=-1) for shift in (0, 40)
    ]
    np.testing.assert_allclose(products[0], products[1], rtol=1e-3, atol=1e-4)


def test_an_odd_head_is_an_error():
    with pytest.raises(ValueError, match="must be even"):
        rotate(jnp.zeros((1, 1, 1, 3)), jnp.zeros((1, 1)))
