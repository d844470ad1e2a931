"""Text files of numbers, a row a line: what every reader of graphs as text needs, with errors that name the line."""

from pathlib import Path

import numpy as np


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, whichever way they end.

    Raises FileNotFoundError if it is not there, ValueError if it is not text in UTF-8.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file at {path}")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error


def read_numbers(path: Path, *, columns: int | None = None, whole: bool = False) -> np.ndarray:
    """Rows of numbers with commas between them: [rows, columns], float64, or int64 if they must be `whole`.

    Empty lines at the end are none. Raises ValueError, with the line, for a cell that is no (whole) number, and for
    another count of `columns` than wanted, or than the first line has.
    """
    lines = read_lines(path)
    while lines and not lines[-1].strip():
        lines.pop()
    rows = [line.split(",") for line in lines]
    columns = columns or (len(rows[0]) if rows else 1)
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise ValueError(f"{path}, line {number}: got {len(row)} values, wanted {columns}")
    kind = np.int64 if whole else np.float64
    try:
        table = np.array([[_number(cell, whole) for cell in row] for row in rows], kind)
    except ValueError:
        number, row = next((number, row) for number, row in enumerate(rows, 1) if not _are_numbers(row, whole))
        wanted = "whole numbers are" if whole else "numbers are"
        raise ValueError(f"{path}, line {number}: got {','.join(row)[:60]!r}, {wanted} needed") from None
    return table.reshape(-1, columns)


def _number(cell: str, whole: bool) -> float:
    value = int(cell) if whole else float(cell)
    if not abs(value) < 2**62:  # so that it is neither NaN nor infinite, and fits
        raise ValueError(cell)
    return value


def _are_numbers(row: list[str], whole: bool) -> bool:
    try:
        return all(_number(cell, whole) is not None for cell in row)
    except ValueError:
        return False
