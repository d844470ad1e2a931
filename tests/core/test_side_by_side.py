import jax
import numpy as np
import pytest
from learner_case import image_batch

from mlr_jax.core.gradient import gradient_learner
from mlr_jax.core.optimizers import adamw, sgd
from mlr_jax.core.scan import scan
from mlr_jax.core.side_by_side import side_by_side
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import SgdHypers, classification

TASK = classification(MLP((8,), 4), (8, 8, 1))
LEARNERS = {"adamw": gradient_learner(TASK, adamw()), "sgd": gradient_learner(TASK, sgd())}
HYPERS = SgdHypers(0.1)


def hypers_for(name, hypers):
    return hypers if name == "sgd" else hypers._replace(learning_rate=0.01 * hypers.learning_rate)


def test_each_learner_does_what_it_does_alone():
    batches = jax.tree.map(lambda *leaves: np.stack(leaves), *map(image_batch, range(4)))
    both = side_by_side(LEARNERS, hypers_for)
    state, metrics = scan(both, 4)(jax.jit(both.init)(jax.random.key(0), HYPERS), batches)
    evaluated = both.evaluate(state, image_batch(9))
    for name, learner in LEARNERS.items():
        start = jax.jit(learner.init)(jax.random.key(0), hypers_for(name, HYPERS))
        alone, alone_metrics = scan(learner, 4)(start, batches)
        for metric, values in alone_metrics.items():
            np.testing.assert_allclose(metrics[f"{name}_{metric}"], values, rtol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), alone.params, state[name].params)
        for metric, values in learner.evaluate(alone, image_batch(9)).items():
            np.testing.assert_allclose(evaluated[f"{name}_{metric}"], values, rtol=1e-5)
    assert len(metrics) == 6
    np.testing.assert_allclose(evaluated["loss"], (evaluated["adamw_loss"] + evaluated["sgd_loss"]) / 2, rtol=1e-6)


def test_rows_keep_their_weight():
    def weighted(learner):
        return learner._replace(evaluate=lambda *given: {**learner.evaluate(*given), "weight": given[1]["y"] + 1.0})

    both = side_by_side({name: weighted(learner) for name, learner in LEARNERS.items()}, hypers_for)
    batch = image_batch(0)
    evaluated = both.evaluate(jax.jit(both.init)(jax.random.key(0), HYPERS), batch)
    assert evaluated.keys() == {"adamw_loss", "adamw_accuracy", "sgd_loss", "sgd_accuracy", "loss", "weight"}
    np.testing.assert_array_equal(evaluated["weight"], batch["y"] + 1.0)


def test_nothing_beside_nothing_is_refused():
    with pytest.raises(ValueError, match="no learner"):
        side_by_side({})
