"""Adversarial networks for images: sizes, pixels, classes, padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.dcgan import DCGANCritic, DCGANGenerator, DenseCritic

z = jax.random.normal(jax.random.key(1), (4, 5))
y = jnp.array([0, 1, 2, 0])


def test_images_have_the_shape_asked_for_and_pixels_between_0_and_1():
    generator = DCGANGenerator((6, 4), (9, 10, 3), classes=3)
    variables = generator.init(jax.random.key(0), z, y)
    images = generator.apply(variables, 30.0 * z, y)
    assert images.shape == (4, 9, 10, 3)
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    assert images.std() > 0.1
    assert not np.allclose(images[0], generator.apply(variables, 30.0 * z, jnp.full(4, 2))[0])


def test_rows_of_padding_change_no_other_image():
    generator = DCGANGenerator((6, 4), (8, 8, 1))
    variables = generator.init(jax.random.key(0), z)
    mask = jnp.array([1.0, 1.0, 1.0, 0.0])

    def made(z):
        return generator.apply(variables, z, train=True, mask=mask, mutable=["batch_stats"])

    images, statistics = made(z)
    others, same = made(z.at[3].set(100.0))
    np.testing.assert_allclose(images[:3], others[:3], atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, statistics, same)


@pytest.mark.parametrize(
    "critic",
    [
        DCGANCritic((4, 6), classes=3, spectral=True),
        DCGANCritic((4, 6), classes=3, batch_norm=True),
        DenseCritic((6,), classes=3, spectral=True),
        DenseCritic((6,), classes=3),
    ],
)
def test_a_critic_judges_each_row_beside_its_class(critic):
    x = jax.random.uniform(jax.random.key(2), (4, 8, 8, 1))
    variables = critic.init(jax.random.key(0), x, y)
    scores = critic.apply(variables, x, y)
    assert scores.shape == (4,)
    others = critic.apply(variables, x, y.at[0].set(2))
    assert scores[0] != others[0]
    np.testing.assert_allclose(scores[1:], others[1:], rtol=1e-5)


def test_a_spectral_critic_enlarges_no_difference():
    critic = DCGANCritic((4, 6), spectral=True)
    x = jax.random.uniform(jax.random.key(2), (8, 8, 8, 1))
    variables = critic.init(jax.random.key(0), x)
    for _ in range(20):
        _, updated = critic.apply(variables, x, train=True, mutable=["spectral"])
        variables = {**variables, **updated}
    slope = jnp.linalg.norm(jax.grad(lambda x: critic.apply(variables, x).sum())(x).reshape(8, -1), axis=1)
    # A pixel is met by four windows of each of two convolutions, and is doubled on the way in.
    assert slope.max() < 2.0 * 2.0 * 2.0
    assert slope.min() > 0.0
