"""Contestants are called one after another, again and again, so that what disturbs one disturbs all."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from benchmarks import case_flags

PAUSE_S = 0.3
"""Before each call: threads of the one before it may spin for some time, waiting for more to do."""

Call = Callable[[], float]
"""Does some work, and returns a number that shows that it is the same work: the last loss, say."""


class Case(NamedTuple):
    """Contestants by name, those of PyTorch named after it; a call of each takes so many steps, of so many items."""

    contestants: Mapping[str, Call]
    steps: int
    items: int


Cases = Mapping[str, Callable[[bool], Case]]
"""With peers or without -> the case."""


class Measured(NamedTuple):
    """Of each contestant: the median time of a call in seconds, and the number that its last call returned."""

    seconds: dict[str, float]
    results: dict[str, float]


def measure(contestants: Mapping[str, Call], repeats: int) -> Measured:
    """All in turn, `repeats` times and once before, which is left out."""
    times: dict[str, list[float]] = {who: [] for who in contestants}
    results = {}
    for repeat in range(repeats + 1):
        for who, call in contestants.items():
            time.sleep(PAUSE_S)
            since = time.perf_counter()
            results[who] = call()
            if repeat:
                times[who].append(time.perf_counter() - since)
    return Measured({who: statistics.median(spent) for who, spent in times.items()}, results)


def parser_of(description: str | None, cases: Cases) -> argparse.ArgumentParser:
    """The flags of `compare`."""
    parser = case_flags.parser_of(description, cases, repeats=7)
    parser.add_argument("--no-peers", action="store_true", help="only ours")
    return parser


def compare(cases: Cases, arguments: argparse.Namespace, unit: str) -> None:
    """Measure the cases that are asked for, print a table, write JSON where asked."""
    if not arguments.no_peers and not find_spec("torch"):
        print("not installed, and left out: torch")
    rows: list[dict[str, Any]] = []
    print(f"{'case':12}{'who':28}{'ms a step':>10}{unit + '/s':>10}{'x ours':>8}{'result':>9}")
    for name in arguments.cases or cases:
        for row in rows_of(name, cases[name](not arguments.no_peers), arguments.repeats, unit):
            rows.append(row)
            numbers = f"{row['ms']:10.1f}{row[f'{unit}_per_s']:10.0f}{row['ratio']:8.2f}{row['result']:9.3f}"
            print(f"{row['case']:12}{row['who']:28}{numbers}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


def rows_of(name: str, case: Case, repeats: int, unit: str) -> list[dict[str, Any]]:
    """`ratio` is to the time of the fastest contestant that is not PyTorch."""
    seconds, results = measure(case.contestants, repeats)
    best = min(spent for who, spent in seconds.items() if not who.startswith("PyTorch"))
    return [
        {
            "case": name,
            "who": who,
            "ms": 1e3 * spent / case.steps,
            f"{unit}_per_s": case.steps * case.items / spent,
            "ratio": spent / best,
            "result": results[who],
        }
        for who, spent in seconds.items()
    ]
