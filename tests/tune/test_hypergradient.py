from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from tune.tiny_estimators import Hypers, ridge

from mlr_jax.ops.metrics import regression
from mlr_jax.tune.cross_validation import cross_validate
from mlr_jax.tune.folds import k_fold, partition
from mlr_jax.tune.grid import grid
from mlr_jax.tune.hypergradient import descend, validation_loss

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:120], Y[:120] / Y[:120].std()
FOLDS = partition(k_fold(120, 5, seed=0))


class Two(NamedTuple):
    a: float
    b: float


def loss_of(x):
    def loss(hypers):
        return validation_loss(ridge, hypers, FOLDS, x, Y, loss=regression.mean_squared_error)

    return loss


def test_the_loss_is_the_mean_over_folds():
    errors = []
    for train, test in zip(*FOLDS, strict=True):
        predicted = Ridge(0.1).fit(X[train], Y[train]).predict(X[test])
        errors.append(np.mean((predicted - Y[test]) ** 2))
    with jax.enable_x64(True):
        np.testing.assert_allclose(loss_of(X)(Hypers(0.1)), np.mean(errors), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.1, np.linspace(0.01, 2.0, 10)], ids=["one penalty", "one for each column"])
def test_the_slope_is_that_of_finite_differences(alpha):
    with jax.enable_x64(True):
        loss = jax.jit(loss_of(X))
        slope = jax.jit(jax.grad(loss_of(X)))(Hypers(alpha)).alpha
        direction = np.random.default_rng(0).normal(size=np.shape(alpha))
        ahead, behind = (loss(Hypers(alpha + 1e-6 * sign * direction)) for sign in (1, -1))
        np.testing.assert_allclose(np.sum(slope * direction), (ahead - behind) / 2e-6, rtol=1e-5)


def test_descent_of_one_penalty_reaches_the_best_of_a_fine_grid():
    alphas = np.logspace(-3, 1, 81)
    scores = cross_validate(
        ridge, grid(Hypers(), alpha=alphas), FOLDS, X, Y, metrics={"e": regression.mean_squared_error}
    )
    means = np.mean(scores.test["e"], axis=(0, 2))
    for start in (alphas[0], alphas[-1]):
        found = jax.jit(lambda start: descend(loss_of(X), Hypers(start), ["alpha"]))(start)
        assert found.loss <= means.min() * (1 + 1e-6)
        assert 0.9 < found.hypers.alpha / alphas[means.argmin()] < 1.1


def test_a_penalty_for_each_group_is_better_than_any_one_for_all():
    """Ten columns of noise, scaled up, beside those that say something: only a penalty of their own silences them."""
    noise = np.random.default_rng(0).normal(size=X.shape)
    x = np.concatenate([X, noise], axis=1)

    def objective(hypers):
        return loss_of(x)(Hypers(jnp.repeat(hypers.alpha, 10)))

    scores = cross_validate(
        ridge, grid(Hypers(), alpha=np.logspace(-3, 3, 61)), FOLDS, x, Y, metrics={"e": regression.mean_squared_error}
    )
    best_for_all = np.min(np.mean(scores.test["e"], axis=(0, 2)))
    found = jax.jit(lambda: descend(objective, Hypers(np.array([1.0, 1.0])), ["alpha"]))()
    assert found.loss < 0.95 * best_for_all
    assert found.hypers.alpha[1] > 100 * found.hypers.alpha[0]


def test_the_path_and_its_best_point():
    found = descend(lambda h: (jnp.log(h.alpha) - 1) ** 2, Hypers(1.0), ["alpha"], steps=30, optimizer=optax.sgd(0.9))
    assert found.losses.shape == found.path.alpha.shape == (31,)
    assert found.path.alpha[0] == 1.0
    np.testing.assert_allclose(found.losses, (np.log(found.path.alpha) - 1) ** 2, rtol=1e-4, atol=1e-6)
    assert found.loss == found.losses.min()
    np.testing.assert_allclose(found.hypers.alpha, np.e, rtol=1e-2)
    short = descend(lambda h: (jnp.log(h.alpha) - 1) ** 2, Hypers(1.0), ["alpha"], steps=1, optimizer=optax.sgd(0.25))
    np.testing.assert_allclose(short.losses, [1.0, 0.25], rtol=1e-5)
    np.testing.assert_allclose(short.hypers.alpha, np.exp(0.5), rtol=1e-5)


def test_an_optimizer_that_wants_the_loss_gets_it():
    run = partial(descend, loss_of(X), fields=["alpha"], steps=8, optimizer=optax.lbfgs())
    found, other = (jax.jit(run)(Hypers(start)) for start in (1e-2, 3.0))
    np.testing.assert_allclose(found.hypers.alpha, other.hypers.alpha, rtol=1e-2)


def test_a_point_without_a_loss_is_not_the_best():
    def objective(hypers):
        return jnp.where(hypers.alpha < 0.5, jnp.nan, hypers.alpha)

    found = descend(objective, Hypers(1.0), ["alpha"], steps=20, optimizer=optax.adam(0.1))
    assert np.isnan(found.losses[-1])
    assert 0.5 <= found.loss < 0.6


def test_other_fields_stay():
    found = descend(lambda h: (h.a - 3.0) ** 2 * h.b, Two(1.0, -5.0), ["a"], steps=3)
    np.testing.assert_array_equal(found.path.b, [-5.0] * 4)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="fields: got beta, allowed are alpha"):
        descend(lambda h: h.alpha, Hypers(), ["beta"])
    with pytest.raises(ValueError, match="fields: got none, allowed are alpha"):
        descend(lambda h: h.alpha, Hypers(), [])
    with pytest.raises(ValueError, match="steps: got 0"):
        descend(lambda h: h.alpha, Hypers(), ["alpha"], steps=0)
