import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toy_learner import Hypers, learner

from mlr_jax.core.sweep import sweep
from mlr_jax.data.arrays import evaluation_batches
from mlr_jax.train.evaluate import evaluate

ROWS = {"x": np.random.default_rng(3).normal(size=(50, 3)).astype(np.float32)}
STATE = learner.init(jax.random.key(0), Hypers())


def by_hand(x, rows=ROWS["x"]):
    return np.mean(np.sum((np.asarray(rows, np.float64) - np.asarray(x, np.float64)) ** 2, axis=-1))


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64])
def test_the_mean_does_not_depend_on_the_batch_size(batch_size):
    result = evaluate(jax.jit(learner.evaluate), STATE, evaluation_batches(ROWS, batch_size))
    assert list(result) == ["loss"]
    assert (result["loss"].shape, result["loss"].dtype) == ((), np.float64)
    np.testing.assert_allclose(result["loss"], by_hand(STATE.x), rtol=1e-6)


def test_rows_whose_mask_is_zero_do_not_count_whatever_they_hold():
    mask = np.tile(np.array([1.0, 0.0], np.float32), 25)
    junk = np.where(mask[:, None] > 0, ROWS["x"], np.nan).astype(np.float32)
    result = evaluate(learner.evaluate, STATE, [{"x": junk, "mask": mask}])
    np.testing.assert_allclose(result["loss"], by_hand(STATE.x, ROWS["x"][::2]), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [7, 64])
def test_a_sweep_gets_one_mean_for_each_member(batch_size):
    swept = sweep(learner)
    state = swept.init(jax.random.split(jax.random.key(0), 4), Hypers(jnp.arange(4.0)))
    result = evaluate(jax.jit(swept.evaluate), state, evaluation_batches(ROWS, batch_size))
    assert result["loss"].shape == (4,)
    np.testing.assert_allclose(result["loss"], [by_hand(x) for x in state.x], rtol=1e-6)


def test_a_weight_says_how_much_a_row_counts_and_is_no_result():
    batches = [{"v": np.float32([1, 2]), "w": np.float32([3, 1]), "mask": np.ones(2)},
               {"v": np.float32([5, 9]), "w": np.float32([4, 7]), "mask": np.array([1, 0])}]  # fmt: skip
    result = evaluate(lambda state, batch: {"v": batch["v"], "weight": batch["w"]}, None, batches)
    assert result == {"v": (3 * 1 + 1 * 2 + 4 * 5) / 8}


def test_the_mean_is_taken_in_64_bits():
    values = np.array([2.0**24] + [1.0] * 24, np.float32)
    result = evaluate(lambda state, batch: {"v": batch["v"]}, None, [{"v": values, "mask": np.ones(25)}])
    assert float(result["v"]) == (2.0**24 + 24) / 25


@pytest.mark.parametrize("batches", [[], [{"x": ROWS["x"], "mask": np.zeros(50)}]], ids=["no batch", "all masked"])
def test_a_mean_of_no_rows_is_refused(batches):
    with pytest.raises(ValueError, match="evaluate: got no row whose mask is 1, at least one is needed"):
        evaluate(learner.evaluate, STATE, batches)
