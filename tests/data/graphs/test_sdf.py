import numpy as np
import pytest

from mlr_jax.data.graphs.molecules import Molecule
from mlr_jax.data.graphs.sdf import load_sdf, read_molecules, write_sdf

ETHANOL = """ethanol
  by hand

  3  2  0  0  0  0            999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 C   0  0
    2.0000    0.0000    0.0000 O   0  0
  1  2  1  0
  2  3  1  0
M  END
>  <SOL>  (1)
1.10

>  <CLASS>
high

$$$$
"""
ACETATE = """acetate


  4  3  0  0  0  0            999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 C   0  0
    2.0000    0.0000    0.0000 O   0  0
    2.0000    1.0000    0.0000 O   0  5
  1  2  1  0
  2  3  2  0
  2  4  1  0
M  CHG  1   4  -1
M  END
> <SOL>
-0.5

> <CLASS>
low

$$$$
"""


def write(folder, text, encoding="utf-8", newline="\n"):
    path = folder / "few.sdf"
    path.write_text(text, encoding=encoding, newline=newline)
    return path


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_atoms_bonds_charges_and_tags_are_read(tmp_path, newline):
    path = write(tmp_path, ETHANOL + ACETATE, newline=newline)
    (first_name, first), (_, second) = read_molecules(path)
    assert first_name == f"{path}, record 1 (ethanol)"
    assert first.elements == ["C", "C", "O"]
    assert first.bonds.tolist() == [[0, 1], [1, 2]]
    assert first.orders.tolist() == [1, 1]
    assert first.tags == {"SOL": "1.10", "CLASS": "high"}
    assert second.charges.tolist() == [0, 0, 0, -1]
    assert second.orders.tolist() == [1, 2, 1]


def test_charges_in_atom_lines_hold_only_without_properties(tmp_path):
    plain = ACETATE.replace("M  CHG  1   4  -1\n", "")
    moved = ACETATE.replace("M  CHG  1   4  -1", "M  CHG  2   1   1   3  -2")
    charges = [molecule.charges.tolist() for _, molecule in read_molecules(write(tmp_path, plain + moved))]
    assert charges == [[0, 0, 0, -1], [1, 0, -2, 0]]


def test_a_tag_becomes_a_number_or_a_class(tmp_path):
    path = write(tmp_path, ETHANOL + ACETATE.replace("$$$$\n", ""))  # the last record need not be closed
    numbers, classes = load_sdf(path, "SOL"), load_sdf(path, "CLASS")
    np.testing.assert_allclose(numbers.y, [1.1, -0.5], rtol=1e-6)
    assert numbers.class_names is None
    assert classes.class_names == ("high", "low")
    assert classes.y.tolist() == [0, 1]
    assert [int(graph.n_node[0]) for graph in numbers.graphs] == [3, 4]
    assert [int(graph.n_edge[0]) for graph in numbers.graphs] == [4, 6]


def test_molecules_survive_being_written_and_read(tmp_path):
    charges = np.array([0, 1, 0])
    molecule = Molecule("m", ["C", "N", "Cl"], charges, np.array([[0, 1], [2, 0]]), np.array([3, 1]), {"a": "1\n2"})
    lonely = Molecule("", ["C"], np.array([0]), np.zeros((0, 2), int), np.zeros(0, int), {})
    write_sdf(tmp_path / "few.sdf", [molecule, lonely])
    (_, read), (_, alone) = read_molecules(tmp_path / "few.sdf")
    assert (read.name, read.elements, read.tags) == ("m", ["C", "N", "Cl"], {"a": "1\n2"})
    assert read.charges.tolist() == [0, 1, 0]
    assert read.bonds.tolist() == [[0, 1], [2, 0]]
    assert read.orders.tolist() == [3, 1]
    assert alone.elements == ["C"]
    with pytest.raises(ValueError, match="room for 999 atoms"):
        write_sdf(tmp_path / "many.sdf", [lonely._replace(elements=["C"] * 1000)])


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("V2000", "V3000", 21, "wanted the counts of a V2000 block, got"),
        ("  4  3  0", "  x  3  0", 21, "wanted a number for atoms, got '  x'"),
        ("  4  3  0", "  4 30  0", 21, "4 atoms and 30 bonds, but the block has 8 lines"),
        ("  4  3  0", "  0  3  0", 21, "0 atoms and 3 bonds"),
        ("    1.0000    0.0000    0.0000 C", "    1.0000    far       0.0000 C", 23, "wanted an atom, got"),
        ("O   0  5", "    0  5", 25, "wanted an atom, got"),
        ("O   0  5", "O   0  9", 25, "the charge of an atom is a code of 0 to 7, got '9'"),
        ("  2  4  1  0", "  2  5  1  0", 28, "a bond joins two of the 4 atoms, got 2 and 5"),
        ("  2  4  1  0", "  2  2  1  0", 28, "a bond joins two of the 4 atoms, got 2 and 2"),
        ("  2  4  1  0", "  2  4  8  0", 28, "the order of a bond is 1 to 4, got 8"),
        ("  2  4  1  0", "  2  3  1  0", 28, "a second bond between atoms 2 and 3"),
        ("  2  4  1  0", "  2  a  1  0", 28, "wanted a number for a bond, got '  a'"),
        ("M  CHG  1   4  -1", "M  CHG  2   4  -1", 29, "wanted charges of atoms, got 'M  CHG"),
        ("M  CHG  1   4  -1", "M  CHG  1   5  -1", 29, "wanted charges of atoms"),
        ("M  END", "M  DEN", 37, "the block has no M  END"),
        ("> <CLASS>", "> CLASS", 34, "wanted a tag > <NAME>, got '> CLASS'"),
    ],
)
def test_a_damaged_block_is_refused_with_file_record_and_line(tmp_path, old, new, line, message):
    path = write(tmp_path, ETHANOL + ACETATE.replace(old, new))
    with pytest.raises(ValueError, match="record 2") as error:
        list(read_molecules(path))
    assert str(error.value).startswith(f"{path}, record 2 (acetate), line {line}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (ETHANOL + ACETATE, "LOGP", r"record 1 \(ethanol\): no tag <LOGP>; its tags: SOL, CLASS"),
        (ETHANOL + ACETATE.replace("-0.5", "low"), "SOL", r"record 2 \(acetate\): tag <SOL> must be a number .*'low'"),
        ("\n\n", "SOL", "must hold at least one record, got none"),
        ("ethanol\n", "SOL", r"record 1 \(ethanol\), line 2: wanted the counts of a V2000 block, got 'the end"),
    ],
)
def test_a_file_without_what_is_wanted_is_refused(tmp_path, text, target, message):
    with pytest.raises(ValueError, match=message):
        load_sdf(write(tmp_path, text), target)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file at .*none\.sdf"):
        load_sdf(tmp_path / "none.sdf", "SOL")
    with pytest.raises(ValueError, match=r"few\.sdf is not a text file in UTF-8"):
        load_sdf(write(tmp_path, "Ü", encoding="latin1"), "SOL")
