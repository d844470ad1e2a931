"""Molecules as graphs: atoms are nodes, bonds edges in both directions, hydrogens are counted and not drawn.

What a chemist reads off the drawing is computed here from atoms and bonds alone: implicit hydrogens by valence, rings
by breadth-first search, aromatic rings by Hueckel's rule of 4 n + 2 electrons (1931).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mlr_jax.data.graphs.records import one_graph
from mlr_jax.ops.graph import GraphsTuple

ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I", "H")
ATOM_FEATURES = (
    *ELEMENTS, "another element",
    "0 neighbours", "1 neighbour", "2 neighbours", "3 neighbours", "4 or more neighbours",
    "0 hydrogens", "1 hydrogen", "2 hydrogens", "3 or more hydrogens",
    "negative", "positive", "double bond", "triple bond", "in a ring", "aromatic",
)  # fmt: skip
BOND_FEATURES = ("single", "double", "triple", "aromatic", "in a ring")

_VALENCES = {
    "H": (1,), "B": (3,), "C": (4,), "N": (3, 5), "O": (2,), "F": (1,), "Si": (4,), "P": (3, 5), "S": (2, 4, 6),
    "Cl": (1, 3, 5, 7), "Br": (1, 3, 5), "I": (1, 3, 5),
}  # fmt: skip
_LARGEST_AROMATIC = 7


class Molecule(NamedTuple):
    """Atoms, bonds, and what is written about them.

    name:     the title
    elements: symbol of each atom, [A]
    charges:  int [A]
    bonds:    int [B, 2], each pair of atoms once
    orders:   int [B]: 1, 2, 3, and 4 for aromatic
    tags:     text by name
    """

    name: str
    elements: Sequence[str]
    charges: np.ndarray
    bonds: np.ndarray
    orders: np.ndarray
    tags: Mapping[str, str]


def to_graph(molecule: Molecule, name: str = "molecule") -> GraphsTuple:
    """nodes [A, 26] as `ATOM_FEATURES` and edges [2 B, 5] as `BOND_FEATURES`, all 0 or 1, of what `drawn_alike` makes.

    Raises ValueError, which begins with `name`, for a bond to an atom that is not there.
    """
    count, bonds = len(molecule.elements), molecule.bonds.reshape(-1, 2)
    outside = np.flatnonzero(((bonds < 0) | (bonds >= count)).any(axis=1))
    if outside.size:
        first, second = bonds[outside[0]] + 1
        raise ValueError(f"{name}, bond {outside[0] + 1}: atoms {first} and {second} of {count}")
    molecule = drawn_alike(molecule)
    count, bonds = len(molecule.elements), molecule.bonds
    rings = smallest_rings(count, bonds)
    in_ring, aromatic = _ring_bonds(rings, molecule), aromatic_bonds(rings, molecule)
    ends = np.concatenate([bonds[:, 0], bonds[:, 1]])
    atoms = [np.zeros((count, 0))]
    atoms += [_indicators([_place(element) for element in molecule.elements], 11)]
    atoms += [_indicators(np.bincount(ends, minlength=count), 5), _indicators(hydrogens(molecule), 4)]
    columns = [molecule.charges < 0, molecule.charges > 0]
    at_bond = [molecule.orders == 2, molecule.orders == 3, in_ring, aromatic]
    columns += [np.bincount(ends, np.tile(which, 2), minlength=count) > 0 for which in at_bond]
    kind = np.where(aromatic, 4, molecule.orders) - 1
    features = np.concatenate([_indicators(kind, 4), in_ring[:, None]], axis=1)
    senders, receivers = np.concatenate([bonds, bonds[:, ::-1]]).T
    nodes = np.concatenate([*atoms, np.stack(columns, axis=1)], axis=1)
    return one_graph(nodes, senders, receivers, np.tile(features, (2, 1)), name=name)


def counts(graphs: Sequence[GraphsTuple]) -> np.ndarray:
    """How often each feature occurs in each graph, and its nodes and edges: float32 [G, F + F_e + 2], for baselines."""
    rows = []
    for graph in graphs:
        parts = [graph.nodes.sum(0), graph.n_node, graph.n_edge]
        rows.append(np.concatenate(parts if graph.edges is None else [*parts, graph.edges.sum(0)]))
    return np.stack(rows).astype(np.float32)


def drawn_alike(molecule: Molecule) -> Molecule:
    """The molecule without hydrogens on heavier atoms, and with nitro groups as N+ and O-: both are drawn either way.

    Hydrogens that are taken away are counted by `hydrogens`, since the atom's valence is free again.
    """
    elements, charges, orders = np.array(molecule.elements), molecule.charges.copy(), molecule.orders.copy()
    bonds = molecule.bonds.reshape(-1, 2)
    for atom in np.flatnonzero((elements == "N") & (charges == 0)):
        at = np.flatnonzero((bonds == atom).any(axis=1) & (orders == 2))
        oxygens = bonds[at][bonds[at] != atom]
        if len(at) == 2 and (elements[oxygens] == "O").all():
            orders[at[1]] = 1
            charges[[atom, oxygens[1]]] = 1, -1
    degree = np.bincount(bonds.ravel(), minlength=len(elements))
    is_gone = np.zeros(len(elements), bool)
    for first, second in (*bonds, *bonds[:, ::-1]):
        is_gone[first] |= (
            elements[first] == "H" and elements[second] != "H" and degree[first] == 1 and not charges[first]
        )
    left = ~is_gone[bonds].any(axis=1)
    place = np.cumsum(~is_gone) - 1
    return molecule._replace(
        elements=elements[~is_gone].tolist(), charges=charges[~is_gone], bonds=place[bonds[left]], orders=orders[left]
    )


def hydrogens(molecule: Molecule) -> np.ndarray:
    """Hydrogens of each atom that the drawing leaves out, int [A]: what is missing to the next usual valence.

    A charge changes the valence: N+ and P+ bind one more, O- and S- one less, C+ and C- one less. Elements without
    usual valence, such as metals, have none.
    """
    orders = np.where(molecule.orders == 4, 1.5, molecule.orders)
    ends = molecule.bonds.reshape(-1, 2)
    used = np.bincount(np.concatenate([ends[:, 0], ends[:, 1]]), np.tile(orders, 2), minlength=len(molecule.elements))
    missing = []
    for element, charge, bound in zip(molecule.elements, molecule.charges, used, strict=True):
        change = -abs(charge) if element in ("C", "Si", "H") else -charge if element == "B" else charge
        usual = [valence + change for valence in _VALENCES.get(element, ()) if valence + change >= bound]
        missing.append(int(min(usual) - bound) if usual else 0)
    return np.array(missing, int)


def smallest_rings(count: int, bonds: np.ndarray) -> list[tuple[int, ...]]:
    """For each bond a shortest ring that it lies in, as atoms in order; each ring once."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for first, second in bonds:
        neighbours[first].append(int(second))
        neighbours[second].append(int(first))
    rings = {}
    for first, second in bonds.tolist():
        path = _path(neighbours, first, second)
        if len(path) > 2:
            rings[frozenset(path)] = tuple(path)
    return list(rings.values())


