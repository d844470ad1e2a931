"""The transposed convolution of networks: every pixel puts down a window."""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.nn.transposed_convolution import ConvTranspose


def test_every_pixel_puts_down_its_window_and_sides_are_doubled():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    layer = ConvTranspose(2, use_bias=True)
    params = layer.init(jax.random.key(0), x)["params"]
    params = {**params, "bias": jnp.array([1.0, -2.0])}
    kernel = np.asarray(params["kernel"])
    whole = np.zeros((2, 2 * 3 + 2, 2 * 5 + 2, 2))
    for i in range(3):
        for j in range(5):
            whole[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += np.einsum("bc,klco->bklo", x[:, i, j], kernel)
    y = layer.apply({"params": params}, x)
    assert y.shape == (2, 6, 10, 2)
    np.testing.assert_allclose(y, whole[:, 1:-1, 1:-1] + np.array([1.0, -2.0]), rtol=1e-4, atol=1e-4)


def test_it_is_computed_in_the_type_asked_for():
    layer = ConvTranspose(2, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), jnp.zeros((1, 2, 2, 3)))
    assert variables["params"]["kernel"].dtype == jnp.float32
    assert layer.apply(variables, jnp.zeros((1, 2, 2, 3))).dtype == jnp.bfloat16
