import csv
import io

import numpy as np
import pytest

from mlr_jax.data.csv_table import Schema, encode, format_csv, infer_schema, parse_csv, parse_numbers, read_csv

TEXT = """id,age,city,name,same,empty
1,30,Rome,"Doe, Jane",x,
2,NA,Oslo,"Roe ""R"" Ron",x,
3,4e1,,Poe,x,?
4, 25 ,Rome,Zoe,x,nan
"""


def test_cells_come_as_the_csv_module_reads_them():
    columns = parse_csv(TEXT)
    rows = list(csv.DictReader(io.StringIO(TEXT)))
    assert list(columns) == list(rows[0])
    assert columns["name"] == [row["name"] for row in rows] == ["Doe, Jane", 'Roe "R" Ron', "Poe", "Zoe"]
    assert columns["age"] == ["30", "", "4e1", "25"]
    assert columns["empty"] == [""] * 4
    assert parse_csv(format_csv(columns)) == columns


def test_a_file_may_begin_with_a_mark_and_end_with_empty_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffä,b\r\n1,2\r\n\r\n".encode())
    assert read_csv(path) == {"ä": ["1"], "b": ["2"]}


def test_columns_are_sorted_into_numbers_categories_and_the_rest():
    schema = infer_schema(parse_csv(TEXT), ignore=["id"], max_categories=3)
    assert schema.numeric == ("age",)
    assert schema.categories == {"city": ("Oslo", "Rome")}
    assert schema.left_out == {"name": "4 different texts, more than 3", "same": "one value", "empty": "no value"}
    assert schema.sizes == (0, 2)
    assert schema.feature_names == ("age", "city=Oslo", "city=Rome")


def test_encoding_marks_what_is_missing_and_what_is_new():
    schema = infer_schema(parse_csv(TEXT), ignore=["id"], max_categories=3)
    new = {"city": ["Rome", "Bonn", "", "Oslo"], "age": ["1", "", "-2.5", "3"], "other": ["a"] * 4}
    np.testing.assert_array_equal(encode(schema, new), [[1, 1], [np.nan, -1], [-2.5, np.nan], [3, 0]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with a line of column names"),
        ("a,b\n", "at least one row"),
        ("a,a\n1,2\n", "every column needs a name of its own, got 'a' 2 times"),
        ("a,,b\n1,2,3\n", "every column needs a name of its own, got ''"),
        ("a,b\n1,2\n3\n", "line 3: got 1 cells, the header has 2"),
        ("a,b\n1,2,3\n", "line 2: got 3 cells, the header has 2"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_csv(text, "my.csv")
    assert str(error.value).startswith("my.csv")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no CSV file at"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "picture.csv").write_bytes(b"a,b\n\xff\xd8,1\n")
    with pytest.raises(ValueError, match=r"picture.csv is not a text file in UTF-8"):
        read_csv(tmp_path / "picture.csv")


def test_a_column_that_does_not_fit_the_schema_is_named():
    schema = Schema(("age",), {"city": ("Rome",)}, {})
    with pytest.raises(ValueError, match=r"^test.csv lacks the column 'city'; it has age$"):
        encode(schema, {"age": ["1"]}, "test.csv")
    with pytest.raises(ValueError, match=r"^test.csv, column 'age': got 'old' in row 2, a number is needed$"):
        encode(schema, {"age": ["1", "old"], "city": ["", ""]}, "test.csv")
    with pytest.raises(ValueError, match="got 'inf' in row 1"):
        parse_numbers(["inf"], "y")
    with pytest.raises(ValueError, match="no column can be used; a: one value"):
        infer_schema({"a": ["x", "x"], "y": ["1", "2"]}, ignore=["y"])
