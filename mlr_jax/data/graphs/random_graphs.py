"""Random graphs by type, for tests and for trying things without a data set: the same seed, the same graphs."""

import numpy as np

from mlr_jax.data.arrays import check_seed
from mlr_jax.data.graphs.records import GraphSet, NodeSet, both_ways, check_node_set, one_graph, one_hot


def planted_partition(
    *,
    seed: int,
    num_nodes: int = 300,
    num_classes: int = 3,
    within: float = 4.0,
    between: float = 1.0,
    num_words: int = 60,
    topical: float = 0.15,
    common: float = 0.03,
) -> NodeSet:
    """A planted partition (Condon & Karp, 2001) with words: nodes of one class are joined more often, and share words.

    A node has `within` neighbours of its own class and `between` of others, in the mean. Each class owns an equal part
    of the words; a node has a word of its class with the chance `topical` and any other with the chance `common`, so
    that neither the words nor the edges alone say everything. Split: 10 nodes of each class to train, then a third of
    the rest to validate and the others to test.

    Raises ValueError for numbers that make no such graph.
    """
    check_seed(seed)
    size = num_nodes / num_classes
    if num_classes < 2 or size < 20 or num_words < num_classes:
        raise ValueError(
            "planted_partition: at least 2 classes, 20 nodes a class and a word a class are needed, got "
            f"{num_classes}, {size:g} and {num_words}"
        )
    inside, outside = within / size, between / (num_nodes - size)
    if not (0 <= inside <= 1 and 0 <= outside <= 1):
        raise ValueError(f"planted_partition: got within {within} and between {between}, more than there are nodes")
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(num_nodes) % num_classes).astype(np.int32)
    first, second = np.triu_indices(num_nodes, 1)
    joined = rng.random(len(first)) < np.where(y[first] == y[second], inside, outside)
    senders, receivers = both_ways(np.stack([first[joined], second[joined]], axis=1))
    owner = np.arange(num_words) * num_classes // num_words
    chance = np.where(y[:, None] == owner, topical, common)
    nodes = (rng.random((num_nodes, num_words)) < chance).astype(np.float32)
    order = rng.permutation(num_nodes).astype(np.int32)
    train = np.concatenate([order[y[order] == k][:10] for k in range(num_classes)])
    rest = order[~np.isin(order, train)]
    validation, test = np.split(rest, [len(rest) // 3])
    names = tuple(f"class {k}" for k in range(num_classes))
    return check_node_set(NodeSet(one_graph(nodes, senders, receivers), y, train, validation, test, names))


def uniform_graph(
    *, seed: int, num_nodes: int, num_edges: int, num_features: int = 16, num_classes: int = 4
) -> NodeSet:
    """Nodes with normal features and `num_edges` directed edges between nodes of one class, but for a tenth of them.

    Made in time and memory of its edges, so that graphs may be large. Half of the nodes train, a quarter validates.
    """
    check_seed(seed)
    if num_nodes < 4 * num_classes:
        raise ValueError(f"uniform_graph: at least 4 nodes a class are needed, got {num_nodes} for {num_classes}")
    rng = np.random.default_rng(seed)
    y = (np.arange(num_nodes) % num_classes).astype(np.int32)
    receivers = rng.integers(0, num_nodes, num_edges)
    peers = rng.integers(0, num_nodes // num_classes, num_edges) * num_classes + y[receivers]
    senders = np.where(rng.random(num_edges) < 0.1, rng.integers(0, num_nodes, num_edges), peers)
    centres = rng.normal(size=(num_classes, num_features))
    nodes = (0.5 * centres[y] + rng.normal(size=(num_nodes, num_features))).astype(np.float32)
    order = rng.permutation(num_nodes).astype(np.int32)
    train, validation, test = np.split(order, [num_nodes // 2, 3 * num_nodes // 4])
    names = tuple(f"class {k}" for k in range(num_classes))
    return NodeSet(one_graph(nodes, senders, receivers), y, train, validation, test, names)


def trees_and_cycles(*, seed: int, num_graphs: int = 100, least: int = 6, most: int = 16) -> GraphSet:
    """Half of the graphs are random trees, class 0, half have one cycle, class 1; `least` to `most` nodes each.

    A cycle has 3 to all nodes, the others hang on it as trees. Features of a node: its degree as one of 1, 2, 3, and 4
    or more. A tree on n nodes has n - 1 edges, a graph with one cycle n: no node knows, the sum over nodes does.
    """
    check_seed(seed)
    if not 3 <= least <= most:
        raise ValueError(f"trees_and_cycles: sizes must be 3 <= least <= most, got {least} and {most}")
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(num_graphs) % 2).astype(np.int32)
    graphs = []
    for label in y:
        size = int(rng.integers(least, most + 1))
        ring = int(rng.integers(3, size + 1)) if label else 1
        cycle = [(k, (k + 1) % ring) for k in range(ring)] if label else []
        tree = [(int(rng.integers(0, k)), k) for k in range(ring, size)]
        senders, receivers = both_ways(np.array(cycle + tree))
        renamed = rng.permutation(size)
        degree = np.bincount(renamed[receivers], minlength=size)
        graphs.append(one_graph(one_hot(np.minimum(degree, 4) - 1, 4), renamed[senders], renamed[receivers]))
    return GraphSet(graphs, y, ("tree", "cycle"))