def aromatic_bonds(rings: Sequence[tuple[int, ...]], molecule: Molecule) -> np.ndarray:
    """Whether each bond lies in an aromatic ring, bool [B].

    A ring of five to seven atoms is aromatic if each of its atoms has electrons to share and they are 4 n + 2: one of
    an atom with a double bond inside rings, two of N, O or S with single bonds only, none of a carbon whose double bond
    leads out of the rings to O, N or S.
    """
    orders = {frozenset(pair): order for pair, order in zip(molecule.bonds.tolist(), molecule.orders, strict=True)}
    in_rings = {frozenset((ring[k - 1], ring[k])) for ring in rings for k in range(len(ring))}
    found = {pair for pair, order in orders.items() if order == 4}
    for ring in rings:
        shared = [_shared_electrons(atom, orders, in_rings, molecule) for atom in ring]
        if 5 <= len(ring) <= _LARGEST_AROMATIC and None not in shared and sum(filter(None, shared)) % 4 == 2:
            found |= {frozenset((ring[k - 1], ring[k])) for k in range(len(ring))}
    return np.array([frozenset(pair) in found for pair in molecule.bonds.tolist()], bool)


def _shared_electrons(atom: int, orders: Mapping, in_rings: set, molecule: Molecule) -> int | None:
    double = [pair for pair, order in orders.items() if atom in pair and order in (2, 4)]
    if any(pair in in_rings for pair in double):
        return 1
    if double:
        (other,) = double[0] - {atom}
        return 0 if molecule.elements[other] in ("O", "N", "S") and molecule.elements[atom] == "C" else None
    if any(atom in pair and order == 3 for pair, order in orders.items()):
        return None
    return 2 if molecule.elements[atom] in ("N", "O", "S", "Se") and molecule.charges[atom] <= 0 else None


def _ring_bonds(rings: Sequence[tuple[int, ...]], molecule: Molecule) -> np.ndarray:
    pairs = {frozenset((ring[k - 1], ring[k])) for ring in rings for k in range(len(ring))}
    return np.array([frozenset(pair) in pairs for pair in molecule.bonds.tolist()], bool)


def _path(neighbours: Sequence[Sequence[int]], start: int, end: int) -> list[int]:
    """A shortest way from start to end that does not take the bond between them; empty if there is none."""
    before = {start: start}
    frontier = [start]
    while frontier and end not in before:
        following = []
        for atom in frontier:
            for other in neighbours[atom]:
                if other not in before and (atom, other) != (start, end):
                    before[other] = atom
                    following.append(other)
        frontier = following
    path = [end] if end in before else []
    while path and path[-1] != start:
        path.append(before[path[-1]])
    return path


def _place(element: str) -> int:
    return ELEMENTS.index(element) if element in ELEMENTS else len(ELEMENTS)


def _indicators(values: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """One-hot rows; what is above the last column is in it."""
    return (np.minimum(np.asarray(values, int), count - 1)[:, None] == np.arange(count)).astype(np.float32)
