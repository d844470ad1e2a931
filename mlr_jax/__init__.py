"""Machine Learning Refresher in JAX: every algorithm of the curriculum as the same record of pure functions.

Importing the package loads nothing heavy. It does one thing: on few cores it chooses the size of
XLA's thread pool, because with the default pool of two threads XLA:CPU can stop for ever on vmapped, scanned
programs (see docs/runtime.md). The choice holds if it is made before the first JAX computation, and a value that is
already set wins.
"""

import os as _os

__version__ = "0.1.0"

SAFE_POOL_THREADS = 4
"""Threads that XLA:CPU gets where the process may run on fewer cores than this."""


def _cores() -> int:
    """Cores that this process may use: a container or a scheduler may grant fewer than the machine has."""
    return len(_os.sched_getaffinity(0)) if hasattr(_os, "sched_getaffinity") else _os.cpu_count() or 1


if _cores() < SAFE_POOL_THREADS:
    _os.environ.setdefault("PJRT_NPROC", str(SAFE_POOL_THREADS))
