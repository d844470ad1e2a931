"""A sweep: many runs of one learner, each with its own key and hyper-parameters, as a single learner."""

from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Loop, Metrics, State

Layout = Literal["vmap", "map", "devices"]
"""How members share the machine: side by side in every operation, one after another inside the compiled program, or
spread over devices (and side by side on each)."""

MEMBER_AXIS = "members"
"""The name of the mesh axis over which members are spread."""


def sweep(
    learner: Learner, layout: Layout = "vmap", mesh: Mesh | None = None, on_each: Literal["vmap", "map"] = "vmap"
) -> Learner:
    """A learner whose state holds M members; member i is exactly the solo run of its key and hypers.

    init:     keys [M], hypers with leaves [M] -> state with leaves [M, ...]
    step:     one batch, shared by all members -> metrics with leaves [M]
    evaluate: one batch, shared by all members -> metrics with leaves [M, B]

    `devices` needs a mesh with an axis named "members" whose size divides M; `on_each` is the layout of the members
    that share a device. Which layout is fastest depends on the
    model and the backend: vmapping a convolution over its kernels makes a grouped convolution, for one.

    Raises ValueError for an unknown layout, and for `devices` without a mesh or with members that do not divide.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout: got {layout!r}, allowed are {', '.join(get_args(Layout))}")
    if layout == "devices" and (mesh is None or MEMBER_AXIS not in mesh.axis_names):
        raise ValueError(f"mesh: layout 'devices' needs a mesh with an axis named {MEMBER_AXIS!r}, got {mesh}")

    def init(keys: Key, hypers: Hypers) -> State:
        return spread(jax.vmap(learner.init), (keys, hypers))

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        return over_members(learner.step, state, batch)

    def evaluate(state: State, batch: Batch) -> Metrics:
        return over_members(learner.evaluate, state, batch)

    def looped(loop: Loop, state: State) -> tuple[State, Metrics]:
        """Each member takes all of its steps before the next: its state is moved once, and not in every step."""
        state, metrics = lax.map(lambda member: loop(learner.step, member), state)
        return state, jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), metrics)

    def over_members(function, state: State, batch: Batch) -> Any:
        if "map" in (layout, on_each):
            return spread(lambda state, batch: lax.map(lambda member: function(member, batch), state), (state,), batch)
        return spread(jax.vmap(function, in_axes=(0, None)), (state,), batch)

    def spread(function, members: tuple, *shared: Any) -> Any:
        if layout != "devices":
            return function(*members, *shared)
        assert mesh is not None
        count, devices = jax.tree.leaves(members)[0].shape[0], mesh.shape[MEMBER_AXIS]
        if count % devices:
            raise ValueError(f"members: got {count}, layout 'devices' needs a multiple of the {devices} devices")
        in_specs = tuple(P(MEMBER_AXIS) for _ in members) + tuple(P() for _ in shared)
        mapped = partial(jax.shard_map, mesh=mesh, in_specs=in_specs, out_specs=P(MEMBER_AXIS), check_vma=False)
        return mapped(function)(*members, *shared)

    return Learner(init, step, evaluate, looped if layout == "map" else None)
