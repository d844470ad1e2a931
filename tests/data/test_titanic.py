import numpy as np
import pytest

from mlr_jax.data import titanic as module
from mlr_jax.data.titanic import titanic


def test_the_passengers_are_those_of_the_competition():
    train, test, answers = titanic()
    assert list(train) == [
        "PassengerId", "Pclass", "Survived", "Name", "Sex", "Age", "SibSp", "Parch", "Ticket", "Fare", "Cabin",
        "Embarked",
    ]  # fmt: skip
    assert list(test) == [name for name in train if name != "Survived"]
    assert {len(cells) for cells in train.values()} == {891}
    assert {len(cells) for cells in test.values()} == {418}
    assert train["PassengerId"] + test["PassengerId"] == list(map(str, range(1, 1310)))
    assert (train["Survived"] + answers).count("1") == 500
    missing = {name: [*train[name], *test[name]].count("") for name in test}
    assert {name: count for name, count in missing.items() if count} == {
        "Age": 263, "Fare": 1, "Cabin": 1014, "Embarked": 2
    }  # fmt: skip
    assert len(set(train["Name"]) | set(test["Name"])) == 1307  # two pairs of namesakes
    sex = np.array(train["Sex"] + test["Sex"])
    survived = np.array(train["Survived"] + answers) == "1"
    assert survived[sex == "female"].mean() == pytest.approx(339 / 466)


def test_an_installation_without_the_file_is_named(monkeypatch):
    monkeypatch.setattr(module, "_FOLDER", "sklearn.datasets.tests.data.openml.id_0")
    with pytest.raises(FileNotFoundError, match="install scikit-learn from PyPI") as error:
        titanic()
    assert "\n" not in str(error.value)
