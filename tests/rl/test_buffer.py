"""The ring beside a Python list; draws beside their probabilities."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.rl import buffer as replay

ITEM = {"x": jnp.zeros(2), "n": jnp.int32(0)}


def batch(first, count):
    numbers = jnp.arange(first, first + count)
    return {"x": jnp.stack([numbers, -numbers], axis=1).astype(jnp.float32), "n": numbers}


@pytest.fixture(scope="module")
def filled():
    """The buffers after 0 to 7 additions of 3 to a ring of 12."""
    add = jax.jit(replay.add)
    buffers = [replay.empty(ITEM, 12)]
    for time in range(7):
        buffers.append(add(buffers[-1], batch(3 * time, 3)))
    return buffers


def test_it_holds_the_newest_items_in_the_slots_of_a_ring(filled):
    for added, buffer in enumerate(filled):
        expected = np.zeros(12, int)
        for number in range(3 * added):
            expected[number % 12] = number
        np.testing.assert_array_equal(buffer.items["n"], expected)
        np.testing.assert_array_equal(buffer.items["x"][:, 1], -expected)
        assert buffer.size == min(3 * added, 12)
        assert buffer.position == 3 * added % 12


@pytest.mark.parametrize(("added", "newest"), [(1, 0), (3, 3), (4, 0), (7, 0), (7, 6)])
def test_uniform_draws_are_uniform_over_all_but_the_newest(filled, added, newest):
    buffer = filled[added]
    slots = jax.jit(replay.draw_uniform, static_argnums=(2, 3))(buffer, jax.random.key(added), 20_000, newest)
    numbers, counts = np.unique(buffer.items["n"][slots], return_counts=True)
    np.testing.assert_array_equal(numbers, np.arange(max(0, 3 * added - 12), 3 * added - newest))
    np.testing.assert_allclose(counts / 20_000, 1 / len(numbers), atol=0.02)


def test_draws_by_priority_follow_the_priorities_and_never_meet_a_zero():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=300) * (rng.random(300) < 0.5)
    values[-1] = 0
    priorities = replay.set_priorities(replay.no_priorities(300), jnp.arange(300), jnp.asarray(values, jnp.float32))
    draw = jax.jit(jax.vmap(lambda key: replay.draw_by_priority(priorities, key, 64)))
    slots, probabilities = draw(jax.random.split(jax.random.key(0), 1000))
    np.testing.assert_allclose(probabilities, (values / values.sum())[slots], rtol=1e-4)
    counts = np.bincount(np.ravel(slots), minlength=300)
    np.testing.assert_allclose(counts / counts.sum(), values / values.sum(), atol=2e-3)
    assert counts[values == 0].sum() == 0


def test_sums_stay_true_where_slots_are_named_twice():
    priorities, rng = replay.no_priorities(300), np.random.default_rng(0)
    update = jax.jit(replay.set_priorities)
    for _ in range(5):
        slots = rng.integers(0, 300, 40)
        priorities = update(priorities, slots, jnp.asarray(rng.random(40), jnp.float32))
        np.testing.assert_allclose(priorities.sums, priorities.blocks.sum(1), rtol=1e-6)


@pytest.mark.parametrize("newest", [0, 3, 6])
def test_an_item_can_be_drawn_once_enough_others_have_followed_it(filled, newest):
    admit = jax.jit(partial(replay.admit, count=3, newest=newest))
    priorities = replay.no_priorities(12)
    for added, buffer in enumerate(filled[1:], start=1):
        priorities = admit(priorities, buffer)
        ready = np.asarray(buffer.items["n"])[np.flatnonzero(priorities.blocks.ravel())]
        assert sorted(ready) == list(range(max(0, 3 * added - 12), max(0, 3 * added - newest)))


def test_importance_undoes_the_probabilities():
    probabilities, values = jnp.array([0.1, 0.2, 0.7]), np.array([3.0, 5.0, 7.0])
    weights = replay.importance(probabilities, jnp.int32(3), 1.0)
    np.testing.assert_allclose(weights, 0.1 / probabilities, rtol=1e-5)
    assert (probabilities * weights * values).sum() * 10 / 3 == pytest.approx(values.mean(), rel=1e-5)
    np.testing.assert_allclose(replay.importance(probabilities, jnp.int32(3), 0.0), 1)


def test_what_does_not_fit_side_by_side_is_an_error(filled):
    with pytest.raises(ValueError, match="got 12, must be a multiple of the 5 items"):
        replay.add(filled[0], batch(0, 5))
