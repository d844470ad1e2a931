"""The few pieces of HTML that a page is made of. Every function escapes the text that it is given."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mlr_jax.report import formatting

SCREEN_DPI = 96
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Tells the browser to load nothing and to run nothing, whatever the page holds."""


def document(title: str, body: Sequence[str]) -> str:
    """A whole page that needs no other file."""
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{css}</style>",
    ]
    lines = ["<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def element(tag: str, text: str, css_class: str = "") -> str:
    """One element around escaped text."""
    attribute = f' class="{css_class}"' if css_class else ""
    return f"<{tag}{attribute}>{escape(text)}</{tag}>"


def section(title: str, *content: str) -> str:
    """A heading and what belongs under it."""
    return "\n".join(["<section>", element("h2", title), *content, "</section>"])


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A table that scrolls sideways on a narrow screen; the first `words` columns are text, the rest numbers."""
    lines = ['<div class="wide">', "<table>", _row("th", header, words), *(_row("td", row, words) for row in rows)]
    return "\n".join([*lines, "</table>", "</div>"])


def settings(values: Mapping[str, Any]) -> str:
    """Names and values, one a row, numbers in full."""
    rows = "\n".join(_row("td", (name, _full(value)), 2) for name, value in values.items())
    return f'<table class="settings">\n{rows}\n</table>'


def facts(values: Mapping[str, str]) -> str:
    """Short named facts, side by side."""
    pairs = "\n".join(f"<div>{element('dt', name)}{element('dd', value)}</div>" for name, value in values.items())
    return f'<dl class="facts">\n{pairs}\n</dl>'


def details(title: str, content: str) -> str:
    """Content that is folded away until asked for."""
    return f"<details>\n{element('summary', title)}\n{content}\n</details>"


def figure(png: bytes, caption: str) -> str:
    """A PNG picture inside the page, at the size in inches that the file states. Raises ValueError if it is no PNG."""
    width, height = _size(png, caption)
    data = base64.b64encode(png).decode("ascii")
    text = escape(caption)
    image = f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{text}">'
    return f"<figure>\n{image}\n<figcaption>{text}</figcaption>\n</figure>"


def figures(pictures: Sequence[str]) -> str:
    """Figures side by side as far as the screen is wide."""
    return "\n".join(['<div class="figures">', *pictures, "</div>"])


def _row(tag: str, cells: Sequence[str], words: int) -> str:
    return f"<tr>{''.join(element(tag, cell, '' if i < words else 'number') for i, cell in enumerate(cells))}</tr>"


def _full(value: Any) -> str:
    return formatting.MISSING if value is None else str(value)


def _size(png: bytes, caption: str) -> tuple[int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            dpi = image.info.get("dpi", (SCREEN_DPI, SCREEN_DPI))[0] or SCREEN_DPI
            return round(image.width * SCREEN_DPI / dpi), round(image.height * SCREEN_DPI / dpi)
    except UnidentifiedImageError:
        raise ValueError(f"the figure {caption!r} is not a PNG picture") from None
