"""The classifier of texts against a computation by hand; padding is nothing; an order of words can be learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import scan
from mlr_jax.data.sequences import padded
from mlr_jax.language.sequence_classification import TextClassifier, sequence_classification
from mlr_jax.nn.bert import BERT
from mlr_jax.supervised.classification import Hypers

MODEL = TextClassifier(BERT(11, 8, depth=1, heads=2, width=8), 3)
TASK = sequence_classification(MODEL)
START = jax.jit(TASK.init)(jax.random.key(0))
encode, evaluate = jax.jit(MODEL.encoder.apply), jax.jit(TASK.evaluate)
ROWS = [np.array(row) for row in ([1, 2, 3], [4, 5, 6, 7, 8], [9])]
Y = np.array([0, 2, 1], np.int32)


@pytest.fixture(scope="module")
def variables():
    """Not as they start: the last layer's kernel is zero there."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: leaf + 0.3 * rng.normal(size=leaf.shape).astype(np.float32), START)


def log_probs_by_hand(variables, row):
    """Of one text without any padding."""
    params = variables["params"]
    features = encode({"params": params["encoder"]}, row[None])[0]
    logits = np.asarray(features).mean(0) @ np.asarray(params["head"]["kernel"]) + np.asarray(params["head"]["bias"])
    return logits - np.log(np.exp(logits).sum())


@pytest.mark.parametrize("length", [5, 8])
def test_losses_are_those_of_each_text_alone_however_far_it_is_padded(variables, length):
    batch = {**padded(ROWS, length), "y": Y}
    batch["x"] = np.where(batch["token_mask"] > 0, batch["x"], 10)
    wanted = np.stack([log_probs_by_hand(variables, row) for row in ROWS])
    found = evaluate(variables, batch)
    np.testing.assert_allclose(found["loss"], -wanted[range(3), Y], rtol=1e-4)
    np.testing.assert_array_equal(found["accuracy"], wanted.argmax(1) == Y)
    batch["mask"] = np.array([1, 0, 1], np.float32)
    smoothed, (_, metrics) = jax.jit(TASK.loss)(variables, batch, jax.random.key(0), Hypers(label_smoothing=0.3))
    by_row = -0.7 * wanted[range(3), Y] - 0.3 * wanted.mean(1)
    np.testing.assert_allclose(smoothed, by_row[[0, 2]].mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], (wanted.argmax(1) == Y)[[0, 2]].mean())


def test_all_classes_are_equally_likely_before_training():
    found = evaluate(START, {**padded(ROWS, 5), "y": Y})
    np.testing.assert_allclose(found["loss"], np.log(3), rtol=1e-6)


def test_it_learns_which_of_two_words_comes_first():
    """The same words in both classes: their mean without positions and attention would tell nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=(200, 32)).astype(np.int32)
    filling = rng.integers(3, 11, size=(200, 32, 4))
    x = np.concatenate([np.where(y[..., None] > 0, [1, 2], [2, 1]), filling], axis=-1)[..., [2, 0, 3, 1, 4, 5]]
    batches = {"x": jnp.asarray(x, jnp.int32), "y": jnp.asarray(y)}
    task = sequence_classification(TextClassifier(BERT(11, 6, depth=1, heads=2, width=16), 2))
    learner = gradient_learner(task, adamw())
    _, metrics = scan(learner, 200)(jax.jit(learner.init)(jax.random.key(0), Hypers(1e-2)), batches)
    assert metrics["accuracy"][:10].mean() < 0.75
    assert metrics["accuracy"][-20:].mean() > 0.97
