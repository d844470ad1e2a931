"""The one driver: compiled chunks of steps, with hooks on the host between them."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice, pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mlr_jax.core.scan import repeat, scan
from mlr_jax.core.types import Batch, Hook, Learner, Resident, Source, State
from mlr_jax.train.prefetch import prefetch


class Stop(Exception):
    """Raised by a hook to end the run early and in order; its text is the reason."""


class Timing(NamedTuple):
    """Where the seconds of a `fit` went, and how many steps were measured.

    total_s: all of it; compile_s: tracing and compiling; compiled_s: inside compiled chunks; steps: how many they ran.
    """

    total_s: float
    compile_s: float
    compiled_s: float
    steps: int


def fit(
    learner: Learner,
    state: State,
    source: Source | Resident,
    *,
    num_steps: int,
    chunk: int = 100,
    start: int = 0,
    hooks: Sequence[Hook] = (),
) -> tuple[State, Timing]:
    """Take the steps `start` to `num_steps - 1`, `chunk` of them in each compiled call.

    Chunks end at multiples of `chunk`, so a run resumed at any of them executes the very programs of an uninterrupted
    one, on the very batches, and ends in the same bits. Between chunks each hook is called with the step reached, the
    state and the chunk's metrics (leaves [n, ...]); it must not keep the state, whose memory the next chunk reuses.
    The batches of a chunk have one shape; those of another chunk may have another, for which a program is compiled.

    Returns the state and the timing. A hook that raises `Stop` ends the run there. Raises ValueError for numbers of
    steps that make no sense and for a stream that ends too early.
    """
    if not 0 <= start <= num_steps or chunk < 1:
        raise ValueError(
            f"fit: got start={start}, num_steps={num_steps}, chunk={chunk}; "
            "needed are 0 <= start <= num_steps and chunk >= 1"
        )
    began = time.perf_counter()
    compile_s = compiled_s = 0.0
    programs: dict[tuple, Callable[[State, Batch], Any]] = {}
    state = jax.tree.map(jnp.copy, state)  # the chunks donate it, and the caller's stays the caller's
    step = start
    try:
        with closing(_chunks(source, start, num_steps, chunk)) as chunks:
            for n, batch in chunks:
                shapes = n, *(np.shape(leaf) for leaf in jax.tree.leaves(batch))
                if shapes not in programs:
                    since = time.perf_counter()
                    program = repeat(learner, n) if isinstance(source, Resident) else scan(learner, n)
                    programs[shapes] = program.lower(state, batch).compile()
                    compile_s += time.perf_counter() - since
                since = time.perf_counter()
                state, metrics = jax.block_until_ready(programs[shapes](state, batch))
                compiled_s += time.perf_counter() - since
                step += n
                for hook in hooks:
                    hook(step, state, metrics)
    except Stop:
        pass
    return state, Timing(time.perf_counter() - began, compile_s, compiled_s, step - start)


def _chunks(
    source: Source | Resident, start: int, num_steps: int, chunk: int
) -> Generator[tuple[int, Batch], None, None]:
    """The length and the data of each chunk: resident data, or the stream's batches stacked to leaves [n, B, ...]."""
    borders = [start, *range((start // chunk + 1) * chunk, num_steps, chunk), num_steps]
    lengths = [end - begin for begin, end in pairwise(borders) if end > begin]
    if isinstance(source, Resident):
        yield from ((n, source.batch) for n in lengths)
        return
    stream = source.stream(start)

    def stacked() -> Iterator[Batch]:
        for n in lengths:
            batches = list(islice(stream, n))
            if len(batches) < n:
                raise ValueError(f"source: the stream ended {n - len(batches)} batches before step {num_steps}")
            yield jax.tree.map(lambda *leaves: np.stack(leaves), *batches)

    with closing(prefetch(stacked(), size=1)) as ready:
        yield from zip(lengths, ready, strict=True)
