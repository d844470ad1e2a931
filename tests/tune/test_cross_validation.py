from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, StratifiedKFold, TimeSeriesSplit
from sklearn.model_selection import cross_val_predict as sk_predict
from sklearn.model_selection import cross_validate as sk_cross_validate
from sklearn.naive_bayes import GaussianNB
from tune.tiny_estimators import Hypers, NoHypers, guess, mean, ridge

from mlr_jax.classical.naive_bayes import GaussianHypers, gaussian, naive_bayes
from mlr_jax.core.parallel import device_mesh
from mlr_jax.core.sweep import MEMBER_AXIS
from mlr_jax.core.types import Estimator
from mlr_jax.ops.metrics import classification, ranking, regression
from mlr_jax.tune.cross_validation import cross_val_predict, cross_validate
from mlr_jax.tune.folds import Folds, from_indices, k_fold, partition, time_series
from mlr_jax.tune.grid import grid
from mlr_jax.tune.layout import Layout

X, Y = load_diabetes(return_X_y=True)
X, Y = X[:120], Y[:120]
ALPHAS = [1e-3, 1e-2, 0.1, 1.0]
OTHER_MESH = Layout(mesh=device_mesh(2, "other"))
METRICS = {"r2": regression.r2, "mae": regression.mean_absolute_error}
SK_METRICS = {"r2": "r2", "mae": "neg_mean_absolute_error"}
FOLDS = partition(k_fold(120, 5, seed=0))
keys = jax.vmap(jax.random.key)(jnp.arange(3))


def scikit_learn(estimators, splits, x, y, scoring, **options):
    """The loop that it writes: by name of the score, [F, M]."""
    results = [sk_cross_validate(model, x, y, cv=splits, scoring=scoring, **options) for model in estimators]
    return {
        (part, name): np.stack([result[f"{part}_{name}"] for result in results], axis=1)
        * (-1 if scorer.startswith("neg_") else 1)
        for part in ("test", "train")
        for name, scorer in scoring.items()
        if f"{part}_{name}" in results[0]
    }


def pairs(folds):
    return [(np.flatnonzero(train), test[test >= 0]) for train, test in zip(folds.train, folds.test, strict=True)]


def ragged_folds():
    return from_indices(120, GroupKFold(4).split(X, groups=np.random.default_rng(0).integers(0, 7, 120)))


@pytest.mark.parametrize(
    "folds",
    [FOLDS, ragged_folds(), time_series(120, 3, gap=2)],
    ids=["partition", "folds of unequal sizes", "time series"],
)
def test_scores_are_those_of_a_scikit_learn_loop(folds):
    expected = scikit_learn([Ridge(alpha) for alpha in ALPHAS], pairs(folds), X, Y, SK_METRICS, return_train_score=True)
    with jax.enable_x64(True):
        scores = cross_validate(ridge, grid(Hypers(), alpha=ALPHAS), folds, X, Y, metrics=METRICS, train_scores=True)
        for name in METRICS:
            np.testing.assert_allclose(scores.test[name][:, :, 0], expected["test", name], rtol=1e-9)
            np.testing.assert_allclose(scores.train[name][:, :, 0], expected["train", name], rtol=1e-9)
    assert scores.test["r2"].shape == (len(folds.train), 4, 1)
    assert scores.models is None


def test_a_classifier_too():
    x, y = load_iris(return_X_y=True)
    smoothings = [1e-9, 1e-2, 1.0]
    splits = list(StratifiedKFold(4, shuffle=True, random_state=0).split(x, y))
    scoring = {"accuracy": "accuracy", "log": "neg_log_loss", "auc": "roc_auc_ovr"}
    metrics = {"accuracy": classification.accuracy, "log": classification.log_loss, "auc": ranking.roc_auc}
    expected = scikit_learn([GaussianNB(var_smoothing=value) for value in smoothings], splits, x, y, scoring)
    estimator = naive_bayes(gaussian, 3)
    with jax.enable_x64(True):
        hypers = grid(GaussianHypers(), variance_smoothing=smoothings)
        scores = cross_validate(estimator, hypers, from_indices(150, splits), x, y, metrics=metrics)
        for name in metrics:
            np.testing.assert_allclose(scores.test[name][:, :, 0], expected["test", name], rtol=1e-8)


