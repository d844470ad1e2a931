"""Contestants are called one after another, again and again, so that what disturbs one disturbs all."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from benchmarks.case import Contestant, Program, Work
from benchmarks.compilations import compilations
from benchmarks.cost import Cost, cost_of

PAUSE_S = 0.3
"""Before each call: threads of the one before it may spin for some time, waiting for more to do."""


class Ready(NamedTuple):
    """A contestant that can be called. compile_s is None where nothing was compiled apart."""

    call: Callable[[], Any]
    number: Callable[[Any], Any]
    share: float
    compile_s: float | None
    cost: Cost


class Measured(NamedTuple):
    """What was measured of a contestant, in seconds for the whole work of the case.

    number:     what the result of its last call shows
    programs:   how many were compiled until the first call had ended
    recompiled: how many were after it, which should be none
    """

    compile_s: float | None
    first_s: float
    seconds: list[float]
    number: float
    programs: int
    recompiled: int
    cost: Cost


def measure(contestants: Mapping[str, Contestant], repeats: int, pause_s: float = PAUSE_S) -> dict[str, Measured]:
    """All made ready, called once each, and then in turn `repeats` times."""
    ready, programs = {}, {}
    for who, contestant in contestants.items():
        before = compilations()
        ready[who] = make_ready(contestant)
        programs[who] = compilations() - before
    seconds: dict[str, list[float]] = {who: [] for who in ready}
    recompiled = dict.fromkeys(ready, 0)
    results = {}
    for repeat in range(repeats + 1):
        for who, one in ready.items():
            time.sleep(pause_s)
            before, since = compilations(), time.perf_counter()
            results[who] = one.call()
            seconds[who].append((time.perf_counter() - since) / one.share)
            (recompiled if repeat else programs)[who] += compilations() - before
    return {
        who: Measured(
            one.compile_s, seconds[who][0], seconds[who][1:], float(one.number(results[who])),
            programs[who], recompiled[who], one.cost,
        )
        for who, one in ready.items()
    }  # fmt: skip


def over_budget(contestant: Contestant, found: Measured) -> bool:
    """Whether more was compiled than should be: one program once, or for other work of ours what it allows."""
    allowed = 1 if isinstance(contestant, Program) else contestant.programs
    return found.programs > allowed or found.recompiled > 0


def make_ready(contestant: Contestant) -> Ready:
    """Compile it, where it is a program of ours."""
    if isinstance(contestant, Work):
        return Ready(contestant.call, contestant.number, contestant.share, None, Cost())
    since = time.perf_counter()
    traced = contestant.function.trace(*contestant.arguments, *contestant.turns[0])
    compiled = traced.lower().compile()
    seconds = time.perf_counter() - since
    cost = cost_of(traced, compiled, len(contestant.turns))
    return Ready(_calling(compiled, contestant), contestant.number, 1.0, seconds, cost)


def _calling(compiled: Any, program: Program) -> Callable[[], Any]:
    first, *others = program.arguments

    def call() -> Any:
        nonlocal first
        for turn in program.turns:
            result = compiled(first, *others, *turn)
            if program.carries:
                first, result = result
        return jax.block_until_ready((first, result))[1]

    return call
