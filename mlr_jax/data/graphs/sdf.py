"""Molecules of SDF files in the V2000 format (Dalby et al. 1992), without a chemistry library.

A file holds records: three lines of which the first is the name, a line of counts, a line for each atom and for each
bond, properties such as charges, `M  END`, then tags, `> <NAME>` and their text, and `$$$$`.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlr_jax.data.graphs.molecules import Molecule, to_graph
from mlr_jax.data.graphs.records import GraphSet, check_graph_set
from mlr_jax.data.graphs.text_tables import read_lines

_CHARGES = {0: 0, 1: 3, 2: 2, 3: 1, 4: 0, 5: -1, 6: -2, 7: -3}
"""What the code in an atom's line stands for; 4 is a radical."""

_MOST_ORDER = 4


class Record(NamedTuple):
    """The lines of one molecule, the number of the first in its file, and how an error names it."""

    lines: Sequence[str]
    first: int
    name: str

    def error(self, index: int, message: str) -> ValueError:
        """An error about line `index` of the record."""
        return ValueError(f"{self.name}, line {self.first + index}: {message}")


def load_sdf(path: str | Path, target: str) -> GraphSet:
    """The molecules of a file as graphs (see `molecules.to_graph`), labelled by the tag `target`.

    `y` is float32 if every molecule's tag is a number; if none is, the index of the text among all texts in order.

    Raises FileNotFoundError if the file is not there; ValueError, with file, record and line, for a damaged record, and
    for one without the tag.
    """
    path = Path(path)
    found = list(read_molecules(path))
    missing = [name for name, molecule in found if target not in molecule.tags]
    if missing:
        known = ", ".join(dict(found)[missing[0]].tags) or "none"
        raise ValueError(f"{missing[0]}: no tag <{target}>; its tags: {known}")
    texts = [molecule.tags[target] for _, molecule in found]
    wrong = [not _is_number(text) for text in texts]
    graphs = [to_graph(molecule, name) for name, molecule in found]
    if all(wrong):
        names = tuple(sorted(set(texts)))
        return check_graph_set(GraphSet(graphs, np.array([names.index(text) for text in texts], np.int32), names))
    if any(wrong):
        first = wrong.index(True)
        raise ValueError(
            f"{found[first][0]}: tag <{target}> must be a number as in other records, got {texts[first]!r}"
        )
    return check_graph_set(GraphSet(graphs, np.array([float(text) for text in texts], np.float32)))


def read_molecules(path: str | Path) -> Iterator[tuple[str, Molecule]]:
    """The molecules of a file in order, each with the name that errors give it: file, record number and title.

    Raises as `load_sdf`.
    """
    for record in _records(Path(path)):
        yield record.name, parse_molecule(record)


def write_sdf(path: str | Path, molecules: Sequence[Molecule]) -> None:
    """Write molecules as `read_molecules` reads them, all atoms at the origin.

    Raises ValueError for more than 999 atoms or bonds, which the format has no room for.
    """
    lines = []
    for molecule in molecules:
        if max(len(molecule.elements), len(molecule.bonds)) > 999:
            raise ValueError(f"{molecule.name}: V2000 has room for 999 atoms and bonds, got {len(molecule.elements)}")
        lines += [molecule.name, "", ""]
        lines += [f"{len(molecule.elements):3}{len(molecule.bonds):3}  0  0  0  0  0  0  0  0999 V2000"]
        place = "    0.0000    0.0000    0.0000"
        lines += [f"{place} {element:<3} 0  0  0  0  0  0" for element in molecule.elements]
        lines += [
            f"{first + 1:3}{second + 1:3}{order:3}  0"
            for (first, second), order in zip(molecule.bonds.reshape(-1, 2), molecule.orders, strict=True)
        ]
        lines += [f"M  CHG  1 {atom + 1:3} {charge:3}" for atom, charge in enumerate(molecule.charges) if charge]
        lines += ["M  END"]
        for tag, text in molecule.tags.items():
            lines += [f">  <{tag}>", *text.splitlines(), ""]
        lines += ["$$$$"]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse_molecule(record: Record) -> Molecule:
    """The molecule of a record. Raises ValueError, with the record and the line, for a damaged one."""
    lines = record.lines
    if len(lines) < 4 or "V2000" not in lines[3]:
        shown = lines[3][:40] if len(lines) > 3 else "the end of the record"
        raise record.error(min(3, len(lines)), f"wanted the counts of a V2000 block, got {shown!r}")
    num_atoms, num_bonds = (_whole(record, 3, start, what) for start, what in ((0, "atoms"), (3, "bonds")))
    end = next((index for index, line in enumerate(lines) if line.startswith("M  END")), len(lines))
    if num_atoms < 1 or 4 + num_atoms + num_bonds > end:
        raise record.error(3, f"{num_atoms} atoms and {num_bonds} bonds, but the block has {max(end - 4, 0)} lines")
    if end == len(lines):
        raise record.error(end, "the block has no M  END")
    elements, charges = _atoms(record, num_atoms)
    bonds, orders = _bonds(record, 4 + num_atoms, num_bonds, num_atoms)
    charges = _charges(record, range(4 + num_atoms + num_bonds, end), charges)
    return Molecule(lines[0].strip(), elements, charges, bonds, orders, _tags(record, end + 1))


