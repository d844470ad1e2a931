"""Texts as pictures: what a language model writes."""

import textwrap
from typing import TYPE_CHECKING

from mlr_jax.report import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 96
LINE_INCHES = 0.16


def draw_text(text: str) -> "Figure":
    """A text in its own lines, long ones broken; what cannot be printed is shown as Python writes it."""
    from matplotlib.figure import Figure

    shown = "".join(character if character == "\n" or character.isprintable() else repr(character)[1:-1]
                    for character in text)  # fmt: skip
    lines = [part for line in shown.split("\n") for part in textwrap.wrap(line, COLUMNS, drop_whitespace=False) or [""]]
    figure = Figure(figsize=(8.0, LINE_INCHES * (len(lines) + 2)), facecolor="white")
    figure.text(
        0.02, 0.5, "\n".join(lines), family="monospace", fontsize=style.SMALL_SIZE, color=style.INK,
        va="center", parse_math=False,
    )  # fmt: skip
    return figure
