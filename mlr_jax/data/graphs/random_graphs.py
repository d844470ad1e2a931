"""Random graphs by type, for tests and for trying things without a data set: the same seed, the same graphs."""

import numpy as np

from mlr_jax.data.arrays import check_seed
from mlr_jax.data.graphs.molecules import Molecule, hydrogens, to_graph
from mlr_jax.data.graphs.records import GraphSet, NodeSet, both_ways, check_node_set, one_graph, one_hot

MOST_PLANTED = 20_000
"""Nodes whose pairs, 200 million, fit into memory."""


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
    the rest to validate and the others to test. Each pair of nodes is drawn: for more nodes there is `uniform_graph`.

    Raises ValueError for numbers that make no such graph, and for more than 20,000 nodes.
    """
    check_seed(seed)
    if num_nodes > MOST_PLANTED:
        raise ValueError(f"num_nodes: got {num_nodes}, allowed are at most {MOST_PLANTED}, as all pairs are drawn")
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


def random_molecules(*, seed: int, num_graphs: int = 200, least: int = 4, most: int = 16) -> GraphSet:
    """Graphs like molecules, with the features of `molecules.to_graph`, and a number that depends on atoms and bonds.

    Each is a random tree of C, N and O, within their valences, with double bonds and a ring here and there. The number
    is made up: each oxygen with hydrogens adds 1, each double bond between C and O takes 0.5, each ring takes 0.8, and
    there is noise of 0.1.
    """
    check_seed(seed)
    rng = np.random.default_rng(seed)
    graphs, y = [], []
    for _ in range(num_graphs):
        molecule = _molecule(rng, int(rng.integers(least, most + 1)))
        graphs.append(to_graph(molecule))
        y.append(_made_up(molecule) + 0.1 * rng.normal())
    return GraphSet(graphs, np.array(y, np.float32))


def _molecule(rng: np.random.Generator, size: int) -> Molecule:
    elements = ["C", *rng.choice(["C", "N", "O"], size - 1, p=[0.7, 0.12, 0.18])]
    free = [{"C": 4, "N": 3, "O": 2}[element] for element in elements]
    bonds: dict[tuple[int, int], int] = {}

    def join(first: int, second: int, order: int) -> None:
        bonds[first, second] = order
        free[first] -= order
        free[second] -= order

    for atom in range(1, size):
        open_atoms = [other for other in range(atom) if free[other] > 0]
        if not open_atoms:  # all are full: the rest has no place
            elements, free = elements[:atom], free[:atom]
            break
        other = int(rng.choice(open_atoms))
        join(other, atom, 2 if rng.random() < 0.2 and min(free[other], free[atom]) > 1 else 1)
    for first in range(len(elements) - 4):
        second = first + 4
        if rng.random() < 0.15 and min(free[first], free[second]) > 0 and (first, second) not in bonds:
            join(first, second, 1)
    pairs = np.array(list(bonds), int).reshape(-1, 2)
    return Molecule("", elements, np.zeros(len(elements), int), pairs, np.array(list(bonds.values()), int), {})


def _made_up(molecule: Molecule) -> float:
    oxygens = sum(
        element == "O" and count > 0 for element, count in zip(molecule.elements, hydrogens(molecule), strict=True)
    )
    ends = [{molecule.elements[atom] for atom in pair} for pair in molecule.bonds[molecule.orders == 2]]
    rings = len(molecule.bonds) - len(molecule.elements) + 1
    return oxygens - 0.5 * sum(pair == {"C", "O"} for pair in ends) - 0.8 * rings
