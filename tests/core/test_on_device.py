import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Hypers, descent, least_squares, rows

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.on_device import on_device
from mlr_jax.core.scan import repeat
from mlr_jax.core.sweep import sweep
from mlr_jax.core.types import Learner

# A learner that learns nothing and reports the rows that it is given.
witness = Learner(lambda key, hypers: jnp.zeros(()), lambda state, batch: (state, batch), lambda state, batch: batch)


def numbered(n):
    """n rows that name themselves twice."""
    return {"x": 10.0 * np.arange(n, dtype=np.float32), "y": np.arange(n, dtype=np.int32)}


def epochs_of(n, batch_size, epochs, seed=0):
    """The rows seen in each epoch, [epochs, n]."""
    learner = on_device(witness, batch_size)
    state = learner.init(jax.random.key(seed), ())
    _, seen = repeat(learner, n * epochs // batch_size)(state, numbered(n))
    np.testing.assert_array_equal(seen["x"], 10.0 * seen["y"])  # the arrays of a batch stay together
    assert seen["y"].shape == (n * epochs // batch_size, batch_size)
    return np.array(seen["y"]).reshape(epochs, n)


@pytest.mark.parametrize(("n", "batch_size", "epochs"), [(6, 2, 4), (7, 3, 6), (5, 5, 3), (1, 1, 4), (33, 32, 32)])
def test_every_row_is_seen_exactly_once_an_epoch(n, batch_size, epochs):
    seen = epochs_of(n, batch_size, epochs)
    np.testing.assert_array_equal(np.sort(seen, axis=1), np.tile(np.arange(n), (epochs, 1)))


def test_each_epoch_and_each_key_has_an_order_of_its_own():
    orders = np.concatenate([epochs_of(33, 32, 32, seed) for seed in range(2)])
    assert len({tuple(order) for order in orders}) == 64


def test_the_state_says_where_it_is():
    learner = on_device(witness, 3)
    state, step = learner.init(jax.random.key(0), ()), jax.jit(learner.step)
    places = []
    for _ in range(7):
        state, _ = step(state, numbered(7))
        places.append((int(state.epoch), int(state.position)))
    assert places == [(0, 3), (0, 6), (1, 2), (1, 5), (2, 1), (2, 4), (3, 0)]


def test_members_of_a_sweep_share_the_data_and_have_orders_of_their_own():
    learner = on_device(witness, 7)
    swept = sweep(learner)
    keys = jax.random.split(jax.random.key(0), 3)
    state = swept.init(keys, Hypers(jnp.zeros(3)))
    _, seen = repeat(swept, 2)(state, numbered(7))
    orders = np.array(seen["y"])  # [epochs, members, rows]
    np.testing.assert_array_equal(np.sort(orders), np.broadcast_to(np.arange(7), (2, 3, 7)))
    assert len({tuple(order) for order in orders.reshape(6, 7)}) == 6
    alone_twice = repeat(learner, 2)
    for member in range(3):
        _, alone = alone_twice(learner.init(keys[member], ()), numbered(7))
        np.testing.assert_array_equal(orders[:, member], alone["y"])


def test_the_wrapped_learner_learns_and_is_evaluated_on_the_rows_given():
    inner = gradient_learner(least_squares, descent)
    learner = on_device(inner, 8)
    state = learner.init(jax.random.key(0), as_arrays(Hypers()))
    after, _ = jax.jit(learner.step)(state, rows(8))  # a full batch in another order is the same batch
    expected, _ = jax.jit(inner.step)(state.inner, rows(8))
    np.testing.assert_allclose(after.inner.params["w"], expected.params["w"], rtol=1e-5)
    np.testing.assert_array_equal(
        learner.evaluate(after, rows(4, seed=1))["loss"], inner.evaluate(after.inner, rows(4, seed=1))["loss"]
    )


def test_the_data_is_no_constant_of_the_program():
    learner = on_device(witness, 10)
    few, many = (
        repeat(learner, 5).lower(learner.init(jax.random.key(0), ()), rows(n)).as_text() for n in (100, 100_000)
    )
    assert "100000x3" in many
    assert len(many) < 1.05 * len(few)


@pytest.mark.parametrize("batch_size", [-1, 0, 8])
def test_the_batch_size_must_be_1_to_the_number_of_rows(batch_size):
    learner = on_device(witness, batch_size)
    with pytest.raises(ValueError, match=f"batch_size: got {batch_size}, allowed are 1 to the 7 rows"):
        learner.step(learner.init(jax.random.key(0), ()), numbered(7))
