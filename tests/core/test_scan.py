import jax
import jax.numpy as jnp
import numpy as np
from toys import Hypers, descent, descent_by_hand, least_squares, loss_by_hand, rows

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.scan import repeat, scan
from mlr_jax.core.types import Learner

learner = gradient_learner(least_squares, descent)
BATCHES = [rows(8, seed) for seed in range(4)]
STACKED = jax.tree.map(lambda *leaves: np.stack(leaves), *BATCHES)


def start():
    return learner.init(jax.random.key(0), Hypers(0.1))


def check(state, metrics, batches):
    """State and metrics are those of gradient descent by hand on these batches, one after another."""
    w = np.array(start().params["w"])
    path = descent_by_hand(w, batches, 0.1)
    losses = [loss_by_hand(w, batch) for w, batch in zip([w, *path], batches, strict=False)]
    np.testing.assert_allclose(state.params["w"], path[-1], rtol=1e-4)
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-4)
    assert state.step == len(batches)
    assert {value.shape for value in metrics.values()} == {(len(batches),)}


def test_scan_takes_one_batch_after_another():
    check(*scan(learner, 4)(start(), STACKED), BATCHES)


def test_repeat_takes_the_same_batch_again_and_again():
    check(*repeat(learner, 3)(start(), BATCHES[0]), [BATCHES[0]] * 3)


def test_both_equal_a_loop_of_single_steps():
    state, losses = start(), []
    for batch in BATCHES:
        state, metrics = jax.jit(learner.step)(state, batch)
        losses.append(metrics["loss"])
    scanned, metrics = scan(learner, 4)(start(), STACKED)
    np.testing.assert_allclose(scanned.params["w"], state.params["w"], rtol=1e-6)
    np.testing.assert_allclose(metrics["loss"], losses, rtol=1e-6)
    assert jax.tree.structure(scanned) == jax.tree.structure(state)


def test_two_chunks_are_one_run():
    halves = [jax.tree.map(lambda leaf, at=at: leaf[at : at + 2], STACKED) for at in (0, 2)]
    state = start()
    for half in halves:
        state, _ = scan(learner, 2)(state, half)
    whole, _ = scan(learner, 4)(start(), STACKED)
    np.testing.assert_array_equal(state.params["w"], whole.params["w"])


def test_an_agent_needs_no_batch():
    counter = Learner(None, lambda state, batch: (state + 1, {"count": state, "is_none": batch is None}), None)
    state, metrics = repeat(counter, 3)(jnp.int32(5), None)
    assert state == 8
    np.testing.assert_array_equal(metrics["count"], [5, 6, 7])
    assert metrics["is_none"].all()


def test_the_state_is_donated_and_the_data_is_not():
    data = jax.device_put(BATCHES[0])
    for run, batch in ((repeat(learner, 2), data), (scan(learner, 4), jax.device_put(STACKED))):
        state = start()
        run(state, batch)
        assert state.params["w"].is_deleted()
        assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(batch))
