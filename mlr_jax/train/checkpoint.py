"""Checkpoints: complete, written in the background, and never restored silently wrong.

Orbax writes each one into a temporary folder and renames it, so a kill leaves either a whole checkpoint or none. What
it does not notice is a byte that changed on the disk: a digest of every array is kept beside them and checked.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from mlr_jax.core.types import State

Warn = Callable[[str], None]
Leaf = jax.Array | np.ndarray
Array = TypeVar("Array", jax.Array | np.ndarray, np.ndarray)


class CheckpointError(ValueError):
    """A checkpoint cannot be written, or none can be resumed from though some are there."""


class Checkpoints:
    """The checkpoints of one run, one for each saved step, in one folder.

    A checkpoint holds every array of the state under its path in the tree (`inner.params.Dense_0.kernel`), and a table
    of dtypes, shapes and digests. Arrays are whole, so they restore on any number of devices.
    """

    def __init__(self, folder: Path, keep: int = 3, warn: Warn = print):
        """Keep the newest `keep` checkpoints in `folder`; `warn` is told of damage in one line."""
        self.folder = folder.resolve()
        self._warn = warn
        logging.getLogger("absl").setLevel(logging.CRITICAL)  # what Orbax logs as an error it also raises
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, create=True, cleanup_tmp_directories=True, enable_async_checkpointing=False
        )
        # Floats hardly shrink, and one data base for all arrays takes four times as long to write as a file for each.
        handlers = {
            "state": ocp.PyTreeCheckpointHandler(use_ocdbt=False, use_compression=False),
            "table": ocp.JsonCheckpointHandler(),
        }
        self._manager = ocp.CheckpointManager(self.folder, options=options, item_handlers=handlers)
        # Orbax's own background saving takes tens of milliseconds in the foreground; handing over a copy takes one.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save(self, step: int, state: State) -> None:
        """Copy the state and write it in the background; a step that is there already is left as it is.

        Waits for the save before it, and raises what that one may have raised.
        """
        self.wait()
        if step not in self.steps():
            self._writing = self._writer.submit(self._write, step, _named_arrays(state))

    def _write(self, step: int, arrays: dict[str, np.ndarray]) -> None:
        table = _described(arrays)
        items = ocp.args.Composite(state=ocp.args.PyTreeSave(_stored(arrays)), table=ocp.args.JsonSave(_sealed(table)))
        if not self._manager.save(step, args=items):
            raise CheckpointError(f"checkpoint {self.folder / str(step)}: not saved, a later step is there")

    def steps(self) -> list[int]:
        """The saved steps, oldest first."""
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdigit())

    def drop_after(self, step: int) -> None:
        """Remove the checkpoints of later steps, which a run resumed from `step` takes again."""
        for later in self.steps():
            if later > step:
                self._manager.delete(later)

    def wait(self) -> None:
        """Return when everything is on the disk; raises what went wrong with it."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait, and end the background thread."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()
            self._manager.close()

    def restore(self, template: State) -> tuple[int, State] | None:
        """The newest sound checkpoint as (step, state), or None where none was ever saved.

        `template` is a state of the same structure, whose dtypes, shapes and placement on devices the result has.
        A damaged checkpoint is announced, set aside under `damaged-STEP`, and the one before is taken.

        Raises CheckpointError, a ValueError, where a sound checkpoint belongs to another model (naming what differs),
        and where checkpoints are there and every one is damaged.
        """
        damaged: list[int] = []
        for step in reversed(self.steps()):
            try:
                arrays = self._load(step, template)
            except _Damaged as damage:
                self._warn(f"checkpoint {self.folder / str(step)} is damaged ({damage}): trying the one before")
                damaged.append(step)
                continue
            for bad in damaged:
                self._set_aside(bad)
            return step, _rebuild(template, arrays)
        if damaged:
            count = len(damaged)
            raise CheckpointError(f"checkpoints in {self.folder}: all {count} are damaged, none can be resumed from")
        return None

    def _load(self, step: int, template: State) -> dict[str, np.ndarray]:
        expected = _named_leaves(template)
        table = self._read(step, table=ocp.args.JsonRestore())["table"]
        _check_seal(table)
        _check_same_model(table["leaves"], expected, self.folder / str(step))
        as_numpy = dict.fromkeys(_stored(expected), ocp.RestoreArgs(restore_type=np.ndarray))
        there = self._read(step, state=ocp.args.PyTreeRestore(_stored(expected), as_numpy))["state"]
        arrays = {name: there[name] if name in there else np.asarray(leaf) for name, leaf in expected.items()}
        for name, found in _described(arrays).items():
            if found != table["leaves"][name]:
                raise _Damaged(f"{name} has changed on the disk")
        return arrays

    def _read(self, step: int, **items: Any) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except Exception as error:  # what a damaged file raises depends on which byte it lost
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise _Damaged(f"unreadable: {reason[0][:160]}") from error

    def _set_aside(self, step: int) -> None:
        target = self.folder / f"damaged-{step}"
        if target.exists():
            shutil.rmtree(target)
        (self.folder / str(step)).rename(target)
        self._manager.reload()


