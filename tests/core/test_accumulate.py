from functools import cache

import jax
import numpy as np
import pytest
from toys import Hypers, gradient_by_hand, least_squares, loss_by_hand, rows

from mlr_jax.core.accumulate import accumulate
from mlr_jax.core.gradient import gradient_of
from mlr_jax.core.parallel import device_mesh, per_device
from mlr_jax.core.types import Learner

MASKS = {
    "no mask": None,
    "another number in each microbatch": [1, 1, 1, 1, 0, 1, 0, 0],
    "a microbatch of padding only": [1, 1, 1, 0, 1, 1, 0, 0],
    "padding only": [0] * 8,
}


def batch_with(mask):
    return rows(8) if mask is None else {**rows(8), "mask": np.array(mask, np.float32)}


@cache
def accumulated(k):
    return jax.jit(accumulate(gradient_of(least_squares), k))


def compute(k, batch):
    variables = least_squares.init(jax.random.key(1))
    gradients, (collections, metrics) = accumulated(k)(variables, batch, jax.random.key(0), Hypers())
    return variables["params"]["w"], gradients["w"], collections, metrics


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_k_microbatches_give_the_gradient_and_loss_of_the_full_batch(mask, k):
    batch = batch_with(mask)
    w, gradient, collections, metrics = compute(k, batch)
    np.testing.assert_allclose(gradient, gradient_by_hand(w, batch), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], loss_by_hand(w, batch), rtol=1e-5)
    assert collections["counts"]["losses"] == k


def test_devices_with_unequal_padding_accumulate_the_gradient_of_the_full_batch():
    batch = batch_with([1, 1, 1, 1, 0, 1, 0, 0])
    gradient = accumulate(gradient_of(least_squares), 2)

    def step(variables, batch):
        gradients, (_, metrics) = gradient(variables, batch, jax.random.key(0), Hypers())
        return gradients, metrics

    variables = least_squares.init(jax.random.key(1))
    spread = per_device(Learner(None, step, step), device_mesh(2))
    gradients, metrics = jax.jit(spread.step)(variables, batch)
    w = variables["params"]["w"]
    np.testing.assert_allclose(gradients["w"], gradient_by_hand(w, batch), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], loss_by_hand(w, batch), rtol=1e-5)


def test_each_microbatch_draws_other_random_numbers():
    *_, one = compute(1, rows(8))
    *_, two = compute(2, rows(8))
    assert one["noise"] != two["noise"]


def test_k_must_be_positive_and_divide_the_rows():
    with pytest.raises(ValueError, match="k: got 0, must be at least 1"):
        accumulate(gradient_of(least_squares), 0)
    with pytest.raises(ValueError, match="k: got 3, must divide the 8 rows"):
        compute(3, rows(8))
