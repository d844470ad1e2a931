import gc
import itertools
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from mlr_jax.train.prefetch import prefetch


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("size", [1, 2, 20])
def test_items_come_in_order_and_the_thread_ends(size):
    assert list(prefetch(iter(range(10)), size, put=lambda item: item * 2)) == list(range(0, 20, 2))
    assert not threads()


def test_items_are_put_on_the_device_by_default():
    (batch,) = prefetch(iter([{"x": np.ones(2)}]))
    assert isinstance(batch["x"], jax.Array)


def test_no_more_than_size_items_wait():
    made = []
    items = prefetch((made.append(item) or item for item in itertools.count()), 2, put=int)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]  # one taken, two ready, one in the hands of the thread
    items.close()


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()])
def test_an_error_comes_after_the_items_before_it(error):
    def items():
        yield 1
        yield 2
        raise error

    fetched = prefetch(items(), put=int)
    assert [next(fetched), next(fetched)] == [1, 2]
    with pytest.raises(type(error)):
        next(fetched)
    assert not threads()


def test_an_error_of_put_is_raised_too():
    with pytest.raises(ValueError, match="invalid literal"):
        list(prefetch(iter(["1", "one"]), put=int))


def test_closing_ends_the_thread_and_closes_the_iterator():
    closed = []

    def endless():
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    sources = [endless() for _ in range(5)]  # referred to from here, so that nothing but `close` ends them
    for taken, source in enumerate(sources):
        items = prefetch(source, 2, put=int)
        assert list(itertools.islice(items, taken + 1)) == list(range(taken + 1))
        items.close()
        assert not threads()
    assert closed == [True] * 5


def test_dropping_the_generator_ends_the_thread():
    items = prefetch(itertools.count(), put=int)
    next(items)
    assert threads()
    del items
    gc.collect()
    assert not threads()


@pytest.mark.parametrize("iterator", ["itertools.count()", "itertools.repeat(0, 1)", "waits()"])
def test_a_program_may_end_without_closing(iterator, clean_environment):
    program = f"""
import itertools, threading
from mlr_jax.train import prefetch
prefetch._EXIT_SECONDS = 0.1

def waits():
    yield 0
    threading.Event().wait()

items = prefetch.prefetch({iterator})
next(items)
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, env=clean_environment, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_prefetch_can_be_stacked():
    items = prefetch(prefetch(itertools.count(), put=int), put=int)
    assert list(itertools.islice(items, 3)) == [0, 1, 2]
    items.close()
    assert not threads()


def test_size_is_checked_at_once():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        prefetch(iter([]), 0)
