"""Dates as people write them, and as ISO 8601 does: "Thu, 26th of November 2026" -> "2026-11-26", made on the fly.

The days are those of the hundred years whose last two digits tell them apart by POSIX's rule, 1969 to 2068.
"""

import itertools
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import numpy as np

from mlr_jax.core.types import Batch, Source
from mlr_jax.data.arrays import Arrays, check_batch_size, check_seed, evaluation_batches

FIRST_DAY = date(1969, 1, 1)
NUM_DAYS = (date(2069, 1, 1) - FIRST_DAY).days
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

FILL, START, END = 0, 1, 2
"""Tokens that are no characters: what fills a row up, what stands before a target, and what ends it."""
SOURCE_CHARACTERS = " ',-./0123456789abcdefghijklmnopqrstuvwxyz"
"""Token 3 + i of a source is character i. Upper case is read as lower case."""
TARGET_CHARACTERS = "-0123456789"
"""The same of a target."""
SOURCE_LENGTH, TARGET_LENGTH = 34, 11
"""The most tokens of a source, and the tokens of every target, its end among them."""


def _ordinal(day: int) -> str:
    suffix = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{suffix}"


def _weekday(day: date) -> str:
    return WEEKDAYS[day.weekday()]


def _month(day: date) -> str:
    return MONTHS[day.month - 1]


STYLES: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day.day} {_month(day)} {day.year}",
    lambda day: f"{day.day} {_month(day)[:3]} {day.year}",
    lambda day: f"{day.day} {_month(day)[:3]} {day.year % 100:02}",
    lambda day: f"{_month(day)} {day.day}, {day.year}",
    lambda day: f"{_month(day)[:3]}. {day.day}, {day.year}",
    lambda day: f"{_month(day)[:3]} {_ordinal(day.day)} '{day.year % 100:02}",
    lambda day: f"{_month(day)} the {_ordinal(day.day)}, {day.year}",
    lambda day: f"{_ordinal(day.day)} of {_month(day)}, {day.year}",
    lambda day: f"{_weekday(day)}, {day.day} {_month(day)} {day.year}",
    lambda day: f"{_weekday(day)[:3]}, {_ordinal(day.day)} of {_month(day)} {day.year}",
    lambda day: f"{_weekday(day)} {_month(day)} {day.day}, {day.year}",
    lambda day: f"{_weekday(day)[:3]} {day.day}-{_month(day)[:3]}-{day.year}",
    lambda day: f"{day.day}.{day.month}.{day.year}",
    lambda day: f"{day.day:02}.{day.month:02}.{day.year % 100:02}",
    lambda day: f"{day.month}/{day.day}/{day.year}",
    lambda day: f"{day.month:02}/{day.day:02}/{day.year % 100:02}",
    lambda day: f"{day.year} {_month(day)} {day.day}",
    lambda day: f"{day.year}{day.month:02}{day.day:02}",
)
"""Ways to write a day. Dots: the day comes first; slashes: the month does."""


def write(day: date, style: int) -> str:
    """The day in one of the `STYLES`."""
    return STYLES[style](day)


def split_days(test: float, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Days to train on and days to test on, as numbers after `FIRST_DAY`: disjoint, and together all of them.

    Raises ValueError for a test part that is not in (0, 1).
    """
    check_seed(seed)
    if not 0.0 < test < 1.0:
        raise ValueError(f"test: got {test}, must be above 0 and below 1")
    order = np.random.default_rng(seed).permutation(NUM_DAYS)
    count = min(max(round(NUM_DAYS * test), 1), NUM_DAYS - 1)
    return np.sort(order[count:]), np.sort(order[:count])


def pairs(days: np.ndarray, styles: np.ndarray) -> Arrays:
    """Each day in its style and in ISO's: x [N, S], x_length [N], y [N, T], y_length [N], all int32."""
    written = [FIRST_DAY + timedelta(int(day)) for day in days]
    x, x_length = encode([write(*pair) for pair in zip(written, styles, strict=True)])
    y = np.array([[*_tokens(day.isoformat(), TARGET_CHARACTERS), END] for day in written], np.int32)
    return {"x": x, "x_length": x_length, "y": y, "y_length": np.full(len(y), TARGET_LENGTH, np.int32)}


def dates(days: np.ndarray, batch_size: int, *, seed: int) -> Source:
    """Batches of random `days` in random styles, as `pairs`. Batch k is a function of (`seed`, k) alone.

    `evaluation()`: every one of the days once, in a style of its own that is always the same.
    """
    check_batch_size(batch_size)
    check_seed(seed)

    def stream(step: int) -> Iterator[Batch]:
        while True:
            rng = np.random.default_rng((seed, step))
            yield pairs(rng.choice(days, batch_size), rng.integers(len(STYLES), size=batch_size))
            step += 1

    def evaluation() -> Iterator[Batch]:
        styles = np.random.default_rng(seed).integers(len(STYLES), size=len(days))
        return evaluation_batches(pairs(days, styles), batch_size)

    return Source(stream, evaluation)


def encode(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Dates as people write them as tokens [N, S], filled up with `FILL`, and how many each has, [N]; both int32.

    Raises ValueError for a text that is empty or too long, and for a character that no style has.
    """
    x, lengths = np.full((len(texts), SOURCE_LENGTH), FILL, np.int32), np.zeros(len(texts), np.int32)
    for row, text in enumerate(texts):
        if not 1 <= len(text) <= SOURCE_LENGTH:
            raise ValueError(f"date {text!r}: got {len(text)} characters, allowed are 1 to {SOURCE_LENGTH}")
        x[row, : len(text)] = _tokens(text.lower(), SOURCE_CHARACTERS)
        lengths[row] = len(text)
    return x, lengths


def decode(tokens: np.ndarray, characters: str = TARGET_CHARACTERS) -> str:
    """Tokens [T] of a target, or of what has other characters, as text up to the first that is no character."""
    kept = itertools.takewhile(lambda token: token > END, tokens)
    return "".join(characters[token - END - 1] for token in kept)


def source_text(tokens: np.ndarray) -> str:
    """The same of a source."""
    return decode(tokens, SOURCE_CHARACTERS)


def _tokens(text: str, characters: str) -> list[int]:
    for place, character in enumerate(text):
        if character not in characters:
            raise ValueError(f"date {text!r}: the character {character!r} at place {place} is not known")
    return [END + 1 + characters.index(character) for character in text]