def test_weights_count_in_fits_and_scores():
    weight = np.random.default_rng(0).integers(0, 3, 120)
    junk = X.copy()
    junk[weight == 0] = np.nan
    repeated = np.repeat(np.arange(120), weight)
    splits = [
        (np.flatnonzero(train[repeated]), np.flatnonzero(np.isin(repeated, test)))
        for train, test in zip(FOLDS.train, FOLDS.test, strict=True)
    ]
    expected = scikit_learn([Ridge(alpha) for alpha in ALPHAS], splits, X[repeated], Y[repeated], SK_METRICS)
    with jax.enable_x64(True):
        scores = cross_validate(ridge, grid(Hypers(), alpha=ALPHAS), FOLDS, junk, Y, metrics=METRICS, weight=weight)
        for name in METRICS:
            np.testing.assert_allclose(scores.test[name][:, :, 0], expected["test", name], rtol=1e-9)


def test_models_are_kept_where_asked_for():
    scores = cross_validate(ridge, grid(Hypers(), alpha=ALPHAS), FOLDS, X, Y, metrics=METRICS, keep_models=True)
    coefficients, intercepts = scores.models
    assert coefficients.shape == (5, 4, 1, 10)
    assert intercepts.shape == (5, 4, 1)
    fitted = FOLDS.train[2]
    expected = Ridge(ALPHAS[1]).fit(X[fitted], Y[fitted])
    np.testing.assert_allclose(coefficients[2, 1, 0], expected.coef_, rtol=1e-3, atol=0.05)


def test_keys_are_those_of_every_fold_and_setting():
    hypers = grid(Hypers(), alpha=[0.0, 2.0])
    values = cross_validate(guess, hypers, FOLDS, X, Y, metrics={"p": lambda y, p, w: p[0]}, keys=keys).test["p"]
    means = [Y[train].mean() for train in FOLDS.train]
    draws = [float(jax.random.normal(key)) for key in keys]
    expected = np.add.outer(means, np.multiply.outer([0.0, 2.0], draws))
    np.testing.assert_allclose(values, expected, rtol=1e-5)


LAYOUTS = {
    "as the backend likes it": Layout(),
    "a member at a time": Layout(members_at_once=1),
    "one at a time": Layout(1, 1),
    "blocks that do not divide": Layout(2, 3),
    "devices": Layout(mesh=device_mesh(4, MEMBER_AXIS)),
    "devices, a member at a time": Layout(members_at_once=1, mesh=device_mesh(2, MEMBER_AXIS)),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same(layout):
    hypers = grid(Hypers(), alpha=ALPHAS)
    expected, scores = (
        cross_validate(guess, hypers, FOLDS, X, Y, metrics=METRICS, keys=keys, keep_models=True, layout=layout)
        for layout in (Layout(folds_at_once=5), layout)
    )
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), scores, expected)


def test_eight_devices_share_the_members():
    hypers = grid(Hypers(), alpha=np.logspace(-3, 1, 8))
    mesh = device_mesh(8, MEMBER_AXIS)
    alone = cross_validate(ridge, hypers, FOLDS, X, Y, metrics=METRICS, keep_models=True)
    spread = cross_validate(ridge, hypers, FOLDS, X, Y, metrics=METRICS, keep_models=True, layout=Layout(mesh=mesh))
    assert {shard.data.shape for shard in spread.test["r2"].addressable_shards} == {(5, 1, 1)}
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3), spread, alone)


def test_new_values_and_folds_compile_nothing_new():
    traces = []

    def fit(key, hypers, x, y, weight):
        traces.append(x)
        return ridge.fit(key, hypers, x, y, weight)

    counted = Estimator(fit, ridge.predict)
    for seed, alphas in enumerate([ALPHAS, [0.2, 0.3, 0.4, 0.5]]):
        folds = partition(k_fold(120, 5, seed))
        cross_validate(counted, grid(Hypers(), alpha=alphas), folds, X + seed, Y - seed, metrics=dict(METRICS))
    assert len(traces) == 1
    assert traces[0].shape == X.shape


def test_what_does_not_depend_on_hypers_is_computed_once_for_each_fold():
    """No product over the rows has the axis of the settings."""
    hypers = grid(Hypers(), alpha=np.logspace(-3, 1, 17))
    program = jax.jit(lambda x: cross_validate(ridge, hypers, FOLDS, x, Y, metrics=METRICS).test)
    text = program.lower(X.astype(np.float32)).as_text()
    grams = [line for line in text.splitlines() if "dot_general" in line and "120x10" in line]
    assert grams
    assert all("17x" not in line.split("->")[0] for line in grams)