def _records(path: Path) -> Iterator[Record]:
    lines = read_lines(path)
    start = 0
    number = 1
    for index, line in enumerate([*lines, "$$$$"]):
        if line.startswith("$$$$"):
            own = lines[start:index]
            if any(text.strip() for text in own):
                title = f" ({own[0].strip()})" if own[0].strip() else ""
                yield Record(own, start + 1, f"{path}, record {number}{title}")
                number += 1
            start = index + 1
    if number == 1:
        raise ValueError(f"{path} must hold at least one record, got none")


def _atoms(record: Record, count: int) -> tuple[list[str], np.ndarray]:
    elements, charges = [], []
    for index in range(4, 4 + count):
        line = record.lines[index]
        symbol = line[31:34].strip()
        if not symbol.isalpha() or not all(_is_number(line[start : start + 10]) for start in (0, 10, 20)):
            raise record.error(index, f"wanted an atom, got {line[:40]!r}")
        code = line[36:39].strip() or "0"
        if not code.isdigit() or int(code) not in _CHARGES:
            raise record.error(index, f"the charge of an atom is a code of 0 to 7, got {code!r}")
        elements.append(symbol)
        charges.append(_CHARGES[int(code)])
    return elements, np.array(charges)


def _bonds(record: Record, start: int, count: int, num_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    rows: dict[frozenset[int], tuple[int, int, int]] = {}
    for index in range(start, start + count):
        first, second, order = (_whole(record, index, 3 * k, "a bond") for k in range(3))
        if not (1 <= first <= num_atoms and 1 <= second <= num_atoms) or first == second:
            raise record.error(index, f"a bond joins two of the {num_atoms} atoms, got {first} and {second}")
        if not 1 <= order <= _MOST_ORDER:
            raise record.error(index, f"the order of a bond is 1 to {_MOST_ORDER}, got {order}")
        if frozenset((first, second)) in rows:
            raise record.error(index, f"a second bond between atoms {first} and {second}")
        rows[frozenset((first, second))] = (first - 1, second - 1, order)
    table = np.array(list(rows.values()), int).reshape(-1, 3)
    return table[:, :2], table[:, 2]


def _charges(record: Record, where: range, charges: np.ndarray) -> np.ndarray:
    """Charges by the properties, which, where there are any, hold in place of those in the atoms' lines."""
    properties = [index for index in where if record.lines[index].startswith("M  CHG")]
    charges = np.zeros_like(charges) if properties else charges
    for index in properties:
        words = record.lines[index][6:].split()
        try:
            count, *values = map(int, words)
            pairs = np.array(values).reshape(count, 2)
            if ((pairs[:, 0] < 1) | (pairs[:, 0] > len(charges))).any():
                raise ValueError
        except ValueError:
            raise record.error(index, f"wanted charges of atoms, got {record.lines[index][:40]!r}") from None
        charges[pairs[:, 0] - 1] = pairs[:, 1]
    return charges


def _tags(record: Record, start: int) -> dict[str, str]:
    tags: dict[str, str] = {}
    name = None
    for index in range(start, len(record.lines)):
        line = record.lines[index]
        if line.startswith(">"):
            name = line[line.find("<") + 1 : line.rfind(">")] if "<" in line else None
            if not name:
                raise record.error(index, f"wanted a tag > <NAME>, got {line[:40]!r}")
            tags[name] = ""
        elif not line.strip():
            name = None
        elif name is not None:
            tags[name] = f"{tags[name]}\n{line}".strip()
    return tags


def _whole(record: Record, index: int, start: int, what: str) -> int:
    text = record.lines[index][start : start + 3]
    try:
        return int(text)
    except ValueError:
        raise record.error(index, f"wanted a number for {what}, got {text!r} in {record.lines[index][:40]!r}") from None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
