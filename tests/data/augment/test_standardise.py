import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.types import Task
from mlr_jax.data.augment import channel_moments, standardise, standardised

IMAGES = np.random.default_rng(0).random((1500, 3, 4, 3)).astype(np.float32) * np.float32([1, 0.1, 0]) + 5


def test_channels_have_mean_zero_and_variance_one():
    mean, std = channel_moments(IMAGES)
    np.testing.assert_allclose(mean, IMAGES.astype(np.float64).mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(std, [*IMAGES[..., :2].astype(np.float64).std((0, 1, 2)), 1], rtol=1e-5)
    x = np.asarray(standardised(jnp.asarray(IMAGES), mean, std))
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(x.std((0, 1, 2)), [1, 1, 0], atol=1e-4)
    assert standardised(jnp.zeros((2, 3), jnp.bfloat16), mean, std).dtype == jnp.bfloat16


def test_loss_and_evaluation_see_the_same():
    def loss(variables, batch, key, hypers):
        return jnp.zeros(()), (variables, {"x": batch["x"], "y": batch["y"]})

    mean, std = channel_moments(IMAGES)
    task = standardise(Task(lambda key: {}, loss, lambda variables, batch: batch), mean, std)
    batch = {"x": jnp.asarray(IMAGES[:4]), "y": jnp.arange(4)}
    expected = standardised(batch["x"], mean, std)
    for seen in (task.loss({}, batch, jax.random.key(0), ())[1][1], task.evaluate({}, batch)):
        np.testing.assert_array_equal(seen["x"], expected)
        np.testing.assert_array_equal(seen["y"], batch["y"])
