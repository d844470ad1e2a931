import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.segment import segment_count, segment_max, segment_mean, segment_softmax, segment_sum

segments = np.array([2, 0, 2, 5, 0, 2, 5, 3], np.int32)
NUM = 7
values = np.random.default_rng(0).normal(size=(8, 2, 3)).astype(np.float32)


def by_hand(function, empty=0.0):
    groups = [values[segments == k] for k in range(NUM)]
    return np.stack([function(group) if len(group) else np.full(values.shape[1:], empty) for group in groups])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (segment_sum, lambda group: group.sum(0)),
        (segment_mean, lambda group: group.mean(0)),
        (segment_max, lambda group: group.max(0)),
    ],
)
def test_reductions_equal_loops_and_an_empty_segment_is_0(ours, theirs):
    np.testing.assert_allclose(ours(values, segments, NUM), by_hand(theirs), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours(-1 - np.abs(values), segments, NUM)[1], 0)  # not the other segments' greatest
    np.testing.assert_array_equal(ours(values[:0], segments[:0], NUM), np.zeros((NUM, 2, 3)))


def test_counts():
    np.testing.assert_array_equal(segment_count(segments, NUM), np.bincount(segments, minlength=NUM))


def test_softmax_equals_a_softmax_of_each_segment_whatever_the_size_of_its_numbers():
    for offset in (0.0, 1e4, -1e4):
        p = np.asarray(segment_softmax(values + np.float32(offset), segments, NUM))
        for k in np.unique(segments):
            expected = jax.nn.softmax(jnp.asarray((values + np.float32(offset))[segments == k]), axis=0)
            np.testing.assert_allclose(p[segments == k], expected, rtol=1e-5)
    assert segment_softmax(values[:0], segments[:0], NUM).shape == (0, 2, 3)


def test_gradients_equal_those_of_segments_taken_one_by_one():
    weights = np.random.default_rng(1).normal(size=(8, 2, 3)).astype(np.float32)

    def soft(values):
        return jnp.sum(weights * segment_softmax(values, segments, NUM))

    def soft_by_hand(values):
        parts = [(segments == k).nonzero()[0] for k in np.unique(segments)]
        return sum(jnp.sum(weights[rows] * jax.nn.softmax(values[rows], axis=0)) for rows in parts)

    np.testing.assert_allclose(jax.grad(soft)(values), jax.grad(soft_by_hand)(values), rtol=1e-4, atol=1e-6)
    tied = values.copy()
    tied[0] = tied[2] = 9.0  # two rows of segment 2 share the maximum
    slope = jax.grad(lambda values: jnp.sum(segment_max(values, segments, NUM)[2]))(tied)
    np.testing.assert_allclose(slope[0], 0.5)
    np.testing.assert_allclose(slope[2], 0.5)
    np.testing.assert_allclose(np.delete(slope, [0, 2], axis=0), 0)


@pytest.mark.parametrize("function", [segment_sum, segment_mean, segment_max, segment_softmax])
def test_nan_stays_in_its_segment(function):
    dirty = values.copy()
    dirty[segments == 5] = np.nan
    real = segments != 5 if function is segment_softmax else np.arange(NUM) != 5
    clean, touched = (np.asarray(function(values, segments, NUM))[real] for values in (values, dirty))
    np.testing.assert_array_equal(clean, touched)

    def loss(values):
        return jnp.sum(jnp.where(real[:, None, None], function(values, segments, NUM), 0))

    slope = jax.grad(loss)(dirty)[segments != 5]
    np.testing.assert_array_equal(slope, jax.grad(loss)(values)[segments != 5])
