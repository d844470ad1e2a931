"""A state of 45 arrays of a million numbers each, written to disk and read back.

Ours writes a digest of every array beside it and checks it when reading; PyTorch's `save` does not.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.case import Asked, Case, Make, Work, temporary_folder
from benchmarks.peers import torch_files
from mlr_jax.train.checkpoint import Checkpoints

ARRAYS, NUMBERS = 45, 1_000_000


def save(asked: Asked) -> Case:
    """Written, and on the disk when the call returns."""
    state = state_of(asked)
    checkpoints = Checkpoints(temporary_folder(), keep=1)
    step = 0

    def call() -> float:
        nonlocal step
        step += 1
        checkpoints.save(step, state)
        checkpoints.wait()
        return float(checkpoints.steps()[-1] == step)

    peers = {"PyTorch": Work(torch_files.saved(state))} if asked.beside("torch") else {}
    return Case({"ours": Work(call, programs=4)}, peers, megabytes(state), "MB")


def restore(asked: Asked) -> Case:
    """Read back and on the device: a number of it."""
    state = state_of(asked)
    checkpoints = Checkpoints(temporary_folder(), keep=1)
    checkpoints.save(1, state)
    checkpoints.wait()

    def call() -> float:
        found = checkpoints.restore(state)
        assert found is not None
        return float(jax.block_until_ready(found[1])["0"][0])

    peers = {"PyTorch": Work(torch_files.restored(state))} if asked.beside("torch") else {}
    return Case({"ours": Work(call, programs=4)}, peers, megabytes(state), "MB")


CASES: dict[str, Make] = {"save": save, "restore": restore}


def state_of(asked: Asked) -> dict[str, jax.Array]:
    """Arrays of normal numbers."""
    rng = np.random.default_rng(0)
    shape = asked.of(NUMBERS, 10)
    return {str(k): jnp.asarray(rng.normal(size=shape), jnp.float32) for k in range(asked.of(ARRAYS, 2))}


def megabytes(state: dict[str, jax.Array]) -> float:
    """Of all arrays."""
    return sum(leaf.nbytes for leaf in state.values()) / 1e6
