import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.metrics import accuracy_score, log_loss

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.scan import repeat
from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers, classification, predict

rng = np.random.default_rng(0)
X = rng.normal(size=(12, 5)).astype(np.float32)
Y = rng.integers(0, 3, 12).astype(np.int32)
MASK = (np.arange(12) % 3 > 0).astype(np.float32)
KEY = jax.random.key(0)

model = MLP((), 3)  # its logits are x W + b
task = classification(model, (5,))
variables = jax.tree.map(lambda leaf: leaf + 0.1, task.init(KEY))
LOGITS = X @ np.array(variables["params"]["Dense_0"]["kernel"]) + np.array(variables["params"]["Dense_0"]["bias"])
LOSSES = -log_softmax(LOGITS, axis=1)[np.arange(12), Y]
RIGHT = LOGITS.argmax(1) == Y


@pytest.mark.parametrize("mask", [None, np.ones(12, np.float32), MASK, MASK > 0], ids=["none", "ones", "some", "bool"])
def test_training_loss_and_accuracy_are_means_over_the_real_rows(mask):
    batch = {"x": X, "y": Y} if mask is None else {"x": X, "y": Y, "mask": mask}
    kept = np.ones(12, bool) if mask is None else mask > 0
    loss, (_, metrics) = task.loss(variables, batch, KEY, Hypers())
    np.testing.assert_allclose(loss, LOSSES[kept].mean(), rtol=1e-5)
    np.testing.assert_allclose(loss, log_loss(Y[kept], softmax(LOGITS, axis=1)[kept], labels=[0, 1, 2]), rtol=1e-5)
    np.testing.assert_allclose(metrics["accuracy"], accuracy_score(Y[kept], LOGITS[kept].argmax(1)), rtol=1e-6)
    assert loss.dtype == metrics["accuracy"].dtype == jnp.float32


def test_label_smoothing_enters_the_training_loss_only():
    targets = 0.8 * np.eye(3)[Y] + 0.2 / 3
    loss, _ = task.loss(variables, {"x": X, "y": Y}, KEY, Hypers(label_smoothing=0.2))
    np.testing.assert_allclose(loss, -(targets * log_softmax(LOGITS, axis=1)).sum(1).mean(), rtol=1e-5)


@pytest.mark.parametrize("batch", [{"x": X, "y": Y}, {"x": X, "y": Y, "mask": np.ones(12)}], ids=["none", "ones"])
def test_evaluation_gives_loss_and_accuracy_of_each_row(batch):
    values = task.evaluate(variables, batch)
    np.testing.assert_allclose(values["loss"], LOSSES, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(values["accuracy"], RIGHT)


def test_predictions_are_probabilities():
    probabilities = predict(model, variables, X)
    np.testing.assert_allclose(probabilities, softmax(LOGITS, axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(1), np.ones(12), rtol=1e-6)
    half = predict(model, jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), variables), X.astype(jnp.bfloat16))
    assert half.dtype == jnp.float32
    np.testing.assert_allclose(half.sum(1), np.ones(12), rtol=1e-6)


def test_collections_are_updated_from_the_real_rows_and_kept_in_evaluation():
    cnn_task = classification(CNN((2,), 3, hidden=4), (4, 4, 1))
    start = jax.jit(cnn_task.init)(KEY)
    images = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    padded = np.concatenate([images, np.full_like(images, np.nan)])
    loss = jax.jit(lambda batch: cnn_task.loss(start, batch, KEY, Hypers())[1][0])
    full = loss({"x": images, "y": Y[:6]})
    part = loss({"x": padded, "y": Y, "mask": (np.arange(12) < 6).astype(np.float32)})
    assert set(full) == {"params", "batch_stats"}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), part, full)
    moved = jax.tree.map(lambda new, old: bool((new != old).any()), full["batch_stats"], dict(start)["batch_stats"])
    assert all(jax.tree.leaves(moved))


def test_the_model_is_told_when_it_trains_and_gets_key_and_mask():
    class Witness(nn.Module):
        @nn.compact
        def __call__(self, x, *, train=False, mask=None):
            logits = nn.Dense(3)(x)
            if not train:
                return logits
            return logits + jax.random.normal(self.make_rng("dropout"), logits.shape) * mask[:, None]

    noisy = classification(Witness(), (5,))
    start, batch = noisy.init(KEY), {"x": X, "y": Y}
    losses = {float(noisy.loss(start, batch, jax.random.key(seed), Hypers())[0]) for seed in (0, 1)}
    silent = noisy.loss(start, {**batch, "mask": 0 * MASK}, KEY, Hypers())[0]
    assert len(losses) == 2
    assert silent == 0
    np.testing.assert_array_equal(*[noisy.evaluate(start, batch)["loss"] for _ in range(2)])


def test_it_learns_what_can_be_learned():
    learner = gradient_learner(classification(MLP((16,), 3), (5,)), adamw())
    state, metrics = repeat(learner, 300)(learner.init(KEY, Hypers(3e-2)), {"x": X, "y": Y})
    assert metrics["loss"][0] > 0.5
    assert metrics["loss"][-1] < 0.01
    assert metrics["accuracy"][-1] == 1
    assert learner.evaluate(state, {"x": X, "y": Y})["accuracy"].mean() == 1


def test_the_default_hypers_decay_clip_and_smooth_nothing():
    assert Hypers()[1:] == (0.0, math.inf, 0.0)
