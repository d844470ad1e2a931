"""Running moments are the moments of everything seen."""

import jax.numpy as jnp
import numpy as np

from mlr_jax.rl.normalise import RewardScale, no_moments, no_scale, normalise, scale_rewards, update


def test_moments_of_parts_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 2.0, (40, 3)).astype(np.float32)
    moments = no_moments((3,))
    for part in np.split(values, [1, 9, 30]):
        moments = update(moments, jnp.asarray(part))
    np.testing.assert_allclose(moments.mean, values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(moments.variance, values.var(0), rtol=1e-4)
    np.testing.assert_allclose(moments.weight, 40)
    seen = normalise(moments, jnp.asarray(values))
    np.testing.assert_allclose(seen.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(seen.std(0), 1.0, rtol=1e-4)


def test_before_anything_was_seen_values_stay_as_they_are_but_for_the_farthest():
    np.testing.assert_allclose(normalise(no_moments((1,)), jnp.array([[2.0], [99.0]])), [[2.0], [10.0]], rtol=1e-6)


def test_rewards_are_divided_by_the_deviation_of_the_discounted_return():
    rng = np.random.default_rng(1)
    reward, ended = rng.normal(size=(6, 2)).astype(np.float32), rng.random((6, 2)) < 0.3
    scale, scaled = no_scale(2), []
    for part in (slice(0, 2), slice(2, 6)):
        scale, values = scale_rewards(scale, jnp.asarray(reward[part]), jnp.asarray(ended[part]), jnp.float32(0.9))
        scaled.append(np.asarray(values))
    to_date, history = np.zeros(2), []
    for now, end in zip(reward, ended, strict=True):
        to_date = now + 0.9 * to_date
        history.append(to_date)
        to_date = np.where(end, 0.0, to_date)
    assert isinstance(scale, RewardScale)
    np.testing.assert_allclose(scale.to_date, to_date, rtol=1e-5)
    np.testing.assert_allclose(scaled[1], reward[2:] / np.std(history), rtol=1e-4)
