"""A prediction problem in two CSV files, read, checked and encoded: what a competition on a table starts from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlr_jax.data import csv_table
from mlr_jax.data.csv_table import Columns, Schema
from mlr_jax.data.titanic import titanic

MAX_CLASSES = 20
"""A target with more distinct values than this is predicted as a number."""


class TableProblem(NamedTuple):
    """Both files.

    x, y:        encoded rows [N, D] (see `csv_table.encode`) and what to predict, class numbers or numbers [N]
    x_test, ids: the rows to predict [T, D] and their names
    class_names: texts of the classes, empty for numbers
    answers:     class numbers of the rows to predict [T], where they are known
    files:       what a run without files of its own has read, by file name
    """

    schema: Schema
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    ids: Sequence[str]
    class_names: tuple[str, ...]
    answers: np.ndarray | None
    files: Mapping[str, str]


def read(train: Path | None, test: Path | None, target: str, name_of_row: str) -> TableProblem:
    """The files `--train` and `--test`, or the Titanic's passengers where neither is given.

    Raises ValueError or FileNotFoundError, in one line that names the flag, for what cannot be used.
    """
    if train is not None and test is not None:
        return _problem(_read("--train", train), _read("--test", test), target, name_of_row)
    if train is not None or test is not None:
        raise ValueError("--train, --test: got one of them, both or none are needed")
    if target != "Survived":
        raise ValueError(f"--target: got {target!r}, without --train and --test it is 'Survived'")
    columns, to_predict, answers = titanic()
    files = {"train.csv": csv_table.format_csv(columns), "test.csv": csv_table.format_csv(to_predict)}
    parsed = [csv_table.parse_csv(text, name) for name, text in files.items()]
    problem = _problem(parsed[0], parsed[1], target, name_of_row)
    known = np.array([problem.class_names.index(answer) for answer in answers])
    return problem._replace(answers=known, files=files)


def texts_of(predicted: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Predictions as a submission writes them: scores [T, K] as the text of a class, numbers [T] with all digits."""
    if class_names:
        return [class_names[label] for label in predicted.argmax(-1)]
    return [repr(float(value)) for value in predicted]


def _read(flag: str, path: Path) -> Columns:
    try:
        return csv_table.read_csv(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{flag}: {error}") from error


def _problem(train: Columns, test: Columns, target: str, name_of_row: str) -> TableProblem:
    for flag, name, columns in (("--target", target, train), ("--id", name_of_row, test)):
        if name not in columns:
            raise ValueError(f"{flag}: got {name!r}, the columns are {', '.join(columns)}")
    y, class_names = _target(train[target], target)
    schema = csv_table.infer_schema(train, ignore=(target, name_of_row))
    x, x_test = csv_table.encode(schema, train, "--train"), csv_table.encode(schema, test, "--test")
    return TableProblem(schema, x, y, x_test, test[name_of_row], class_names, None, {})


def _target(cells: Sequence[str], name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers int32 and names of a column of few values, else numbers float32 and no names."""
    if "" in cells:
        row = list(cells).index("") + 1
        raise ValueError(f"--target: column {name!r} has no value in row {row}; every row needs one")
    texts = sorted(set(cells))
    if len(texts) < 2:
        raise ValueError(f"--target: column {name!r} has the one value {texts[0]!r}, at least two are needed")
    if len(texts) <= MAX_CLASSES:
        return np.array([texts.index(cell) for cell in cells], np.int32), tuple(texts)
    try:
        return csv_table.parse_numbers(cells, f"--target: column {name!r}").astype(np.float32), ()
    except ValueError as error:
        raise ValueError(f"{error}, or a column of at most {MAX_CLASSES} classes") from error
