import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import log_softmax

from mlr_jax.ops.losses import binary_cross_entropy, cross_entropy, focal_loss, squared_error

rng = np.random.default_rng(0)
LOGITS = rng.normal(size=(6, 5)).astype(np.float32)
LABELS = np.array([0, 1, 2, 3, 4, 2], np.int32)


def by_scipy(logits, label, smoothing):
    targets = (1 - smoothing) * np.eye(len(logits))[label] + smoothing / len(logits)
    return -targets @ log_softmax(np.asarray(logits, np.float64))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 1.0])
def test_cross_entropy_equals_scipy_and_optax(smoothing):
    ours = jax.vmap(cross_entropy, (0, 0, None))(LOGITS, LABELS, smoothing)
    targets = optax.smooth_labels(jax.nn.one_hot(LABELS, 5), smoothing)
    np.testing.assert_allclose(ours, optax.softmax_cross_entropy(LOGITS, targets), rtol=1e-5)
    expected = [by_scipy(logits, label, smoothing) for logits, label in zip(LOGITS, LABELS, strict=True)]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_its_gradient_is_softmax_minus_target(smoothing):
    gradient = jax.grad(cross_entropy)(LOGITS[0], LABELS[0], smoothing)
    target = (1 - smoothing) * np.eye(5)[LABELS[0]] + smoothing / 5
    np.testing.assert_allclose(gradient, np.exp(log_softmax(LOGITS[0])) - target, atol=1e-6)


@pytest.mark.parametrize("logits", [[1e4, -1e4, 0], [-1e30, -1e30, 0], [5e4, 5e4, 5e4], [1e-30, 0, -1e-30]])
def test_extreme_logits_have_exact_losses_and_finite_gradients(logits):
    logits = jnp.array(logits, jnp.float32)
    for label in range(3):
        np.testing.assert_allclose(cross_entropy(logits, label), by_scipy(logits, label, 0.0), rtol=1e-6, atol=1e-6)
        assert np.isfinite(jax.grad(cross_entropy)(logits, label)).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sixteen_bit_logits_give_a_loss_computed_in_float32(dtype):
    logits = jnp.asarray(LOGITS, dtype)
    losses = jax.vmap(cross_entropy)(logits, LABELS)
    assert losses.dtype == jnp.float32
    np.testing.assert_allclose(losses, jax.vmap(cross_entropy)(logits.astype(jnp.float32), LABELS), rtol=1e-6)
    assert jax.grad(cross_entropy)(logits[0], 0).dtype == dtype


def test_squared_error_is_the_mean_square():
    prediction, target = rng.normal(size=(2, 7))
    expected = np.mean((prediction - target) ** 2)
    np.testing.assert_allclose(squared_error(jnp.array(prediction), jnp.array(target)), expected, rtol=1e-5)


def test_squared_error_of_sixteen_bits_is_computed_in_float32():
    prediction, target = jnp.array([257, 1.0], jnp.bfloat16), jnp.array([1, 257.0], jnp.bfloat16)
    error = squared_error(prediction, target)
    assert error.dtype == jnp.float32
    np.testing.assert_allclose(error, np.mean((np.float32(prediction) - np.float32(target)) ** 2), rtol=1e-6)
    assert squared_error(jnp.full(300, 300.0, jnp.float16), jnp.zeros(300, jnp.float16)) == 90_000


def test_focal_loss_is_its_equation_and_without_focus_is_cross_entropy():
    z, t = np.linspace(-4, 4, 9), np.array([0, 1, 0, 1, 1, 0, 1, 0, 1])
    p = 1 / (1 + np.exp(-z))
    p_t, weight = np.where(t > 0, p, 1 - p), np.where(t > 0, 0.25, 0.75)
    np.testing.assert_allclose(focal_loss(z, t), -weight * (1 - p_t) ** 2 * np.log(p_t), rtol=1e-5)
    np.testing.assert_allclose(2 * focal_loss(z, t, 0.5, 0.0), binary_cross_entropy(z, t), rtol=1e-5)
    expected = -(0.3 * np.log(p) + 0.7 * np.log(1 - p))
    np.testing.assert_allclose(binary_cross_entropy(z, 0.3), expected, rtol=1e-5)
    for extreme in (-1e4, 1e4):
        assert np.isfinite(jax.grad(focal_loss)(extreme, 1.0))
