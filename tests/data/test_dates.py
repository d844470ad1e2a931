"""Dates in words against Python's own parser."""

import re
from datetime import datetime, timedelta
from itertools import islice

import numpy as np
import pytest

from mlr_jax.data import dates

FORMATS = (
    "%d %B %Y", "%d %b %Y", "%d %b %y", "%B %d, %Y", "%b. %d, %Y", "%b %d '%y", "%B the %d, %Y", "%d of %B, %Y",
    "%A, %d %B %Y", "%a, %d of %B %Y", "%A %B %d, %Y", "%a %d-%b-%Y", "%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%m/%d/%y",
    "%Y %B %d", "%Y%m%d",
)  # fmt: skip


def test_every_style_is_read_back_by_pythons_parser_and_no_text_stands_for_two_days():
    assert len(dates.STYLES) == len(FORMATS)
    meaning = {}
    for number in range(0, dates.NUM_DAYS, 13):
        day = dates.FIRST_DAY + timedelta(number)
        for style, form in enumerate(FORMATS):
            text = dates.write(day, style)
            assert meaning.setdefault(text.lower(), day) == day
            if number % 39 == 0:
                plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text)
                assert datetime.strptime(plain, form).date() == day


def test_ordinals_are_those_of_english():
    days = [dates.write(dates.FIRST_DAY + timedelta(day), 6).split()[2] for day in (0, 1, 2, 3, 10, 11, 12, 20, 22, 30)]
    assert days == ["1st,", "2nd,", "3rd,", "4th,", "11th,", "12th,", "13th,", "21st,", "23rd,", "31st,"]


def test_tokens_are_the_text_and_its_iso_form():
    longest = "Wednesday, 30 September 2026"
    day = (datetime(2026, 9, 30).date() - dates.FIRST_DAY).days
    arrays = dates.pairs(np.array([day, 0]), np.array([8, 14]))
    assert [dates.source_text(row) for row in arrays["x"]] == [longest.lower(), "1/1/1969"]
    assert list(arrays["x_length"]) == [len(longest), 8]
    assert [dates.decode(row) for row in arrays["y"]] == ["2026-09-30", "1969-01-01"]
    assert (arrays["y"][:, -1] == dates.END).all()
    assert arrays["y"].shape == (2, dates.TARGET_LENGTH)
    assert arrays["x"].max() < 3 + len(dates.SOURCE_CHARACTERS)


def test_test_days_are_never_trained_on_and_batches_are_a_function_of_the_step():
    train, test = dates.split_days(0.1, seed=0)
    assert sorted([*train, *test]) == list(range(dates.NUM_DAYS))
    assert len(test) == round(0.1 * dates.NUM_DAYS)
    source = dates.dates(train[:50], 8, seed=4)
    batches = list(islice(source.stream(0), 5))
    for name, array in next(source.stream(3)).items():
        np.testing.assert_array_equal(array, batches[3][name])
    assert (batches[2]["x"] != batches[3]["x"]).any()
    known = {(dates.FIRST_DAY + timedelta(int(day))).isoformat() for day in train[:50]}
    drawn = {dates.decode(row) for batch in islice(source.stream(0), 60) for row in batch["y"]}
    assert drawn == known
    evaluated = [dates.decode(row) for batch in source.evaluation() for row in batch["y"][batch["mask"] > 0]]
    assert len(evaluated) == 50
    assert set(evaluated) == known


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "got 0 characters"), ("1" * 35, "got 35 characters"), ("3 août", "'û' at place 4 is not known")],
)
def test_what_is_no_date_is_an_error(text, message):
    with pytest.raises(ValueError, match=message):
        dates.encode([text])


def test_a_test_part_of_everything_is_an_error():
    with pytest.raises(ValueError, match=r"test: got 1\.0"):
        dates.split_days(1.0, seed=0)
