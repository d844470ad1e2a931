"""One learner on many devices. Each function takes a learner and returns one that computes the same, to rounding.

Where the step draws random numbers for rows, as dropout does, `per_device` and `pmapped` draw others on each device.

| function        | who writes the communication | parameters | made with                   |
|-----------------|------------------------------|------------|-----------------------------|
| `data_parallel` | the compiler                 | copied     | `jit` and shardings         |
| `fsdp`          | the compiler                 | sharded    | `jit` and shardings         |
| `per_device`    | `core/collectives.py`        | copied     | `shard_map`                 |
| `pmapped`       | `core/collectives.py`        | copied     | `pmap`, which is in upkeep only |
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from mlr_jax.core.collectives import DATA_AXIS
from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State


def device_mesh(num_devices: int, axis: str = DATA_AXIS) -> Mesh:
    """The first `num_devices` devices in a row, as a mesh with one axis.

    Raises ValueError where fewer devices are there.
    """
    devices: Sequence[jax.Device] = jax.devices()
    if not 1 <= num_devices <= len(devices):
        raise ValueError(f"devices: got {num_devices}, allowed are 1 to {len(devices)} ({devices[0].platform})")
    # Explicit axes, the default of some versions, do not work with Linen's dropout.
    return Mesh(np.array(devices[:num_devices]), (axis,), axis_types=(AxisType.Auto,))


def data_parallel(learner: Learner, mesh: Mesh) -> Learner:
    """Rows of each batch over the devices, a copy of the state on each: the compiler adds the communication."""
    return _sharded(learner, mesh, lambda state: jax.tree.map(lambda _: NamedSharding(mesh, P()), state))


def fsdp(learner: Learner, mesh: Mesh) -> Learner:
    """Rows of each batch and every large array of the state over the devices ("fully sharded data parallel").

    An array is cut along its longest axis that the number of devices divides; one with no such axis is copied. Each
    device then holds 1 / D of the parameters and of the optimizer's moments (Rajbhandari et al., 2020).
    """
    devices = mesh.shape[DATA_AXIS]

    def sharding_of(leaf: Any) -> NamedSharding:
        shape = () if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf.shape
        divisible = [axis for axis, size in enumerate(shape) if size and size % devices == 0]
        if not divisible:
            return NamedSharding(mesh, P())
        longest = max(divisible, key=lambda axis: shape[axis])
        return NamedSharding(mesh, P(*(DATA_AXIS if axis == longest else None for axis in range(len(shape)))))

    return _sharded(learner, mesh, lambda state: jax.tree.map(sharding_of, state))


def _sharded(learner: Learner, mesh: Mesh, shardings_of: Callable[[State], Any]) -> Learner:
    def place(state: State) -> State:
        return lax.with_sharding_constraint(state, shardings_of(state))

    def spread(batch: Batch) -> Batch:
        _check_rows(batch, mesh)
        return lax.with_sharding_constraint(batch, NamedSharding(mesh, P(DATA_AXIS)))

    def init(key: Key, hypers: Hypers) -> State:
        return place(learner.init(key, hypers))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        state, metrics = learner.step(place(state), spread(batch))
        return place(state), metrics

    def evaluate(state: State, batch: Batch) -> Metrics:
        return learner.evaluate(place(state), spread(batch))

    return Learner(init, step, evaluate)


def per_device(learner: Learner, mesh: Mesh) -> Learner:
    """Each device runs the step on its own rows, and the step itself reduces over them (`core/collectives.py`)."""

    def mapped(function: Callable, out_specs: Any) -> Callable:
        # With check_vma the transpose of a replicated parameter would already sum the gradients over the devices,
        # and `pmap` has no such check: without it both follow the same rule.
        on_each = jax.shard_map(function, mesh=mesh, in_specs=(P(), P(DATA_AXIS)), out_specs=out_specs, check_vma=False)

        def checked(state: State, batch: Batch) -> Any:
            _check_rows(batch, mesh)
            return on_each(state, batch)

        return checked

    return Learner(learner.init, mapped(learner.step, P()), mapped(learner.evaluate, P(DATA_AXIS)))


def pmapped(learner: Learner, mesh: Mesh) -> Learner:
    """The same by `jax.pmap`, for code that is built on it: prefer `per_device`."""
    devices = mesh.shape[DATA_AXIS]
    on_each = partial(jax.pmap, axis_name=DATA_AXIS, in_axes=(None, 0), devices=list(mesh.devices.flat))

    def placed_step(state: State, placed: tuple[Batch, Any]) -> tuple[State, Metrics]:
        return learner.step(state, placed[0])

    step_on_each = on_each(placed_step, out_axes=(None, None))
    evaluate_on_each = on_each(learner.evaluate, out_axes=0)

    def split(batch: Batch) -> Batch:
        _check_rows(batch, mesh)
        return jax.tree.map(lambda leaf: leaf.reshape(devices, leaf.shape[0] // devices, *leaf.shape[1:]), batch)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        return step_on_each(state, (split(batch), np.arange(devices)))  # pmap wants an array, and agents have no batch

    def evaluate(state: State, batch: Batch) -> Metrics:
        values = evaluate_on_each(state, split(batch))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), values)

    return Learner(learner.init, step, evaluate)


def _check_rows(batch: Batch, mesh: Mesh) -> None:
    devices = mesh.shape[DATA_AXIS]
    for leaf in jax.tree.leaves(batch):
        if leaf.ndim == 0 or leaf.shape[0] % devices:
            raise ValueError(f"batch: got an array of shape {leaf.shape}, its rows must divide over {devices} devices")
