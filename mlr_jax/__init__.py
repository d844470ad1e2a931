"""Machine Learning Refresher in JAX: every algorithm of the curriculum as the same record of pure functions.

Importing the package loads nothing heavy. It does one thing: on a machine with few cores it chooses the size of
XLA's thread pool, because with the default pool of two threads XLA:CPU can stop for ever on vmapped, scanned
programs (see docs/runtime.md). The choice holds if it is made before the first JAX computation, and a value that is
already set wins.
"""

import os as _os

__version__ = "0.1.0"

SAFE_POOL_THREADS = 4
"""Threads that XLA:CPU gets on a machine with fewer cores than this."""

if (_os.cpu_count() or 1) < SAFE_POOL_THREADS:
    _os.environ.setdefault("PJRT_NPROC", str(SAFE_POOL_THREADS))
