"""The loss of a language model against sums by hand."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.parallel import device_mesh, per_device, pmapped
from mlr_jax.data.text import evaluation_windows
from mlr_jax.language.causal_lm import Hypers, bits, causal_lm, perplexity
from mlr_jax.nn.gpt import GPT
from mlr_jax.ops.vocabulary import token_losses
from mlr_jax.train.evaluate import evaluate

V, T = 9, 6
MODEL = GPT(V, T, depth=1, heads=2, width=8)
TASK = causal_lm(MODEL)
VARIABLES = TASK.init(jax.random.key(0))
TEXT = np.random.default_rng(0).integers(V, size=40)


def nats_by_hand(x, y):
    log_probs = jax.nn.log_softmax(MODEL.apply(VARIABLES, x))
    return -np.take_along_axis(np.asarray(log_probs), np.asarray(y)[..., None], -1)[..., 0]


def test_the_loss_is_the_mean_over_the_tokens_that_count():
    x, y = TEXT[:24].reshape(4, T), TEXT[1:25].reshape(4, T)
    token_mask = np.ones((4, T), np.float32)
    token_mask[1, 2:] = 0
    mask = np.array([1, 1, 0, 1], np.float32)
    counted = token_mask * mask[:, None]
    batch = {"x": x, "y": y, "token_mask": token_mask, "mask": mask}
    loss, (_, metrics) = TASK.loss(VARIABLES, batch, jax.random.key(1), Hypers())
    np.testing.assert_allclose(loss, (nats_by_hand(x, y) * counted).sum() / counted.sum(), rtol=1e-5)
    hits = np.argmax(MODEL.apply(VARIABLES, x), -1) == y
    np.testing.assert_allclose(metrics["accuracy"], (hits * counted).sum() / counted.sum(), rtol=1e-5)


@pytest.mark.parametrize("way", [per_device, pmapped])
def test_devices_whose_rows_have_fewer_tokens_count_for_less(way):
    x, y = TEXT[:24].reshape(4, T), TEXT[1:25].reshape(4, T)
    token_mask = (np.arange(T)[None] < np.array([[6], [1], [0], [3]])).astype(np.float32)
    batch = {"x": x, "y": y, "token_mask": token_mask, "mask": np.array([1, 1, 1, 0], np.float32)}
    alone = gradient_learner(TASK, lambda hypers: optax.sgd(hypers.learning_rate))
    state = alone.init(jax.random.key(0), as_arrays(Hypers(0.5)))
    spread = way(alone, device_mesh(4))
    (one, one_metrics), (many, metrics) = jax.jit(alone.step)(state, batch), spread.step(state, batch)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), one.params, jax.device_get(many.params))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), one_metrics, jax.device_get(metrics))


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_evaluation_counts_every_target_of_a_text_once(batch_size):
    found = evaluate(jax.jit(TASK.evaluate), VARIABLES, evaluation_windows(TEXT, batch_size, T))
    windows = [(TEXT[i : i + T], TEXT[i + 1 : i + T + 1]) for i in range(0, 39, T)]
    nats = np.concatenate([nats_by_hand(x[None, : len(y)], y[None])[0] for x, y in windows])
    assert len(nats) == 39
    assert set(found) == {"loss", "accuracy"}
    np.testing.assert_allclose(found["loss"], nats.mean(), rtol=1e-5)


@pytest.mark.parametrize("chunk", [1, 4, 7, 100])
def test_logits_in_chunks_give_the_same_losses_and_gradients(chunk):
    rng = np.random.default_rng(1)
    features, matrix = jnp.asarray(rng.normal(size=(10, 5))), jnp.asarray(rng.normal(size=(5, V)))
    labels = jnp.asarray(rng.integers(V, size=10))

    def total(chunk):
        def of(features, matrix):
            losses, hits = token_losses(lambda rows: rows @ matrix, features, labels, chunk)
            return jnp.sum(jnp.sin(losses)), (losses, hits)

        return jax.jit(jax.value_and_grad(of, (0, 1), has_aux=True))(features, matrix)

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), total(chunk), total(None))


def test_memory_of_the_loss_does_not_grow_with_the_vocabulary_times_the_tokens():
    def memory(chunk):
        features, matrix = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1024, 8), (8, 2000)))

        def loss(features, matrix):
            return token_losses(lambda rows: rows @ matrix, features, jnp.zeros(1024, int), chunk)[0].sum()

        return jax.jit(jax.grad(loss, (0, 1))).lower(features, matrix).compile().memory_analysis().temp_size_in_bytes

    assert memory(64) < memory(None) / 4


def test_memory_of_a_training_step_grows_with_the_length_and_not_with_its_square():
    def memory(length):
        task = causal_lm(GPT(V, length, depth=1, heads=2, width=8, block=64), chunk=256)
        learner = gradient_learner(task, adamw())
        state = jax.eval_shape(learner.init, jax.random.key(0), Hypers())
        tokens = jax.ShapeDtypeStruct((1, length), jnp.int32)
        step = jax.jit(learner.step, donate_argnums=0).lower(state, {"x": tokens, "y": tokens})
        return step.compile().memory_analysis().temp_size_in_bytes

    assert memory(8192) < 1.2 * (8192 / 512) * memory(512)


def test_no_chunk_is_an_error():
    with pytest.raises(ValueError, match="chunk: got 0"):
        token_losses(lambda rows: rows, jnp.zeros((2, 3)), jnp.zeros(2, int), 0)


def test_nats_as_bits_and_as_perplexity():
    assert bits(math.log(8)) == pytest.approx(3)
    assert perplexity(math.log(8)) == pytest.approx(8)
