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

    folds_at_once, members_at_once: a number, or None for all. What depends on a fold alone is computed once for all of
    its members that run side by side, and anew for those that follow. An iterative fit goes on until the last of those
    side by side is done.
    mesh: where given, with an axis named "members", members are divided over its devices.
    """

    folds_at_once: int | None = None
    members_at_once: int | None = None
    mesh: Mesh | None = None


SIDE_BY_SIDE = Layout()
"""All at once on one device."""


def spread(function: Callable[[Any, Any, Any], Any], layout: Layout, folds: Any, members: Any, keys: Any) -> Any:
    """function(fold, member, key) for all: arguments with leaves [F, ...], [M, ...], [S] -> leaves [F, M, S, ...].

    Folds are outermost, keys innermost: what a function computes without a member or key is not computed for each.
    Raises ValueError for numbers below 1, for a mesh without the axis and for members that do not divide over it.
    """
    _check(layout, members)

    def of_members(folds: Any, members: Any, keys: Any) -> Any:
        def of_member(fold: Any, member: Any) -> Any:
            return jax.vmap(lambda key: function(fold, member, key))(keys)

        def of_fold(fold: Any) -> Any:
            return _over(lambda member: of_member(fold, member), layout.members_at_once)(members)

        return _over(of_fold, layout.folds_at_once)(folds)

    if layout.mesh is None:
        return of_members(folds, members, keys)
    in_specs, out_specs = (P(), P(MEMBER_AXIS), P()), P(None, MEMBER_AXIS)
    mapped = partial(jax.shard_map, mesh=layout.mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False)
    return mapped(of_members)(folds, members, keys)


def _over(function: Callable[[Any], Any], at_once: int | None) -> Callable[[Any], Any]:
    if at_once is None:
        return jax.vmap(function)
    return partial(lax.map, function, batch_size=None if at_once == 1 else at_once)


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
