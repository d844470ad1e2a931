"""Tables in CSV files, as they come: text columns, empty cells, numbers written as text.

A `Schema` is what the training file says about its columns; `encode` turns any file with these columns into one array
by it. Nothing here is estimated from values: medians, means and the like belong to `preprocessing`, which sees only
training rows.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

Columns = Mapping[str, Sequence[str]]
"""Cells by column, all as text, every column of one length; `""` where the file says that there is no value."""

MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})
"""What stands for no value, in any case of letters."""

MAX_CATEGORIES = 20


class Schema(NamedTuple):
    """What becomes of each column of a file, in the order of the encoded columns: numbers, then categories.

    numeric:    columns whose every value is a number
    categories: by column, its distinct texts in order
    left_out:   by column, why no use is made of it
    """

    numeric: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]

    @property
    def sizes(self) -> tuple[int, ...]:
        """For each encoded column its number of categories, 0 for a number."""
        return (*(0 for _ in self.numeric), *map(len, self.categories.values()))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns after preprocessing: numbers, then one for each category."""
        shown = (f"{name}={text}" for name, texts in self.categories.items() for text in texts)
        return (*self.numeric, *shown)


def read_csv(path: str | Path) -> Columns:
    """The columns of a CSV file with a header.

    Raises FileNotFoundError if it is not there, ValueError, with the line, if it is not a table in UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no CSV file at {path}")
    try:
        return parse_csv(path.read_text(encoding="utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error


def parse_csv(text: str, name: str = "CSV") -> Columns:
    """The columns of a CSV text with a header. Raises ValueError, with the line, for one that is not a table."""
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        header = next(rows, [])
        _check_header(header, name)
        cells = []
        for row in rows:
            if len(row) != len(header) and row:
                raise ValueError(f"{name}, line {rows.line_num}: got {len(row)} cells, the header has {len(header)}")
            cells += [row] if row else []
    except csv.Error as error:
        raise ValueError(f"{name}, line {rows.line_num}: {error}") from error
    if not cells:
        raise ValueError(f"{name} must have at least one row under its header, got none")
    return {
        column: [_blank(row[place]) for row in cells] for place, column in enumerate(header)
    }  # fmt: skip


def format_csv(columns: Columns) -> str:
    """The text of a CSV file with these columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def infer_schema(columns: Columns, *, ignore: Sequence[str] = (), max_categories: int = MAX_CATEGORIES) -> Schema:
    """A column of numbers is numeric, one of at most `max_categories` texts is categorical; others are left out.

    Left out are the columns to `ignore`, without comment, and constant or empty ones. Raises ValueError if no column
    is left.
    """
    numeric, categories, left_out = [], {}, {}
    for name, cells in columns.items():
        texts = sorted({cell for cell in cells if cell})
        if name in ignore:
            continue
        if len(texts) < 2:
            left_out[name] = "one value" if texts else "no value"
        elif all(_is_number(text) for text in texts):
            numeric.append(name)
        elif len(texts) <= max_categories:
            categories[name] = tuple(texts)
        else:
            left_out[name] = f"{len(texts)} different texts, more than {max_categories}"
    if not numeric and not categories:
        raise ValueError(f"no column can be used; {'; '.join(f'{name}: {why}' for name, why in left_out.items())}")
    return Schema(tuple(numeric), categories, left_out)


def encode(schema: Schema, columns: Columns, name: str = "CSV") -> np.ndarray:
    """float32 [N, D]: numbers, then for each categorical column the index of its category; nan where there is no value.

    A text that the schema does not know is -1. Raises ValueError for a column that is not there and, with its row, for
    a cell that must be a number and is none.
    """
    for wanted in (*schema.numeric, *schema.categories):
        if wanted not in columns:
            raise ValueError(f"{name} lacks the column {wanted!r}; it has {', '.join(columns)}")
    numbers = [parse_numbers(columns[column], f"{name}, column {column!r}") for column in schema.numeric]
    codes = [_codes(columns[column], texts) for column, texts in schema.categories.items()]
    return np.stack([*numbers, *codes], axis=1).astype(np.float32)


def parse_numbers(cells: Sequence[str], name: str) -> np.ndarray:
    """float64 [N], nan where there is no value. Raises ValueError, with its row, for a cell that is no number."""
    for row, cell in enumerate(cells, 1):
        if cell and not _is_number(cell):
            raise ValueError(f"{name}: got {cell!r} in row {row}, a number is needed")
    return np.array([float(cell) if cell else math.nan for cell in cells])


def _codes(cells: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    index = {text: code for code, text in enumerate(texts)}
    return np.array([float(index.get(cell, -1)) if cell else math.nan for cell in cells])


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _blank(cell: str) -> str:
    cell = cell.strip()
    return "" if cell.lower() in MISSING else cell


def _check_header(header: Sequence[str], name: str) -> None:
    if not header:
        raise ValueError(f"{name} must begin with a line of column names, got nothing")
    for column in header:
        if not column or header.count(column) > 1:
            raise ValueError(
                f"{name}: every column needs a name of its own, got {column!r} {header.count(column)} times"
            )
