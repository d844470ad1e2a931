"""Walks in the latent space: what moves, what stays, and where they begin and end."""

import jax
import jax.numpy as jnp
import numpy as np
from generative.exact_model import TO_MEAN, B, W, X, model, params_with

from mlr_jax.generative.interpolation import spherical, straight
from mlr_jax.generative.latent_space import generate, lattice, most_used, reconstruct, traverse

params = params_with()
rng = np.random.default_rng(1)


def test_samples_have_the_moments_of_the_model_and_their_key():
    made = jax.jit(lambda key: generate(model, params, key, 20_000))(jax.random.key(0))
    np.testing.assert_allclose(made.mean(0), B, atol=0.06)
    np.testing.assert_allclose(np.cov(made.T), W @ W.T, atol=0.12)
    np.testing.assert_array_equal(made[:3], generate(model, params, jax.random.key(0), 20_000)[:3])


def test_a_reconstruction_is_the_image_of_the_posterior_mean():
    expected = (X - B) @ TO_MEAN.T @ W.T + B
    np.testing.assert_allclose(reconstruct(model, params, X), expected, rtol=1e-4, atol=1e-4)


def test_a_traversal_moves_one_variable_at_a_time():
    z, values = jnp.array([0.3, -0.7]), jnp.array([-1.0, 0.0, 2.0])
    walked = traverse(model, params, z, values)
    assert walked.shape == (2, 3, 6)
    np.testing.assert_allclose(walked[0, 2], W @ [2.0, -0.7] + B, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(walked[1, 0], W @ [0.3, -1.0] + B, rtol=1e-4, atol=1e-5)


def test_a_lattice_has_the_first_variable_to_the_right_and_the_second_upwards():
    shown = lattice(model, params, jnp.array([0.25, 0.5, 0.75]))
    step = 0.6744898  # the upper quartile of a standard normal
    np.testing.assert_allclose(shown[1, 1], B, atol=1e-5)
    np.testing.assert_allclose(shown[0, 2], W @ [step, step] + B, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(shown[2, 2], W @ [step, -step] + B, rtol=1e-4, atol=1e-5)


def test_the_most_used_variables_come_first():
    assert most_used(jnp.array([[1.0, 5.0, 0.0], [2.0, 4.0, 0.0]]), 2) == [1, 0]


def test_ways_begin_and_end_where_they_should_and_the_spherical_one_keeps_the_length():
    first, second = rng.normal(size=(2, 3, 50)).astype(np.float32)
    second *= np.linalg.norm(first, axis=1, keepdims=True) / np.linalg.norm(second, axis=1, keepdims=True)
    t = jnp.linspace(0, 1, 5)
    for way in (straight, spherical):
        walked = way(first, second, t)
        assert walked.shape == (5, 3, 50)
        np.testing.assert_allclose(walked[0], first, atol=1e-5)
        np.testing.assert_allclose(walked[-1], second, atol=1e-5)
    lengths = np.linalg.norm(spherical(first, second, t), axis=-1)
    np.testing.assert_allclose(lengths, np.tile(lengths[0], (5, 1)), rtol=1e-5)
    assert (np.linalg.norm(straight(first, second, t)[2], axis=-1) < 0.9 * lengths[0]).all()
    np.testing.assert_allclose(spherical(first, first, t), straight(first, first, t), atol=1e-6)
    np.testing.assert_allclose(spherical(first, -first, t), straight(first, -first, t), atol=1e-6)
