"""Adversarial training: what the critic measures, who moves how often, what is drawn, how a diverging run ends."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.on_device import on_device
from mlr_jax.core.scan import repeat
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Source
from mlr_jax.data.mixtures import ring
from mlr_jax.generative.gan import Hypers, gan
from mlr_jax.generative.gan_losses import flat_at_real, non_saturating, unit_slope, wasserstein
from mlr_jax.generative.gan_networks import dcgan_networks, decode, dense_networks, generate, walk
from mlr_jax.generative.mode_coverage import mode_coverage
from mlr_jax.train.checkpoint import Checkpoints
from mlr_jax.train.hooks import NonFinite, nan_guard, save_checkpoints
from mlr_jax.train.loop import fit

small = dense_networks((2,), hidden=(16,), latents=2)
rows = {"x": np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)}


def started(learner, hypers, seed=0):
    return jax.jit(learner.init)(jax.random.key(seed), hypers)


def test_a_wasserstein_critic_of_slope_near_one_measures_how_far_made_points_are_to_be_moved():
    networks = dense_networks((2,), hidden=(32, 32), latents=2)
    learner = gan(networks, wasserstein, penalise=unit_slope, critic_steps=4)
    state = started(learner, Hypers(learning_rate=0.0, critic_rate=3e-3, penalty=10.0))  # the generator stays
    made = np.asarray(generate(networks, state.average, jax.random.key(1), jnp.zeros(4096)))
    moved = {"x": jnp.asarray(made + np.array([3.0, -4.0], np.float32))}
    state, metrics = repeat(on_device(learner, 256), 250)(_resident(learner, state), moved)
    slope = 1.0 + 5.0 / (2.0 * 10.0)  # where s 5 - 10 (s - 1)^2 is greatest: all points are moved by 5
    np.testing.assert_allclose(np.mean(metrics["slope"][-50:]), slope, rtol=0.02)
    np.testing.assert_allclose(-np.mean(metrics["loss"][-50:]), 5.0 * slope, rtol=0.02)


def _resident(learner, state):
    """The state of `on_device` around a state."""
    return started(on_device(learner, 1), state.hypers)._replace(inner=state)


def test_the_critic_moves_several_times_for_each_move_of_the_generator_on_rows_of_its_own():
    seen = []

    def penalise(score, real, fake, key):
        seen.append(real.shape)
        return flat_at_real(score, real, fake, key)

    learner = gan(small, penalise=penalise, critic_steps=4)
    state, _ = jax.jit(learner.step)(started(learner, Hypers()), rows)
    assert [int(of[0].count) for of in state.opt_state] == [1, 4]
    assert seen[0] == (8, 2)


def test_the_average_follows_the_generator():
    learner = gan(small)
    state = started(learner, Hypers(learning_rate=0.1, averaging=0.3))
    expected = jax.device_get(state.average)
    for t in range(4):
        state, _ = jax.jit(learner.step)(state, rows)
        decay = min(0.3, (1 + t) / (10 + t))
        expected = jax.tree.map(lambda a, b, d=decay: d * a + (1 - d) * b, expected, state.variables.generator)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), expected, state.average)


def test_every_mode_of_a_ring_is_made_in_one_compiled_sweep():
    mixture = ring(4, std=0.1)
    networks = dense_networks((2,), hidden=(32, 32), latents=2)
    learner = sweep(on_device(gan(networks, non_saturating, penalise=flat_at_real), 128))
    hypers = jax.tree.map(lambda value: jnp.full(2, value), Hypers(2e-3, 2e-3, penalty=0.1, averaging=0.99))
    state = jax.jit(learner.init)(jax.vmap(jax.random.key)(jnp.arange(2)), hypers)
    state, _ = repeat(learner, 1500)(state, mixture.draw(4096, seed=0))
    for member in range(2):
        average = jax.tree.map(lambda leaf, i=member: leaf[i], state.inner.average)
        found = mode_coverage(generate(networks, average, jax.random.key(0), jnp.zeros(1000)), mixture.means, 0.1)
        assert found.modes == 4
        assert found.high_quality > 0.7


def test_a_row_that_is_drawn_depends_on_the_key_and_its_number_alone():
    networks = dcgan_networks((8, 8, 1), widths=(4,), latents=3, classes=2)
    generator = started(gan(networks), Hypers()).average
    y = jnp.array([0, 1, 1, 0, 1])
    images = generate(networks, generator, jax.random.key(0), y)
    np.testing.assert_allclose(generate(networks, generator, jax.random.key(0), y[:3]), images[:3], atol=1e-6)
    assert not np.allclose(generate(networks, generator, jax.random.key(1), y), images)
    assert not np.allclose(generate(networks, generator, jax.random.key(0), 1 - y), images)


def test_a_walk_begins_and_ends_where_it_should():
    generator = started(gan(small), Hypers()).average
    z_0, z_1 = jax.random.normal(jax.random.key(0), (2, 3, 2))
    way = walk(small, generator, z_0, z_1, jnp.linspace(0.0, 1.0, 5))
    assert way.shape == (5, 3, 2)
    np.testing.assert_allclose(way[0], decode(small, generator, z_0), atol=1e-5)
    np.testing.assert_allclose(way[-1], decode(small, generator, z_1), atol=1e-5)


def test_a_critic_that_diverges_ends_the_run_and_leaves_the_last_good_state(tmp_path):
    learner = gan(small, wasserstein)
    checkpoints = Checkpoints(tmp_path)

    def poison(step):
        def stream(start):
            while True:
                yield {"x": np.full_like(rows["x"], np.inf) if start >= step else rows["x"]}
                start += 1

        return stream

    state = started(learner, Hypers())
    with pytest.raises(NonFinite, match="loss is not finite by step 6: the run has diverged"):
        fit(
            learner, state, Source(poison(5), lambda: iter(())), num_steps=20, chunk=2,
            hooks=[nan_guard(), save_checkpoints(checkpoints)],
        )  # fmt: skip
    checkpoints.wait()
    step, good = checkpoints.restore(state)
    assert step == 4
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(good.variables))
    checkpoints.close()


def stepped(learner, shape):
    return learner.step(started(gan(small), Hypers()), {"x": jnp.zeros(shape)})


def penalised(networks):
    return gan(networks, penalise=unit_slope).init(jax.random.key(0), Hypers())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stepped(gan(small), (4, 3)), r"x: got examples of shape \(3,\), wanted \(2,\)"),
        (lambda: stepped(gan(small, critic_steps=3), (4, 2)), "critic_steps: got 3, which does not divide the 4 rows"),
        (
            lambda: penalised(dcgan_networks((8, 8, 1), widths=(2, 2), batch_norm=True)),
            "penalise: got a critic with batch normalisation",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
