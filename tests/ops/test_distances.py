import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from mlr_jax.ops.distances import euclidean, manhattan, pairwise, pairwise_squared_euclidean, squared_euclidean

RNG = np.random.default_rng(0)
X, Z = RNG.normal(size=(7, 5)), RNG.normal(size=(4, 5))


@pytest.mark.parametrize(
    ("metric", "name"), [(euclidean, "euclidean"), (squared_euclidean, "sqeuclidean"), (manhattan, "cityblock")]
)
def test_every_pair_has_the_distance_that_scipy_gives_it(metric, name):
    with jax.enable_x64(True):
        np.testing.assert_allclose(pairwise(metric, jnp.array(X), jnp.array(Z)), cdist(X, Z, name), rtol=1e-12)


def test_the_product_form_agrees_with_the_differences():
    with jax.enable_x64(True):
        found = pairwise_squared_euclidean(jnp.array(X), jnp.array(Z))
        np.testing.assert_allclose(found, cdist(X, Z, "sqeuclidean"), rtol=1e-10)


def test_the_product_form_is_never_negative():
    x = jnp.array(1000 + RNG.normal(size=(50, 3)), jnp.float32)
    assert pairwise_squared_euclidean(x, x).min() >= 0


def test_the_gradient_of_the_euclidean_distance_is_a_unit_vector_and_zero_at_zero():
    gradient = jax.grad(euclidean)
    np.testing.assert_allclose(gradient(jnp.array([3.0, 4.0]), jnp.zeros(2)), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(gradient(jnp.ones(2), jnp.ones(2)), [0.0, 0.0])
