import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from mlr_jax.report.figures import tree
from mlr_jax.report.trees import Tree, weights_of


def heap_of(grown, depth):
    """scikit-learn's tree in heap order."""
    size = 2 ** (depth + 1) - 1
    classes = grown.value.shape[-1]
    nodes = Tree(
        np.full(size, -1),
        np.zeros(size),
        np.ones(size, bool),
        np.zeros(size),
        np.zeros((size, classes)),
        np.zeros(size),
    )

    def place(node, index):
        nodes.weight[node], nodes.value[node] = grown.n_node_samples[index], grown.value[index, 0]
        nodes.impurity[node] = grown.impurity[index]
        if grown.children_left[index] >= 0:
            nodes.feature[node], nodes.threshold[node] = grown.feature[index], grown.threshold[index]
            nodes.is_leaf[node] = False
            place(2 * node + 1, grown.children_left[index])
            place(2 * node + 2, grown.children_right[index])

    place(0, 0)
    return nodes


@pytest.fixture(scope="module")
def iris():
    data = load_iris()
    grown = DecisionTreeClassifier(max_depth=3, random_state=0).fit(data.data, data.target).tree_
    return heap_of(grown, 3), data.feature_names, [str(name) for name in data.target_names], grown


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_split_and_leaf_is_written(iris, pixels):
    nodes, features, classes, grown = iris
    figure = tree(nodes, features, classes)
    said = words(figure)
    boxes = [text for text in said if "gini" in text]
    assert len(boxes) == grown.node_count
    assert sum("≤" in text for text in boxes) == (grown.children_left >= 0).sum()
    assert (
        "petal width (cm)\n≤ 0.8\nn = 150, gini 0.667" in boxes
        or "petal length (cm)\n≤ 2.45\nn = 150, gini 0.667" in boxes
    )
    assert "setosa\nn = 50, gini 0" in boxes
    assert {" yes ", " no "} <= set(said)
    assert not [text for text in said if "⋯" in text]
    assert pixels(figure).std() > 5


def test_no_two_boxes_of_a_level_overlap(iris):
    nodes, features, classes, _ = iris
    axes = tree(nodes, features, classes).axes[0]
    boxes = [text.get_position() for text in axes.texts if "gini" in text.get_text()]
    for level in {round(y) for _, y in boxes}:
        places = sorted(x for x, y in boxes if round(y) == level)
        assert (np.diff(places) >= 1).all()


def test_what_lies_below_the_levels_shown_is_hinted_at(iris):
    nodes, features, classes, _ = iris
    said = words(tree(nodes, features, classes, levels=2))
    assert len([text for text in said if "gini" in text]) == 3
    assert said.count("⋯") == 1


def test_a_regression_tree_tells_its_means(pixels):
    nodes = Tree(
        *map(np.array, ([0, -1, -1], [0.5, 0, 0], [False, True, True], [4, 1, 3], [2.0, 5.0, 1.0], [3.0, 0, 0]))
    )
    figure = tree(nodes, ["dose"], impurity="variance")
    assert "dose\n≤ 0.5\nmean 2\nn = 4, variance 3" in words(figure)
    assert "mean 5\nn = 1, variance 0" in words(figure)
    pixels(figure)


def test_rows_are_counted_on_their_whole_way():
    np.testing.assert_array_equal(weights_of(np.array([1, 1, 5, 6, 6]), 7), [5, 2, 3, 0, 0, 1, 2])


def test_values_that_do_not_fit_are_refused(iris):
    nodes, features, _, _ = iris
    with pytest.raises(ValueError, match=r"tree: value has shape \(15, 3\), wanted \(15, 2\)"):
        tree(nodes, features, ["a", "b"])
