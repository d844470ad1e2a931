"""The passengers of the Titanic (Encyclopedia Titanica; Harrell 2002), with the columns of Kaggle's competition.

scikit-learn ships all 1,309 of them among the files of its own tests, with their missing values: age 263, cabin 1014,
embarked 2, fare 1. Columns that Kaggle does not give are left out: `boat` and `body`, which tell who survived, and
`home.dest`.
"""

import csv
import gzip
from importlib import resources

import numpy as np

from mlr_jax.data.arrays import stratified_split
from mlr_jax.data.csv_table import Columns

NUM_TEST = 418
"""Rows of Kaggle's test file; its own choice of them is not known, so ours is another."""

_FOLDER = "sklearn.datasets.tests.data.openml.id_40945"
_FILE = "data-v1-dl-16826755.arff.gz"
_NAMES = {
    "survived": "Survived", "pclass": "Pclass", "name": "Name", "sex": "Sex", "age": "Age", "sibsp": "SibSp",
    "parch": "Parch", "ticket": "Ticket", "fare": "Fare", "cabin": "Cabin", "embarked": "Embarked",
}  # fmt: skip


def titanic() -> tuple[Columns, Columns, list[str]]:
    """Training columns (891 rows), test columns without `Survived` (418), and what the test rows' answer is.

    Rows are in a fixed random order, the split is fixed and stratified. Raises FileNotFoundError if this scikit-learn
    was installed without the files of its tests.
    """
    columns = _read()
    survived = np.array(columns["Survived"])
    order = np.random.default_rng(0).permutation(len(survived))
    kept, held_out = (order[rows] for rows in stratified_split(survived[order], NUM_TEST, seed=0))
    train, test = (_rows(columns, rows) for rows in (kept, held_out))
    numbered = {**_numbers(1, len(kept)), **train}, {**_numbers(len(kept) + 1, len(held_out)), **test}
    answers = list(test["Survived"])
    return numbered[0], {name: cells for name, cells in numbered[1].items() if name != "Survived"}, answers


def _read() -> Columns:
    try:
        data = gzip.decompress((resources.files(_FOLDER) / _FILE).read_bytes()).decode()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(
            "the Titanic's passengers are read from the files of scikit-learn's tests, which this installation of it "
            "lacks; install scikit-learn from PyPI, or give a CSV file of your own"
        ) from error
    head, _, body = data.partition("@data\n")
    names = [line.split()[1].strip("'") for line in head.splitlines() if line.startswith("@attribute")]
    rows = [
        ["" if cell == "?" else cell for cell in row] for row in csv.reader(body.splitlines(), escapechar="\\") if row
    ]
    return {_NAMES[name]: [row[place] for row in rows] for place, name in enumerate(names) if name in _NAMES}


def _rows(columns: Columns, rows: np.ndarray) -> Columns:
    return {name: [cells[row] for row in rows] for name, cells in columns.items()}


def _numbers(start: int, count: int) -> Columns:
    return {"PassengerId": [str(number) for number in range(start, start + count)]}
