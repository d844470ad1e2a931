"""A decision tree by exhaustive search, in plain numpy: the reference of `classical/tree.py`."""

import numpy as np


def gini(y, weight):
    """The weight of the rows times their Gini impurity."""
    counts = np.bincount(y, weight)
    return counts.sum() - (counts**2).sum() / counts.sum()


def entropy(y, weight):
    """The weight of the rows times their entropy in bits."""
    counts = np.bincount(y, weight)
    counts = counts[counts > 0]
    return -(counts * np.log2(counts / counts.sum())).sum()


def squared_error(y, weight):
    """The weighted sum of squared deviations from the mean."""
    return weight @ (y - np.average(y, weights=weight)) ** 2


def splits(x):
    """Every way to part the rows: feature, threshold, whether missing values go left, and the mask of the left side."""
    for feature in range(x.shape[1]):
        column = x[:, feature]
        values, missing = np.unique(column[~np.isnan(column)]), np.isnan(column)
        thresholds = [*((values[1:] + values[:-1]) / 2), np.inf]
        for missing_left in (False, True):
            for threshold in thresholds:
                yield feature, threshold, missing_left, np.where(missing, missing_left, column <= threshold)


def best_split(x, y, weight, impurity, min_leaf_weight):
    """The gain, the question and the left side of the best split, or None."""
    best = None
    for feature, threshold, missing_left, left in splits(x):
        sides = weight[left].sum(), weight[~left].sum()
        if min(sides) < max(min_leaf_weight, 1e-9):
            continue
        gain = impurity(y, weight) - impurity(y[left], weight[left]) - impurity(y[~left], weight[~left])
        if best is None or gain > best[0] + 1e-9:
            knows = np.isnan(x[:, feature]).any()  # otherwise missing values go with the majority
            best = gain, (feature, threshold, missing_left if knows else sides[0] > sides[1]), left
    return best


def tree(x, y, weight, impurity, *, max_depth, min_leaf_weight=1.0, min_gain=0.0):
    """{node: (question or None, gain, y, weight of its rows)}, nodes numbered as in a heap."""
    nodes = {}

    def grow(node, rows, depth):
        found = None
        if depth < max_depth and impurity(y[rows], weight[rows]) > 1e-9:
            found = best_split(x[rows], y[rows], weight[rows], impurity, min_leaf_weight)
        if found is None or found[0] < min_gain:
            nodes[node] = None, 0.0, y[rows], weight[rows]
            return
        gain, question, left = found
        nodes[node] = question, gain, y[rows], weight[rows]
        grow(2 * node + 1, rows[left], depth + 1)
        grow(2 * node + 2, rows[~left], depth + 1)

    grow(0, np.flatnonzero(weight > 0), 0)
    return nodes
