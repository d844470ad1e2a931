"""What is asked of every metric: scikit-learn's number, weights as repetitions, absent rows, many at once."""

import jax
import jax.numpy as jnp
import numpy as np

ROWS, ABSENT = 60, 5


def whole_weights(seed=0, rows=ROWS):
    """Weights 0 to 3, of which the first are 0."""
    weight = np.random.default_rng((9, seed)).integers(0, 4, rows)
    weight[:ABSENT] = 0
    return weight


def check(metric, reference, y, prediction, *, weight_in_reference=True, repeats=True):
    """The metric against `reference(y, prediction, sample_weight)` in both precisions, and the meaning of weights."""
    real = np.random.default_rng(2).uniform(0.1, 2, len(prediction))
    cases = [None, real, whole_weights(rows=len(prediction)).astype(float)] if weight_in_reference else [None]
    compiled = jax.jit(metric)
    for dtype, tolerance in ((np.float64, 1e-10), (np.float32, 1e-5)):
        with jax.enable_x64(dtype == np.float64):
            typed = prediction.astype(dtype) if np.issubdtype(prediction.dtype, np.floating) else prediction
            for weight in cases:
                expected = reference(y, typed, weight)
                ours = np.ones(len(y), dtype) if weight is None else weight.astype(dtype)
                np.testing.assert_allclose(compiled(y, typed, ours), expected, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(compiled(y, typed), reference(y, typed, None), rtol=tolerance, atol=tolerance)
    if repeats:
        check_weights(metric, y, prediction)


def check_weights(metric, y, prediction):
    """A whole weight repeats a row, a weight of 0 takes it away whatever stands in it, and vmap changes nothing."""
    weight = whole_weights(rows=len(prediction))
    compiled = jax.jit(metric)
    with jax.enable_x64(True):
        value = compiled(y, prediction, weight.astype(float))
        repeated = compiled(np.repeat(y, weight, 0), np.repeat(prediction, weight, 0))
        np.testing.assert_allclose(value, repeated, rtol=1e-9, atol=1e-10)
        junk_y, junk = y.copy(), prediction.copy()
        for array in (junk_y, junk):
            array[:ABSENT] = np.nan if np.issubdtype(array.dtype, np.floating) else 10**6
        np.testing.assert_array_equal(compiled(junk_y, junk, weight.astype(float)), value)
        assert np.all(np.isnan(compiled(y, prediction, np.zeros(len(y)))))
        weights = np.stack([weight, whole_weights(1, len(prediction))]).astype(float)
        at_once = jax.jit(jax.vmap(metric, in_axes=(None, None, 0)))(y, prediction, weights)
        alone = jnp.stack([compiled(y, prediction, w) for w in weights])
        np.testing.assert_allclose(at_once, alone, rtol=1e-10, atol=1e-12)
