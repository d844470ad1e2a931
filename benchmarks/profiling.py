"""Where the time of one call of a program goes: its operations by what they do, and the longest of them by name."""

import collections
import re
import tempfile
from pathlib import Path
from typing import Any

import jax

from benchmarks.case import Case, Program

LINES = 25
"""Operations that are named."""


def show(name: str, case: Case) -> None:
    """Trace one call of each program of ours, and print."""
    for who, contestant in case.ours.items():
        if isinstance(contestant, Program):
            spent, origins = traced(contestant)
            total = sum(spent.values())
            print(f"{name}, {who}: {total:.1f} ms of operations, those inside of loops included")
            by_kind: collections.Counter[str] = collections.Counter()
            for operation, ms in spent.items():
                by_kind[kind_of(origins.get(operation, ""))] += ms
            for kind, ms in by_kind.most_common():
                print(f"{ms:9.1f} ms {ms / total:6.1%}  {kind}")
            for operation, ms in spent.most_common(LINES):
                print(f"{ms:9.1f} ms {ms / total:6.1%}  {operation:34} {origins.get(operation, '')[-80:]}")


def traced(program: Program) -> tuple[collections.Counter[str], dict[str, str]]:
    """Milliseconds of each operation of the second call, and where in the program as written each comes from."""
    from jax.profiler import ProfileData

    arguments = (*program.arguments, *program.turns[0])
    compiled = program.function.lower(*arguments).compile()
    origins = dict(re.findall(r'%([\w.\-]+) = .*?op_name="([^"]*)"', compiled.as_text()))
    result: Any = jax.block_until_ready(compiled(*arguments))
    arguments = (result[0], *arguments[1:]) if program.carries else arguments
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(compiled(*arguments))
        data = ProfileData.from_file(str(next(Path(folder).rglob("*.xplane.pb"))))
    spent: collections.Counter[str] = collections.Counter()
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                operation = dict(event.stats).get("hlo_op")
                if operation and not str(operation).startswith(("while", "call", "conditional")):
                    spent[str(operation)] += event.duration_ns / 1e6
    return spent, origins


def kind_of(origin: str) -> str:
    """What an operation does, from where in the program it comes."""
    way = "backward" if "transpose(" in origin else "forward"
    for kind, mark in {
        "convolution": r"conv_general_dilated$",
        "product": r"dot_general$",
        "sum": r"reduce_\w+$",
        "copies for products": r"(pad|stack|concatenate|transpose|while/body.*)$",
    }.items():
        if re.search(mark, origin):
            return f"{kind}, {way}"
    return f"elementwise and others, {way}"
