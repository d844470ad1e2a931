"""What a study takes: the first call of each program, which compiles it, apart from the calls after it."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import jax

Result = TypeVar("Result")

BUDGET_S = 2.0
"""Calls are repeated only while this much time has not been spent on them."""


class Lap(NamedTuple):
    """Seconds of the first call, compiling included, and the median of later ones; None where not measured."""

    name: str
    first_s: float | None
    steady_s: float | None

    @property
    def compile_s(self) -> float:
        """What the first call took longer than the others."""
        if self.first_s is None or self.steady_s is None:
            return 0.0
        return max(self.first_s - self.steady_s, 0.0)


class Stopwatch:
    """Calls programs, waits for their results, and remembers how long they took: `laps`."""

    def __init__(self) -> None:
        """No laps yet."""
        self.laps: list[Lap] = []

    def compiled(self, name: str, program: Callable[..., Result], *arguments: object, repeats: int = 3) -> Result:
        """The result of a jitted program. It is called once and then up to `repeats` times more, for its steady state.

        The program must be pure: its later results are dropped.
        """
        result, first_s = _timed(program, *arguments)
        self.laps.append(Lap(name, first_s, _steady(program, arguments, repeats)))
        return result

    def compiled_each(
        self, name: str, program: Callable[..., Result], calls: Sequence[Sequence[object]]
    ) -> list[Result]:
        """The results of a jitted program for several calls of one shape: the first compiles, the others are steady."""
        timed = [_timed(program, *arguments) for arguments in calls]
        later = [seconds for _, seconds in timed[1:]]
        self.laps.append(Lap(name, timed[0][1], statistics.median(later) if later else None))
        return [result for result, _ in timed]

    def plain_each(self, name: str, function: Callable[..., Result], calls: Sequence[Sequence[object]]) -> list[Result]:
        """The same of a function that compiles nothing: all calls are steady."""
        timed = [_timed(function, *arguments) for arguments in calls]
        self.laps.append(Lap(name, None, statistics.median(seconds for _, seconds in timed)))
        return [result for result, _ in timed]

    def plain(self, name: str, function: Callable[..., Result], *arguments: object) -> Result:
        """The result of a function that compiles nothing, as scikit-learn's, called once."""
        result, seconds = _timed(function, *arguments)
        self.laps.append(Lap(name, None, seconds))
        return result


def _timed(function: Callable[..., Result], *arguments: object) -> tuple[Result, float]:
    since = time.perf_counter()
    result = function(*arguments)
    jax.block_until_ready(result)
    return result, time.perf_counter() - since


def _steady(program: Callable, arguments: tuple, repeats: int) -> float | None:
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < BUDGET_S:
        seconds.append(_timed(program, *arguments)[1])
    return statistics.median(seconds) if seconds else None
