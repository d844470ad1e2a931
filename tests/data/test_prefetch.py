import gc
import itertools
import threading
import time

import jax
import numpy as np
import pytest

from mlr_jax.data.prefetch import prefetch


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

    received = []
    with pytest.raises(type(error)):
        received.extend(item for item in _recorded(prefetch(items(), put=int), received))
    assert received == [1, 2]
    assert not threads()


def _recorded(items, received):
    for item in items:
        received.append(item)
        yield from ()


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

    for taken in range(5):
        items = prefetch(endless(), 2, put=int)
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


def test_prefetch_can_be_stacked():
    items = prefetch(prefetch(itertools.count(), put=int), put=int)
    assert list(itertools.islice(items, 3)) == [0, 1, 2]
    items.close()
    assert not threads()


def test_size_is_checked_at_once():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        prefetch(iter([]), 0)
