"""The flags that all benchmarks of named cases have, and what is refused."""

import argparse
from collections.abc import Iterable
from pathlib import Path


def parser_of(description: str | None, cases: Iterable[str], repeats: int) -> argparse.ArgumentParser:
    """A parser of CASE ..., --repeats and --out, to which a benchmark adds its own flags."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"any of {', '.join(cases)}")
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--out", type=Path)
    return parser


def read(parser: argparse.ArgumentParser, cases: Iterable[str]) -> argparse.Namespace:
    """The flags as given; an unknown case or fewer than one repeat ends the program with one line."""
    arguments = parser.parse_args()
    unknown = [name for name in arguments.cases if name not in cases]
    if unknown:
        parser.error(f"case: got {', '.join(unknown)}, allowed are {', '.join(cases)}")
    if arguments.repeats < 1:
        parser.error(f"--repeats: got {arguments.repeats}, must be at least 1")
    return arguments
