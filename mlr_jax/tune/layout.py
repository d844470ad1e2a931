"""How the runs of a search share the machine: folds x members x keys, as one program."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from mlr_jax.core.sweep import MEMBER_AXIS


class Layout(NamedTuple):
    """How many run side by side; the others follow one after another inside the program, which takes less memory.

    folds_at_once, members_at_once: at most so many. None is all members, and one fold on a CPU, whose cache holds what
        one fold needs, but all folds on an accelerator. What depends on a fold alone is computed once for all of its
        members that run side by side, and anew for those that follow. An iterative fit goes on until the last of
        those side by side is done.
    mesh: where given, with an axis named "members", members are divided over its devices.
    """

    folds_at_once: int | None = None
    members_at_once: int | None = None
    mesh: Mesh | None = None


DEFAULT = Layout()
"""On one device, members side by side."""


def spread(function: Callable[[Any, Any, Any], Any], layout: Layout, folds: Any, members: Any, keys: Any) -> Any:
    """function(fold, member, key) for all: arguments with leaves [F, ...], [M, ...], [S] -> leaves [F, M, S, ...].

    Folds are outermost, keys innermost: what a function computes without a member or key is not computed for each.
    Raises ValueError for numbers below 1, for a mesh without the axis and for members that do not divide over it.
    """
    _check(layout, members)
    on_cpu = jax.default_backend() == "cpu"
    folds_at_once = 1 if layout.folds_at_once is None and on_cpu else layout.folds_at_once

    def of_members(folds: Any, members: Any, keys: Any) -> Any:
        def of_member(fold: Any, member: Any) -> Any:
            return jax.vmap(lambda key: function(fold, member, key))(keys)

        def of_fold(fold: Any) -> Any:
            return _over(lambda member: of_member(fold, member), members, layout.members_at_once)

        return _over(of_fold, folds, folds_at_once)

    if layout.mesh is None:
        return of_members(folds, members, keys)
    in_specs, out_specs = (P(), P(MEMBER_AXIS), P()), P(None, MEMBER_AXIS)
    mapped = partial(jax.shard_map, mesh=layout.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    return mapped(of_members)(folds, members, keys)


def _over(function: Callable[[Any], Any], runs: Any, at_once: int | None) -> Any:
    """function of each of the runs, leaves [n, ...]."""
    if at_once is None or at_once >= jax.tree.leaves(runs)[0].shape[0]:
        return jax.vmap(function)(runs)
    return lax.map(function, runs, batch_size=None if at_once == 1 else at_once)


def _check(layout: Layout, members: Any) -> None:
    for name, count in layout._asdict().items():
        if isinstance(count, int) and count < 1:
            raise ValueError(f"{name}: got {count}, allowed are 1 and above, or None for all at once")
    if layout.mesh is None:
        return
    if MEMBER_AXIS not in layout.mesh.axis_names:
        raise ValueError(f"mesh: got {layout.mesh}, an axis named {MEMBER_AXIS!r} is needed")
    count, devices = jax.tree.leaves(members)[0].shape[0], layout.mesh.shape[MEMBER_AXIS]
    if count % devices:
        raise ValueError(f"members: got {count}, a multiple of the {devices} devices is needed")