def test_fields_that_are_shared_need_no_axis():
    one = cross_validate(ridge, Hypers(0.1), FOLDS, X, Y, metrics=METRICS).test["r2"]
    many = cross_validate(ridge, grid(Hypers(), alpha=ALPHAS), FOLDS, X, Y, metrics=METRICS).test["r2"]
    assert one.shape == (5, 1, 1)
    np.testing.assert_allclose(one[:, 0], many[:, 2], rtol=1e-4)
    none = cross_validate(mean, NoHypers(), FOLDS, X, Y, metrics=METRICS).test["r2"]
    assert none.shape == (5, 1, 1)


def test_it_runs_inside_another_program_and_is_differentiable():
    def loss(alpha):
        return cross_validate(ridge, Hypers(alpha), FOLDS, X, Y, metrics=METRICS).test["mae"].mean()

    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(loss))(0.1)
        np.testing.assert_allclose(slope, (loss(0.1 + 1e-5) - loss(0.1 - 1e-5)) / 2e-5, rtol=1e-5)


def test_rows_are_predicted_by_the_model_that_has_not_seen_them():
    folds = ragged_folds()
    expected = sk_predict(Ridge(0.1), X, Y, cv=pairs(folds))
    with jax.enable_x64(True):
        np.testing.assert_allclose(cross_val_predict(ridge, Hypers(0.1), folds, X, Y), expected, rtol=1e-9)
    fold_of_row = np.arange(120) % 4
    fold_of_row[-1] = 0  # the last row is tested first, by the longest fold
    folds = partition(fold_of_row)
    expected = sk_predict(Ridge(0.1), X, Y, cv=pairs(folds))
    np.testing.assert_allclose(cross_val_predict(ridge, Hypers(0.1), folds, X, Y), expected, rtol=1e-3)
    untested = cross_val_predict(ridge, Hypers(0.1), time_series(120, 3), X, Y)
    first = next(TimeSeriesSplit(3).split(X))[1][0]
    assert np.all(np.isnan(untested[:first]))
    assert np.all(np.isfinite(untested[first:]))
    x, y = load_iris(return_X_y=True)
    shares = cross_val_predict(naive_bayes(gaussian, 3), GaussianHypers(), partition(k_fold(150, 5, 0)), x, y)
    np.testing.assert_allclose(shares.sum(axis=1), np.ones(150), rtol=1e-5)


def test_labels_are_not_needed():
    scores = cross_validate(
        Estimator(lambda key, hypers, x, y, weight: weight @ x / jnp.sum(weight), lambda model, x: x @ model),
        NoHypers(), FOLDS, X, None, metrics={"mean": lambda y, p, w: w @ p},
    )  # fmt: skip
    assert scores.test["mean"].shape == (5, 1, 1)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: cross_validate(ridge, Hypers(), FOLDS, X, Y[:-1], metrics=METRICS), "y: got shape"),
        (lambda: cross_validate(ridge, Hypers(), FOLDS, X, Y, metrics=METRICS, weight=Y[:3]), "weight: got shape"),
        (
            lambda: cross_validate(ridge, Hypers(), Folds(FOLDS.train[:, :9], FOLDS.test), X, Y, metrics=METRICS),
            "folds: got train",
        ),
        (
            lambda: cross_validate(ridge, Hypers(), FOLDS, X, Y, metrics=METRICS, layout=Layout(0)),
            "folds_at_once: got 0, allowed are 1 and above",
        ),
        (
            lambda: cross_validate(
                ridge, grid(Hypers(), alpha=[1, 2, 3]), FOLDS, X, Y,
                metrics=METRICS, layout=LAYOUTS["devices"],
            ),
            "members: got 3, a multiple of the 4 devices is needed",
        ),
        (
            lambda: cross_validate(ridge, Hypers(), FOLDS, X, Y, metrics=METRICS, layout=OTHER_MESH),
            "mesh: got .* an axis named 'members' is needed",
        ),
    ],
)  # fmt: skip
def test_errors_are_one_line(run, message):
    with pytest.raises(ValueError, match=message) as error:
        run()
    assert "\n" not in str(error.value)
