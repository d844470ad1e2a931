"""The detector: what it is told it finds, its loss by hand, and a set that it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from supervised.detection_cases import SIZE, box_batch, model, task

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw
from mlr_jax.core.schedules import one_cycle
from mlr_jax.nn.detector import STRIDES, Predictions
from mlr_jax.ops.metrics.detection import average_precision
from mlr_jax.supervised.detection import Hypers, detect, detection
from mlr_jax.supervised.detection_targets import assign, locations


class Told:
    """A model that predicts what it is given."""

    def __init__(self, predictions):
        self.predictions = predictions

    def apply(self, variables, x, **keywords):
        """The predictions, with the variables where training asks for them."""
        return (self.predictions, {}) if keywords else self.predictions


def perfect(batch, confidence=8.0):
    """Predictions that are the targets, and are never asked what they are not."""
    grid = locations(*SIZE, STRIDES)
    targets = jax.vmap(assign, in_axes=(None, 0, 0, 0))(grid, batch["boxes"], batch["y"], batch["is_box"])
    is_class = (jax.nn.one_hot(targets.label, 2) > 0) & targets.is_object[..., None]
    logits = jnp.where(is_class, confidence, -confidence)
    centreness = jnp.log(targets.centreness + 1e-6) - jnp.log1p(1e-6 - targets.centreness + 1e-6)
    return Predictions(logits, targets.distances, centreness), targets


def test_what_perfect_predictions_say_is_the_truth():
    batch = box_batch(0)
    predictions, targets = perfect(batch)
    found = detect(Told(predictions), {}, batch["x"], threshold=0.5, most=20)
    found = found._replace(scores=jnp.where(found.scores > 0.05, found.scores, 0))
    assert average_precision(batch, found, 2).map > 0.99
    terms = detection(Told(predictions), (*SIZE, 3)).evaluate({}, batch)
    objects = np.asarray(targets.is_object).sum(axis=1)
    np.testing.assert_allclose(terms["box_loss"], 0, atol=1e-5)
    entropy = jax.scipy.special.entr(targets.centreness) + jax.scipy.special.entr(1 - targets.centreness)
    entropy = jnp.where(targets.is_object, entropy, 0).sum(axis=1) / np.maximum(objects, 1)
    np.testing.assert_allclose(terms["centre_loss"], entropy, atol=1e-3)  # the least that it can be
    assert float(terms["class_loss"].max()) < 1e-3


def test_the_loss_of_a_batch_is_divided_by_the_objects_of_the_batch():
    batch = box_batch(0)
    predictions, targets = perfect(batch, confidence=0.0)
    loss = detection(Told(predictions), (*SIZE, 3)).loss
    _, (_, metrics) = loss({}, batch, jax.random.key(0), Hypers())
    locations_in_all, objects = targets.is_object.size, float(targets.is_object.sum())
    # With p = 1/2 everywhere each (location, class) loses a_t (1/2)^2 log 2.
    expected = (0.25 * objects + 0.75 * (2 * locations_in_all - objects)) * 0.25 * np.log(2) / objects
    np.testing.assert_allclose(metrics["class_loss"], expected, rtol=1e-5)


def test_bytes_are_images_in_0_to_1():
    batch = box_batch(0, rows=2)
    as_bytes = np.clip(np.round(batch["x"] * 255), 0, 255).astype(np.uint8)
    variables = jax.jit(task.init)(jax.random.key(0))
    first = task.evaluate(variables, {**batch, "x": as_bytes})
    second = task.evaluate(variables, {**batch, "x": as_bytes.astype(np.float32) / 255})
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-5)


def test_maps_that_do_not_fit_the_image_are_an_error():
    with pytest.raises(ValueError, match=r"backbone: got maps of .*, wanted \[\(5, 5\), .*"):
        jax.eval_shape(lambda key: model.init(key, jnp.zeros((1, 35, 35, 3))), jax.random.key(0))


@pytest.mark.timeout(120)
def test_it_learns_to_find_squares():
    learner = gradient_learner(task, adamw(one_cycle(150)))
    state = jax.jit(learner.init)(jax.random.key(0), Hypers(1e-2, 1e-4, 10.0))
    step = jax.jit(learner.step)
    for index in range(150):
        state, _ = step(state, box_batch(index))
    batch = box_batch(1000, rows=32)
    found = detect(model, {"params": state.params, **state.collections}, batch["x"], threshold=0.5, most=20)
    scores = average_precision(batch, found, 2)
    assert scores.map_50 > 0.8
