"""Modes counted where it is known what lies where."""

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.data.mixtures import grid, ring
from mlr_jax.generative.mode_coverage import mode_coverage

coverage = jax.jit(mode_coverage, static_argnames="least")


def test_samples_are_good_within_three_deviations_and_modes_count_from_the_least():
    means = jnp.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    x = jnp.array([[0.0, 0.29], [0.31, 0.0], [4.0, 0.1], [3.9, 0.0], [4.1, 0.1], [jnp.nan, 0.0]])
    found = coverage(x, means, 0.1)
    assert (found.modes, found.high_quality) == (2.0, 4 / 6)
    shares = np.array([1 / 4, 3 / 4])
    np.testing.assert_allclose(found.divergence, np.sum(shares * np.log(3 * shares)), rtol=1e-5)
    assert coverage(x, means, 0.1, least=2).modes == 1.0


def test_the_mixtures_themselves_are_covered():
    for mixture, modes in ((ring(), 8), (grid(), 25)):
        found = coverage(mixture.draw(5000, seed=0)["x"], mixture.means, mixture.std)
        assert found.modes == modes
        np.testing.assert_allclose(found.high_quality, 1 - np.exp(-4.5), atol=0.005)  # of a normal in the plane
        assert found.divergence < 0.01
    assert coverage(jnp.full((9, 2), jnp.inf), mixture.means, mixture.std) == (0.0, 0.0, 0.0)
