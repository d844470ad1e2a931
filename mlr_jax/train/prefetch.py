"""Make the next batches, and move them to the device, while the device works on the present one."""

import atexit
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jax

_EXIT_SECONDS = 5.0


def prefetch(
    iterator: Iterator[Any], size: int = 2, put: Callable[[Any], Any] = jax.device_put
) -> Generator[Any, None, None]:
    """The items `put(item)`, in order, of which a background thread keeps up to `size` ready.

    An error of `iterator` or `put` is raised here, after the items before it. Closing the generator (or dropping it)
    ends the thread and closes `iterator`; it waits for the item being made, if any.

    Raises ValueError if `size` < 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    return _prefetch(iterator, size, put)


def _prefetch(iterator: Iterator[Any], size: int, put: Callable[[Any], Any]) -> Generator[Any, None, None]:
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(size)
    closed = threading.Event()

    def work() -> None:
        try:
            for item in iterator:
                ready.put(("item", put(item)))
                if closed.is_set():
                    return
        except BaseException as error:  # whatever it is, the consumer must see it, not this thread
            ready.put(("error", error))
        else:
            ready.put(("end", None))
        finally:
            if hasattr(iterator, "close"):
                iterator.close()

    thread = threading.Thread(target=work, name="prefetch", daemon=True)

    def stop(timeout: float | None = None) -> None:
        closed.set()
        # Once the queue is empty the worker can put the one item it may still hold, sees `closed`, and ends.
        while not ready.empty():
            ready.get_nowait()
        thread.join(timeout)

    # A program may end without closing the generator. A thread that is still inside JAX then would crash it, so the
    # thread is stopped first; being a daemon, it cannot keep the program from ending if its iterator is stuck.
    atexit.register(stop, _EXIT_SECONDS)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "item":
                yield value
            elif kind == "error":
                raise value
            else:
                return
    finally:
        if not closed.is_set():
            atexit.unregister(stop)
            stop()
