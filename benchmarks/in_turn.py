"""Contestants are called one after another, again and again, so that what disturbs one disturbs all."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

PAUSE_S = 0.3
"""Before each call: threads of the one before it may spin for some time, waiting for more to do."""

Call = Callable[[], float]
"""Does some work, and returns a number that shows that it is the same work: the last loss, say."""


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
