import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from mlr_jax.ops.gelu import gelu

X = np.concatenate([np.linspace(-12, 12, 2001), [0.0, -1e30, 1e30]])


def test_it_is_x_times_the_normal_distribution_and_so_is_its_slope():
    x = jnp.asarray(X, jnp.float32)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(gelu(x), exact * stats.norm.cdf(exact), rtol=1e-6, atol=2e-6)
    slope = stats.norm.cdf(exact) + exact * stats.norm.pdf(exact)
    np.testing.assert_allclose(jax.vmap(jax.grad(gelu))(x), slope, rtol=1e-6, atol=2e-6)


def test_what_comes_in_half_precision_goes_out_so():
    assert gelu(jnp.ones(3, jnp.bfloat16)).dtype == jnp.bfloat16
