"""What a program has to compute and to move, by XLA's own account, and the memory that it needs.

XLA counts the body of a loop once, whatever its length. So the bodies of scans are counted apart, and added as often as
they run. Of a loop whose length the data decide nothing is known.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
from jax.extend import core


class Cost(NamedTuple):
    """Of one call of a contestant: floating-point operations, bytes to and from memory, and bytes that it holds.

    None where it is not known.
    """

    flops: float | None = None
    bytes: float | None = None
    held: int | None = None


def cost_of(traced: Any, compiled: Any, calls: int = 1) -> Cost:
    """Of so many calls of a program, in its first and its last stage (`jax.stages`).

    FLOPs are those of the program as written. Bytes are those of the compiled one, whose fused operations keep most
    values out of memory; those of loops are taken to grow as their FLOPs do.
    """
    memory = compiled.memory_analysis()
    held = None
    if memory is not None:
        held = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
        held -= memory.alias_size_in_bytes
    once = _flops(traced.jaxpr)
    in_all = flops_of(traced.jaxpr, once)
    if in_all is None:
        return Cost(held=held)
    moved = (compiled.cost_analysis() or {}).get("bytes accessed", 0.0)
    grown = moved * in_all / once if once else moved
    return Cost(calls * in_all, calls * grown or None, held)


def flops_of(jaxpr: core.ClosedJaxpr, once: float | None) -> float | None:
    """All FLOPs, those of loops as often as they run; None where there is a loop of unknown length.

    once: what they are where each loop's body runs once; None where that is not known.
    """
    if once is None:
        return None
    total = once
    for equation in _loops(jaxpr.jaxpr):
        if equation.primitive.name == "while":
            return None
        body = equation.params["jaxpr"]
        body_once = _flops(body)
        in_all = flops_of(body, body_once)
        if body_once is None or in_all is None:
            return None
        total += in_all * equation.params["length"] - body_once
    return total


def _flops(jaxpr: core.ClosedJaxpr) -> float | None:
    """As the CPU's compiler counts them, on any machine: those of other devices do not say before they compile."""
    with jax.default_device(jax.devices("cpu")[0]):
        lowered = jax.jit(core.jaxpr_as_fun(jaxpr)).lower(*map(_shape, jaxpr.in_avals))
    counted = lowered.cost_analysis()
    return None if counted is None else float(counted.get("flops", 0.0))


def _shape(aval: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)


def _loops(jaxpr: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """The outermost loops, wherever in the program they stand."""
    for equation in jaxpr.eqns:
        if equation.primitive.name in ("scan", "while"):
            yield equation
        else:
            for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
                if _is_jaxpr(inner):
                    yield from _loops(inner.jaxpr if isinstance(inner, core.ClosedJaxpr) else inner)


def _is_jaxpr(value: Any) -> bool:
    return isinstance(value, core.Jaxpr | core.ClosedJaxpr)
