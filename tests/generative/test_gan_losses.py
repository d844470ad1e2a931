"""Losses at known scores, penalties of critics whose slope is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.generative.gan_losses import (
    flat,
    flat_at_real,
    hinge,
    non_saturating,
    relativistic,
    slopes,
    unit_slope,
    wasserstein,
)

real, fake = np.array([2.0, -0.5]), np.array([-3.0, 0.5])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("loss", "of_critic", "of_generator"),
    [
        (non_saturating, -np.log(sigmoid(real)) - np.log(1 - sigmoid(fake)), -np.log(sigmoid(fake))),
        (relativistic, -np.log(sigmoid(real - fake)), -np.log(sigmoid(fake - real))),
        (hinge, np.array([0.0, 1.5 + 1.5]), -fake),
        (wasserstein, fake - real, -fake),
    ],
)
def test_losses_are_those_of_their_papers(loss, of_critic, of_generator):
    np.testing.assert_allclose(loss.critic(jnp.array(real), jnp.array(fake)), of_critic, rtol=1e-5)
    np.testing.assert_allclose(loss.generator(jnp.array(real), jnp.array(fake)), of_generator, rtol=1e-5)


x, made = jax.random.normal(jax.random.key(0), (2, 5, 3))
key = jax.random.key(1)


def test_a_linear_critic_pays_for_the_length_of_its_weights():
    w = jnp.array([2.0, 0.0, -1.0])
    length = 5**0.5
    penalty = unit_slope(lambda x: x @ w, x, made, key)
    np.testing.assert_allclose(penalty.slope, np.full(5, length), rtol=1e-5)
    np.testing.assert_allclose(penalty.value, np.full(5, (length - 1) ** 2), rtol=1e-5)
    np.testing.assert_allclose(flat_at_real(lambda x: x @ w, x, made, key).value, np.full(5, 2.5), rtol=1e-5)


def test_slopes_are_looked_at_between_real_and_made_or_at_real_rows():
    def score(x):
        return 0.5 * jnp.sum(x**2, axis=1)  # its slope at x is |x|

    np.testing.assert_allclose(flat_at_real(score, x, made, key).slope, np.linalg.norm(x, axis=1), rtol=1e-5)
    both = flat(score, x, made, key)
    squares = np.sum(np.square(x), axis=1) + np.sum(np.square(made), axis=1)
    np.testing.assert_allclose(both.value, 0.5 * squares, rtol=1e-5)
    between = unit_slope(lambda x: x[:, 0] ** 2 / 2, jnp.full((200, 1), 3.0), jnp.full((200, 1), 1.0), key).slope
    assert 1.0 <= between.min() < 1.1
    assert 2.9 < between.max() <= 3.0


def test_a_critic_without_slope_can_be_differentiated():
    def mean_slope(scale):
        return jnp.sum(slopes(lambda x: scale * x[:, 0], x))

    assert np.isfinite(jax.grad(mean_slope)(0.0))
