"""Trees beside an exhaustive search and scikit-learn's exact trees."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from classical import tree_by_hand
from sklearn import datasets
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlr_jax.classical import tree, tree_search
from mlr_jax.classical.binning import bin_rows
from mlr_jax.classical.tree import Hypers, fit, predict
from mlr_jax.classical.tree_criteria import entropy, gini, squared_error
from mlr_jax.classical.tree_structure import apply, importances

IMPURITIES = {"gini": gini, "entropy": entropy, "squared_error": squared_error}
compiled = jax.jit(fit, static_argnames=("num_classes", "impurity", "max_depth", "max_bins"))


def random_rows(rows=48):
    """Three columns with missing values, three classes, a number, and weights with zeros among them."""
    rng = np.random.default_rng(4)
    x = np.round(rng.normal(size=(rows, 3)), 2)
    score = x @ [1, -2, 0.5] + 0.5 * rng.normal(size=rows)
    x[rng.random(x.shape) < 0.15] = np.nan
    weight = np.where(rng.random(rows) < 0.2, 0, rng.uniform(0.5, 2, rows))
    return x, np.digitize(score, [-1, 1]), score, weight


@pytest.mark.parametrize(("min_leaf_weight", "min_decrease"), [(2.5, 0.0), (4.0, 0.02)])
@pytest.mark.parametrize("name", IMPURITIES)
def test_every_split_is_the_best_of_all(name, min_leaf_weight, min_decrease):
    x, label, number, weight = random_rows()
    y, num_classes = (number, None) if name == "squared_error" else (label, 3)
    with jax.enable_x64(True):
        grown = compiled(
            Hypers(min_leaf_weight, min_decrease), x, y, weight,
            num_classes=num_classes, impurity=IMPURITIES[name], max_depth=3,
        )  # fmt: skip
    expected = tree_by_hand.tree(
        x, y, weight, getattr(tree_by_hand, name), max_depth=3,
        min_leaf_weight=min_leaf_weight, min_gain=min_decrease * weight.sum(),
    )  # fmt: skip
    assert len(expected) > 6
    for node, (question, gain, y_there, weight_there) in expected.items():
        shares = (
            np.bincount(y_there, weight_there, 3) / weight_there.sum()
            if num_classes
            else np.average(y_there, weights=weight_there)
        )
        np.testing.assert_allclose(grown.value[node], shares, atol=1e-9)
        if question is None:
            assert node >= len(grown.feature) or grown.feature[node] == -1
            continue
        assert (grown.feature[node], grown.missing_left[node]) == (question[0], question[2])
        np.testing.assert_allclose(grown.threshold[node], question[1], rtol=1e-9)
        np.testing.assert_allclose(grown.gain[node], gain / weight.sum(), rtol=1e-6)
    assert np.sum(grown.feature >= 0) == sum(question is not None for question, *_ in expected.values())


@pytest.mark.parametrize("depth", [2, 4])
@pytest.mark.parametrize("criterion", ["gini", "entropy"])
@pytest.mark.parametrize("load", [datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer])
def test_classification_equals_the_exact_tree(load, criterion, depth):
    x, y = load(return_X_y=True)
    peer = DecisionTreeClassifier(criterion=criterion, max_depth=depth, random_state=0).fit(np.float32(x), y)
    grown = compiled(
        Hypers(), np.float32(x), y, num_classes=y.max() + 1, impurity=IMPURITIES[criterion], max_depth=depth,
        max_bins=600,
    )  # fmt: skip
    decrease = peer.tree_.compute_feature_importances(normalize=False).sum()
    np.testing.assert_allclose(np.sum(grown.gain), decrease, rtol=1e-5)
    accuracy = np.mean(np.argmax(predict(grown, np.float32(x)), axis=1) == y)
    assert accuracy == pytest.approx(peer.score(np.float32(x), y))


def test_regression_equals_the_exact_tree_split_for_split():
    x, y = (part.astype(np.float32) for part in datasets.load_diabetes(return_X_y=True))
    peer = DecisionTreeRegressor(max_depth=3, random_state=0).fit(x, y)
    grown = compiled(Hypers(), x, y, max_depth=3, max_bins=600)
    np.testing.assert_allclose(predict(grown, x), peer.predict(x), rtol=1e-5)
    np.testing.assert_allclose(importances(grown, 10), peer.feature_importances_, atol=1e-4)
    in_order = [0, 1, 3, 7, 8, 4, 9, 10, 2, 5, 11, 12, 6, 13, 14]  # scikit-learn numbers depth first
    nodes = [node for node in in_order if node < 7]
    split = peer.tree_.feature >= 0
    np.testing.assert_array_equal(grown.feature[np.array(nodes)], peer.tree_.feature[split])
    np.testing.assert_allclose(grown.threshold[np.array(nodes)], peer.tree_.threshold[split], rtol=1e-5)


def test_where_bins_are_fewer_than_values_the_held_out_score_is_as_good():
    x, y = datasets.load_digits(return_X_y=True)
    x = np.float32(x)
    ours, theirs = [], []
    for train, test in KFold(3, shuffle=True, random_state=0).split(x):
        weight = np.zeros(len(y), np.float32)
        weight[train] = 1
        grown = compiled(Hypers(), x, y, weight, num_classes=10, max_depth=6, max_bins=12)
        ours.append(np.mean(np.argmax(predict(grown, x[test]), axis=1) == y[test]))
        theirs.append(
            DecisionTreeClassifier(max_depth=6, random_state=0).fit(x[train], y[train]).score(x[test], y[test])
        )
    assert np.mean(ours) > np.mean(theirs) - np.std(theirs) / np.sqrt(3) - 0.01


def test_a_balanced_xor_is_learned_though_its_first_split_gains_nothing():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([0, 1, 1, 0])
    np.testing.assert_array_equal(predict(fit(Hypers(), x, y, num_classes=2, max_depth=2), x), np.eye(2)[y])
    np.testing.assert_allclose(predict(fit(Hypers(), x, y, max_depth=2), x), y, atol=1e-6)


def test_a_missing_value_that_tells_the_class_is_used():
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    y = np.arange(50) % 3 // 2
    x[y == 1, 1] = np.nan
    grown = fit(Hypers(), x, y, num_classes=2, max_depth=1)
    assert (grown.feature[0], grown.threshold[0], grown.missing_left[0]) == (1, np.inf, False)
    np.testing.assert_array_equal(predict(grown, x), np.eye(2)[y])


def test_a_weight_is_a_repetition_and_zero_is_absence():
    x, label, _, _ = random_rows()
    weight = np.random.default_rng(1).integers(0, 3, len(label))
    junk = np.where((weight > 0)[:, None], x, 9.0)
    grown = compiled(Hypers(2.0), np.float32(junk), label, weight, num_classes=3, max_depth=3)
    repeated = compiled(Hypers(2.0), np.float32(x.repeat(weight, 0)), label.repeat(weight), num_classes=3, max_depth=3)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), grown, repeated)
    nan = np.where((weight > 0)[:, None], x, np.nan)
    number = np.where(weight > 0, label, np.nan)
    same = compiled(Hypers(2.0), np.float32(nan), number, weight, max_depth=3)
    clean = compiled(Hypers(2.0), np.float32(junk), np.float64(label), weight, max_depth=3)
    jax.tree.map(np.testing.assert_array_equal, same, clean)


def test_hypers_and_weights_are_axes_of_one_program_on_shared_bins():
    x, label, _, weight = random_rows()
    binned = bin_rows(x, max_bins=255)
    weights = np.stack([weight > 0, weight[::-1] > 0])
    leaves = jnp.array([1.0, 5.0])
    one = partial(compiled, num_classes=3, max_depth=3)
    many = jax.vmap(lambda least, weight: one(Hypers(least), binned, label, weight))(leaves, weights)
    for row in range(2):
        solo = one(Hypers(leaves[row]), binned, label, weights[row])
        np.testing.assert_array_equal(many.feature[row], solo.feature)
        np.testing.assert_allclose(many.value[row], solo.value, rtol=1e-5)


def test_new_hypers_and_labels_compile_nothing_new():
    x, label, _, _ = random_rows()
    traces = []

    @jax.jit
    def train(hypers, y):
        traces.append(1)
        return fit(hypers, x, y, num_classes=3, max_depth=2)

    for least in (1.0, 3.0):
        train(Hypers(jnp.float32(least), jnp.float32(0)), label)
    assert len(traces) == 1


@pytest.mark.parametrize("impurity", [None, squared_error])
def test_nodes_that_are_searched_in_groups_are_split_alike(monkeypatch, impurity):
    x, label, number, weight = random_rows()
    y, num_classes = (label, 3) if impurity is None else (number.astype(np.float32), None)
    whole = fit(Hypers(), x, y, weight, num_classes=num_classes, max_depth=4)
    monkeypatch.setattr(tree_search, "SMALL_TABLE", 1)  # one node at a time
    groups = fit(Hypers(), x, y, weight, num_classes=num_classes, max_depth=4)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), whole, groups)


def test_every_row_stops_at_the_leaf_of_its_kind():
    x, label, _, _ = random_rows()
    x = np.float32(x)
    grown = compiled(Hypers(), x, label, num_classes=3, max_depth=3)
    stops = apply(grown, x)
    for node in np.unique(stops):
        assert node >= 7 or grown.feature[node] == -1
        np.testing.assert_allclose(
            grown.value[node], np.bincount(label[stops == node], minlength=3) / np.sum(stops == node)
        )


def test_importances_are_shares_and_a_lone_root_has_none():
    x, label, _, _ = random_rows()
    grown = compiled(Hypers(), np.float32(x), label, num_classes=3, max_depth=3)
    np.testing.assert_allclose(np.sum(importances(grown, 3)), 1, rtol=1e-6)
    lone = compiled(Hypers(1e9), np.float32(x), label, num_classes=3, max_depth=3)
    np.testing.assert_array_equal(importances(lone, 3), [0, 0, 0])
    np.testing.assert_allclose(predict(lone, np.float32(x))[0], np.bincount(label) / len(label), rtol=1e-6)


def test_the_estimators_fit_and_predict():
    x, label, number, weight = random_rows()
    key = jax.random.key(0)
    for estimator, y, shape in (
        (tree.tree_classifier(3, max_depth=3), label, (48, 3)),
        (tree.tree_regressor(max_depth=3), number, (48,)),
    ):
        assert estimator.predict(estimator.fit(key, Hypers(), x, y, weight), x).shape == shape


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"max_depth": 0}, "max_depth: got 0, allowed are 1 to 20"),
        ({"max_depth": 21}, "max_depth: got 21"),
        ({"num_classes": 0}, "num_classes: got 0"),
        ({"max_bins": 1}, "max_bins: got 1"),
    ],
)
def test_a_wrong_size_is_named(keywords, message):
    with pytest.raises(ValueError, match=message):
        fit(Hypers(), np.ones((4, 1)), np.zeros(4, np.int32), **keywords)
