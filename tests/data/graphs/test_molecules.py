import numpy as np
import pytest

from mlr_jax.data.graphs import molecules
from mlr_jax.data.graphs.molecules import ATOM_FEATURES, BOND_FEATURES, Molecule


def molecule(elements, bonds, charges=None):
    """Elements by their symbols, bonds as (atom, atom, order)."""
    elements = elements.split()
    table = np.array(bonds, int).reshape(-1, 3)
    charge = np.zeros(len(elements), int)
    for atom, value in (charges or {}).items():
        charge[atom] = value
    return Molecule("", elements, charge, table[:, :2], table[:, 2], {})


def ring(elements, orders, extra="", bonds=(), charges=None):
    count = len(elements.split())
    own = [(k, (k + 1) % count, order) for k, order in enumerate(orders)]
    return molecule(f"{elements} {extra}", [*own, *bonds], charges)


# Name: the molecule, its hydrogens in all, its aromatic bonds: textbook values, as RDKit has them.
KNOWN = {
    "methane": (molecule("C", []), 4, 0),
    "ethene": (molecule("C C", [(0, 1, 2)]), 4, 0),
    "hydrogen cyanide": (molecule("C N", [(0, 1, 3)]), 1, 0),
    "ammonium": (molecule("N", [], {0: 1}), 4, 0),
    "acetate": (molecule("C C O O", [(0, 1, 1), (1, 2, 2), (1, 3, 1)], {3: -1}), 3, 0),
    "sulfuric acid": (molecule("S O O O O", [(0, 1, 2), (0, 2, 2), (0, 3, 1), (0, 4, 1)]), 2, 0),
    "phosphoric acid": (molecule("P O O O O", [(0, 1, 2), (0, 2, 1), (0, 3, 1), (0, 4, 1)]), 3, 0),
    "tin": (molecule("Sn", []), 0, 0),
    "cyclohexane": (ring("C C C C C C", [1] * 6), 12, 0),
    "benzene": (ring("C C C C C C", [1, 2] * 3), 6, 6),
    "benzene, drawn with aromatic bonds": (ring("C C C C C C", [4] * 6), 6, 6),
    "pyridine": (ring("N C C C C C", [2, 1] * 3), 5, 6),
    "pyrrole": (ring("N C C C C", [1, 2, 1, 2, 1]), 5, 5),
    "pyrrole, its hydrogen drawn": (ring("N C C C C", [1, 2, 1, 2, 1], "H", [(0, 5, 1)]), 5, 5),
    "furan": (ring("O C C C C", [1, 2, 1, 2, 1]), 4, 5),
    "thiophene": (ring("S C C C C", [1, 2, 1, 2, 1]), 4, 5),
    "cyclopentadiene": (ring("C C C C C", [1, 2, 1, 2, 1]), 6, 0),
    "cyclobutadiene": (ring("C C C C", [1, 2, 1, 2]), 4, 0),
    "cyclooctatetraene": (ring("C C C C C C C C", [1, 2] * 4), 8, 0),
    "2-pyridone": (ring("N C C C C C", [1, 1, 2, 1, 2, 1], "O", [(1, 6, 2)]), 5, 6),
    "quinone": (ring("C C C C C C", [1, 2, 1, 1, 2, 1], "O O", [(0, 6, 2), (3, 7, 2)]), 4, 0),
    "naphthalene": (
        molecule(
            " ".join("C" * 10),
            [(0, 1, 2), (1, 2, 1), (2, 3, 2), (3, 4, 1), (4, 5, 2), (5, 0, 1), (4, 6, 1), (6, 7, 2), (7, 8, 1),
             (8, 9, 2), (9, 5, 1)],
        ), 8, 11,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_hydrogens_and_aromatic_rings_are_those_of_the_textbook(name):
    known, hydrogens, aromatic = KNOWN[name]
    known = molecules.drawn_alike(known)
    assert molecules.hydrogens(known).sum() == hydrogens
    rings = molecules.smallest_rings(len(known.elements), known.bonds)
    assert molecules.aromatic_bonds(rings, known).sum() == aromatic


def test_a_nitro_group_is_the_same_however_it_is_drawn():
    neutral = molecule("C N O O", [(0, 1, 1), (1, 2, 2), (1, 3, 2)])
    charged = molecule("C N O O", [(0, 1, 1), (1, 2, 2), (1, 3, 1)], {1: 1, 3: -1})
    graphs = [molecules.to_graph(each) for each in (neutral, charged)]
    for name in ("nodes", "edges", "senders", "receivers"):
        np.testing.assert_array_equal(getattr(graphs[0], name), getattr(graphs[1], name))
    assert molecules.hydrogens(molecules.drawn_alike(neutral)).tolist() == [3, 0, 0, 0]


def test_hydrogens_that_are_drawn_are_counted_not_kept():
    water = molecules.to_graph(molecule("H O H", [(0, 1, 1), (1, 2, 1)]))
    bare = molecules.to_graph(molecule("O", []))
    assert water.nodes.tolist() == bare.nodes.tolist()
    hydrogen = molecules.to_graph(molecule("H H", [(0, 1, 1)]))
    assert hydrogen.n_node.tolist() == [2]


def test_features_say_what_their_names_say():
    graph = molecules.to_graph(KNOWN["acetate"][0])
    said = [{name for name, value in zip(ATOM_FEATURES, row, strict=True) if value} for row in graph.nodes]
    assert said == [
        {"C", "1 neighbour", "3 or more hydrogens"},
        {"C", "3 neighbours", "0 hydrogens", "double bond"},
        {"O", "1 neighbour", "0 hydrogens", "double bond"},
        {"O", "1 neighbour", "0 hydrogens", "negative"},
    ]
    kinds = {
        (int(sender), int(receiver)): BOND_FEATURES[row.argmax()]
        for sender, receiver, row in zip(graph.senders, graph.receivers, graph.edges, strict=True)
    }
    assert kinds == {
        (0, 1): "single", (1, 0): "single", (1, 2): "double", (2, 1): "double", (1, 3): "single", (3, 1): "single",
    }  # fmt: skip
    benzene = molecules.to_graph(KNOWN["benzene"][0])
    assert (benzene.edges == [0, 0, 0, 1, 1]).all()


def test_rings_are_the_smallest_ones():
    spiro = molecule("C C C C C", [(0, 1, 1), (1, 2, 1), (2, 0, 1), (2, 3, 1), (3, 4, 1), (4, 2, 1)])
    rings = molecules.smallest_rings(5, spiro.bonds)
    assert sorted(sorted(ring) for ring in rings) == [[0, 1, 2], [2, 3, 4]]
    assert molecules.smallest_rings(3, np.array([[0, 1], [1, 2]])) == []


def test_counts_are_sums_over_a_graph():
    graphs = [molecules.to_graph(KNOWN[name][0]) for name in ("benzene", "methane")]
    counts = molecules.counts(graphs)
    assert counts.shape == (2, len(ATOM_FEATURES) + len(BOND_FEATURES) + 2)
    assert counts[0, 0] == 6
    assert counts[:, len(ATOM_FEATURES)].tolist() == [6, 1]
    assert counts[:, len(ATOM_FEATURES) + 1].tolist() == [12, 0]
    assert counts[:, -1].tolist() == [12, 0]


def test_a_bond_to_an_atom_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"^few\.sdf, record 3, bond 2: atoms 1 and 4 of 3"):
        molecules.to_graph(molecule("C C C", [(0, 1, 1), (0, 3, 1)]), "few.sdf, record 3")
