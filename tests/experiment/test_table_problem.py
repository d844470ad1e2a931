import numpy as np
import pytest

from mlr_jax.data.csv_table import parse_csv
from mlr_jax.experiment.table_problem import read, texts_of

TRAIN = "id,age,city,price\n" + "".join(f"{i},{20 + i},{'Rome' if i % 3 else 'Oslo'},{i * 1.5}\n" for i in range(30))
TEST = "id,city,age\na,Rome,3\nb,Bonn,\nc,,4\n"


@pytest.fixture
def files(tmp_path):
    """Writes the two files."""

    def write(train=TRAIN, test=TEST):
        (tmp_path / "train.csv").write_text(train)
        (tmp_path / "test.csv").write_text(test)
        return tmp_path / "train.csv", tmp_path / "test.csv"

    return write


def test_a_number_is_predicted_as_a_number(files):
    problem = read(*files(), "price", "id")
    assert problem.class_names == ()
    np.testing.assert_allclose(problem.y, np.arange(30) * 1.5)
    assert problem.y.dtype == np.float32
    assert problem.schema.numeric == ("age",)
    assert problem.x.shape == (30, 2)
    np.testing.assert_array_equal(problem.x_test, [[3, 1], [np.nan, -1], [4, np.nan]])
    assert list(problem.ids) == ["a", "b", "c"]
    assert (problem.answers, problem.files) == (None, {})


def test_few_values_are_classes(files):
    problem = read(*files(TRAIN.replace("price", "size"), "id,age,size\n1,2,3\n"), "city", "id")
    assert problem.class_names == ("Oslo", "Rome")
    np.testing.assert_array_equal(problem.y[:4], [0, 1, 1, 0])
    assert problem.y.dtype == np.int32
    assert "city" not in problem.schema.feature_names


def test_without_files_it_is_the_titanic_with_its_answers():
    problem = read(None, None, "Survived", "PassengerId")
    assert (problem.x.shape, problem.x_test.shape) == ((891, 7), (418, 7))
    assert problem.answers.sum() == 160
    assert set(problem.files) == {"train.csv", "test.csv"}
    assert list(parse_csv(problem.files["train.csv"]))[2] == "Survived"
    assert list(problem.ids[:2]) == ["892", "893"]
    with pytest.raises(ValueError, match=r"^--target: got 'Sex', without --train and --test it is 'Survived'$"):
        read(None, None, "Sex", "PassengerId")


def test_predictions_are_written_as_they_came():
    assert texts_of(np.array([[0.1, 0.9], [0.8, 0.2]]), ["no", "yes"]) == ["yes", "no"]
    assert texts_of(np.array([0.1, 2.0]), []) == ["0.1", "2.0"]


@pytest.mark.parametrize(
    ("train", "test", "columns", "message"),
    [
        (TRAIN, TEST, ("prize", "id"), r"^--target: got 'prize', the columns are id, age, city, price$"),
        (TRAIN, TEST, ("price", "Id"), r"^--id: got 'Id', the columns are id, city, age$"),
        (TRAIN + "30,50,Rome,\n", TEST, ("price", "id"), "column 'price' has no value in row 31; every row needs one"),
        (
            TRAIN + "30,50,Rome,dear\n",
            TEST,
            ("price", "id"),
            "got 'dear' in row 31, a number is needed, or a column of at",
        ),
        ("id,a,y\n1,2,x\n2,3,x\n", "id,a\n1,2\n", ("y", "id"), "column 'y' has the one value 'x'"),
        (TRAIN, "id,age\n1,2\n", ("price", "id"), "--test lacks the column 'city'; it has id, age"),
        (TRAIN, "id,age,city\n1,old,Rome\n", ("price", "id"), "--test, column 'age': got 'old' in row 1"),
        ("id,y\n1,2\n2,3\n", "id\n1\n", ("y", "id"), "no column can be used"),
        (TRAIN, "id,age\n1\n", ("price", "id"), r"^--test: .*test.csv, line 2: got 1 cells, the header has 2$"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(files, train, test, columns, message):
    with pytest.raises(ValueError, match=message) as error:
        read(*files(train, test), *columns)
    assert "\n" not in str(error.value)


def test_both_files_or_none_are_needed(files, tmp_path):
    train, _ = files()
    with pytest.raises(ValueError, match=r"^--train, --test: got one of them, both or none are needed$"):
        read(train, None, "price", "id")
    with pytest.raises(ValueError, match=r"^--test: no CSV file at .*none.csv$"):
        read(train, tmp_path / "none.csv", "price", "id")