class _Damaged(Exception):
    """A checkpoint that cannot be trusted."""


def _named_leaves(state: State) -> dict[str, Leaf]:
    """Every array by its path in the tree; random keys by their words."""
    named: dict[str, Leaf] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        if _name(path) in named:
            raise ValueError(f"checkpoint: two arrays of the state have the path {_name(path)}; rename one")
        words = jax.random.key_data(leaf) if _is_key(leaf) else leaf
        named[_name(path)] = words if isinstance(words, jax.Array) else np.asarray(words)
    return named


def _named_arrays(state: State) -> dict[str, np.ndarray]:
    """A copy of every array by its path: a view would be overwritten when the next chunk donates the state."""
    return {name: np.array(leaf, copy=True) for name, leaf in _named_leaves(state).items()}


def _stored(arrays: dict[str, Array]) -> dict[str, Array]:
    """The arrays that Orbax is given: it refuses those without elements, and the table says all there is to them."""
    return {name: array for name, array in arrays.items() if array.size}


def _rebuild(template: State, arrays: dict[str, np.ndarray]) -> State:
    """The tree of `template` with these arrays, each placed where the template's is."""

    def rebuild(path: Any, leaf: Any) -> Any:
        value: Any = arrays[_name(path)]
        if _is_key(leaf):
            value = jax.random.wrap_key_data(jnp.asarray(value), impl=jax.random.key_impl(leaf))
        return jax.device_put(value, leaf.sharding) if isinstance(leaf, jax.Array) else value

    return jax.tree_util.tree_map_with_path(rebuild, template)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _described(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the table says of each; digests are made side by side, as hashing lets other threads run."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(arrays, pool.map(_describe, arrays.values()), strict=True))


def _describe(array: np.ndarray) -> dict[str, Any]:
    octets = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    digest = hashlib.blake2b(octets.data, digest_size=16).hexdigest()
    return {"dtype": str(array.dtype), "shape": list(array.shape), "digest": digest}


def _sealed(leaves: dict[str, Any]) -> dict[str, Any]:
    return {"leaves": leaves, "seal": _seal_of(leaves)}


def _seal_of(leaves: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(leaves, sort_keys=True).encode(), digest_size=16).hexdigest()


def _check_seal(table: Any) -> None:
    if not isinstance(table, dict) or table.get("seal") != _seal_of(table.get("leaves", {})):
        raise _Damaged("its table of digests has changed on the disk")


def _check_same_model(leaves: dict[str, Any], expected: dict[str, Leaf], where: Path) -> None:
    for name in sorted(leaves.keys() ^ expected.keys()):
        side = "is missing in" if name in expected else "is not expected but stands in"
        raise CheckpointError(f"checkpoint {where}: array {name} {side} it; it belongs to another model")
    for name, array in expected.items():
        there, wanted = leaves[name], (str(array.dtype), list(array.shape))
        if (there["dtype"], there["shape"]) != wanted:
            got = f"{there['dtype']}{there['shape']}"
            raise CheckpointError(f"checkpoint {where}: {name} is {got}, wanted {wanted[0]}{wanted[1]}")


def digests(state: State) -> dict[str, str]:
    """A digest of every array of a state by its path: two states are equal bit for bit where these are equal."""
    return {name: said["digest"] for name, said in _described(_named_arrays(state)).items()}
