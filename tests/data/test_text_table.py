import bz2
import gzip
import json

import numpy as np
import pytest

from mlr_jax.data.text_table import film_reviews, read_text_table, split_by_group, toy_reviews

RECORDS = [
    {"text": "Warm, and funny", "label": "fresh", "film": "a"},
    {"text": 'Dull; it "creaks"', "label": "rotten", "film": "b"},
    {"text": "A plot.", "label": "plot", "film": "b"},
    {"text": "Warm, and funny", "label": "rotten", "film": "c"},
    {"text": "Two\nlines", "label": "fresh", "film": "c"},
]


def as_csv(records):
    def cell(text):
        return '"' + text.replace('"', '""') + '"'

    rows = [",".join(map(cell, record.values())) for record in records]
    return "\n".join(["text,label,film", *rows]) + "\n"


def as_jsonl(records):
    return "\n".join(map(json.dumps, records)) + "\n\n"


WRITE = {
    "a.csv": lambda path: path.write_text(as_csv(RECORDS), encoding="utf-8-sig"),
    "a.csv.bz2": lambda path: path.write_bytes(bz2.compress(as_csv(RECORDS).encode())),
    "a.jsonl": lambda path: path.write_text(as_jsonl(RECORDS)),
    "a.jsonl.gz": lambda path: path.write_bytes(gzip.compress(as_jsonl(RECORDS).encode())),
}


@pytest.mark.parametrize("name", WRITE)
def test_every_kind_of_file_gives_the_same_texts_labels_and_groups(name, tmp_path):
    WRITE[name](tmp_path / name)
    table = read_text_table(tmp_path / name, group="film", drop=("plot",))
    assert table.texts == ("Warm, and funny", 'Dull; it "creaks"', "Two\nlines")
    assert table.class_names == ("fresh", "rotten")
    assert table.y.tolist() == [0, 1, 0]
    assert table.groups == ("a", "b", "c")
    assert read_text_table(tmp_path / name).groups == read_text_table(tmp_path / name).texts


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"a", "allowed are .csv and .jsonl"),
        ("a.csv", b"text,label\nx,a\n\xffy,b\n", "a.csv, line 3: not UTF-8.*byte offset 15"),
        ("a.csv", b"text,label\nx,a\ny\n", "a.csv, line 3: got 1 cells, the header has 2"),
        ("a.csv", b"text,label\nx,a,b\n", "a.csv, line 2: got 3 cells, the header has 2"),
        ("a.csv", b"text,kind\nx,a\n", "a.csv, line 2: no column 'label'; there are text, kind"),
        ("a.csv", b"text,label\nx,a\n ,b\n", "a.csv, line 3: the column 'text' is empty"),
        ("a.csv", b"text,label\nx,a\ny,a\n", "needed are at least two labels"),
        ("a.csv", b"", "needed are at least two labels"),
        ("a.jsonl", b'{"text": "x", "label": 1}\n{"text"\n', "a.jsonl, line 2: not JSON"),
        ("a.jsonl", b"[1]\n", "a.jsonl, line 1: got '.1.', needed is an object"),
        ("a.csv.gz", b"no", "a.csv.gz: damaged"),
    ],
)
def test_what_is_no_table_of_texts_is_refused_with_its_line(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_text_table(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file of texts at .*a\.csv"):
        read_text_table(tmp_path / "a.csv")


@pytest.mark.parametrize("part", [0.1, 0.3, 0.8])
def test_no_group_is_on_both_sides_and_the_part_is_met_to_within_a_group(part):
    groups = np.random.default_rng(0).integers(40, size=500).astype(str)
    kept, held_out = split_by_group(groups, part, seed=3)
    assert sorted([*kept, *held_out]) == list(range(500))
    assert not set(groups[kept]) & set(groups[held_out])
    largest = max(np.unique(groups, return_counts=True)[1])
    assert part * 500 <= len(held_out) < part * 500 + largest
    again = split_by_group(groups, part, seed=3)
    np.testing.assert_array_equal(held_out, again[1])
    assert not np.array_equal(held_out, split_by_group(groups, part, seed=4)[1])


def test_a_part_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match="must be above 0"):
        split_by_group(["a", "b"], 1.0, seed=0)
    with pytest.raises(ValueError, match="leaves none of the 2 groups"):
        split_by_group(["a", "b"], 0.9, seed=0)


def test_toy_reviews_are_balanced_sentences():
    table = toy_reviews()
    assert len(set(table.texts)) == 192
    assert np.bincount(table.y).tolist() == [96, 96]
    label = dict(zip(table.texts, table.y, strict=True))
    assert [label[text] for text in ("heat is warm", "heat is not warm", "snow is dull", "snow is not dull")] == [
        1,
        0,
        0,
        1,
    ]


def test_the_film_reviews_are_those_that_are_there():
    try:
        table = film_reviews()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert (len(table.texts), len(set(table.groups)), table.class_names) == (12752, 507, ("fresh", "rotten"))
    assert np.bincount(table.y).tolist() == [7368, 5384]
