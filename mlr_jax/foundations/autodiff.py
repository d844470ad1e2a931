"""Automatic differentiation: the chain rule, read forwards and backwards.

A program is a graph of elementary functions y = f(x_1, ..., x_n), each of which knows its partial derivatives. That is
all there is to know; the two modes only multiply the partials in opposite order:

    forward   dy = sum_i df/dx_i dx_i    along with the values; one pass for each input (Wengert, 1964)
    reverse   xbar_i += df/dx_i ybar     back through the recorded graph; one pass for each output (Linnainmaa, 1970)

Numbers are scalars: floats, arrays of one shape (everything is elementwise), or tracers of jit and vmap. Each
derivative being taken is a level of its own, and a number of a level holds a value of the levels below. So derivatives
nest, in any mix of modes, without being taken for one another (Siskind & Pearlmutter, 2008).
"""

import itertools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

Scalar = Any
"""A float, an array, or a `Number` that stands for one."""

Operation = Callable[..., Scalar]

_levels, _order = itertools.count(1), itertools.count()


def elementary(function: Callable[..., Any], *partials: Operation) -> Operation:
    """The function, made to take plain numbers and numbers of any level.

    partials[i](x_1, ..., x_n) = df/dx_i, written in elementary functions again so that it can be differentiated too.
    """

    def operation(*inputs: Scalar) -> Scalar:
        level = max(_level(x) for x in inputs)
        if level == 0:
            return function(*inputs)
        values = [x.value if _level(x) == level else x for x in inputs]
        terms = [(x, partial(*values)) for x, partial in zip(inputs, partials, strict=True) if _level(x) == level]
        innermost: Number = terms[0][0]
        return innermost.join(operation(*values), terms)

    return operation


def _power_slope(x: Scalar, n: Scalar) -> Scalar:
    return 0.0 if isinstance(n, int | float) and n == 0 else n * x ** (n - 1)  # not 0 times x^-1, NaN at x = 0


add: Operation = elementary(operator.add, lambda x, y: 1.0, lambda x, y: 1.0)
subtract: Operation = elementary(operator.sub, lambda x, y: 1.0, lambda x, y: -1.0)
multiply: Operation = elementary(operator.mul, lambda x, y: y, lambda x, y: x)
divide: Operation = elementary(operator.truediv, lambda x, y: 1.0 / y, lambda x, y: -x / (y * y))
power: Operation = elementary(operator.pow, _power_slope, lambda x, y: x**y * log(x))
negative: Operation = elementary(operator.neg, lambda x: -1.0)
exp: Operation = elementary(jnp.exp, lambda x: exp(x))  # noqa: PLW0108 (there is no exp yet)
log: Operation = elementary(jnp.log, lambda x: 1.0 / x)
sqrt: Operation = elementary(jnp.sqrt, lambda x: 0.5 / sqrt(x))
sin: Operation = elementary(jnp.sin, lambda x: cos(x))  # noqa: PLW0108
cos: Operation = elementary(jnp.cos, lambda x: -sin(x))
tanh: Operation = elementary(jnp.tanh, lambda x: 1.0 - tanh(x) ** 2)
heaviside: Operation = elementary(lambda x: jnp.heaviside(x, 0.5), lambda x: 0.0)
maximum: Operation = elementary(jnp.maximum, lambda x, y: heaviside(x - y), lambda x, y: heaviside(y - x))


def _swapped(operation: Operation) -> Operation:
    return lambda x, y: operation(y, x)


class Number(ABC):
    """A value whose derivatives are being taken at some level."""

    value: Scalar
    level: int

    __add__, __sub__, __mul__, __truediv__, __pow__ = add, subtract, multiply, divide, power
    __radd__, __rsub__, __rmul__ = _swapped(add), _swapped(subtract), _swapped(multiply)
    __rtruediv__, __rpow__ = _swapped(divide), _swapped(power)
    __neg__ = negative
    __array_ufunc__ = None  # numpy leaves its sums with a Number to the Number

    @abstractmethod
    def join(self, value: Scalar, terms: list[tuple[Any, Scalar]]) -> "Number":
        """The result of an elementary function: its value, and each input of this level with df/dx at it."""


@dataclass(frozen=True, eq=False)
class Dual(Number):
    """value + tangent epsilon with epsilon^2 = 0 (Clifford, 1873): f(x + v epsilon) = f(x) + f'(x) v epsilon."""

    value: Scalar
    tangent: Scalar
    level: int

    def join(self, value: Scalar, terms: list[tuple["Dual", Scalar]]) -> "Dual":
        """dy = sum_i df/dx_i dx_i."""
        return Dual(value, sum(slope * x.tangent for x, slope in terms), self.level)


@dataclass(frozen=True, eq=False)
class Node(Number):
    """A value in the graph, with the nodes it was made of and the slope along each edge."""

    value: Scalar
    level: int
    edges: Sequence[tuple["Node", Scalar]] = ()
    order: int = field(default_factory=lambda: next(_order))

    def join(self, value: Scalar, terms: list[tuple["Node", Scalar]]) -> "Node":
        """A new node: what to do with the slopes is decided on the way back."""
        return Node(value, self.level, terms)


def jvp(function: Callable[..., Any], point: Sequence[Scalar], direction: Sequence[Scalar]) -> tuple[Any, Any]:
    """Forward mode: f(x) and its derivative along v, J v, in one pass.

    The function takes the N numbers of `point` one by one and returns a number or a tree of numbers.
    """
    level = next(_levels)
    inputs = [Dual(x, v, level) for x, v in zip(point, direction, strict=True)]
    outputs = function(*inputs)
    values = jax.tree.map(lambda y: y.value if _level(y) == level else y, outputs)
    return values, jax.tree.map(lambda y: y.tangent if _level(y) == level else 0.0, outputs)


def vjp(function: Callable[..., Any], point: Sequence[Scalar]) -> tuple[Any, Callable[[Any], list[Scalar]]]:
    """Reverse mode: f(x), and the function that takes an adjoint of each output to those of the N inputs, J' w."""
    level = next(_levels)
    inputs = [Node(x, level) for x in point]
    outputs = function(*inputs)

    def pull_back(adjoint: Any) -> list[Scalar]:
        seeds = zip(jax.tree.leaves(outputs), jax.tree.leaves(adjoint), strict=True)
        adjoints = _sweep([(y, w) for y, w in seeds if _level(y) == level])
        return [adjoints.get(x, 0.0) for x in inputs]

    return jax.tree.map(lambda y: y.value if _level(y) == level else y, outputs), pull_back


def gradient(function: Callable[..., Scalar]) -> Callable[..., list[Scalar]]:
    """x_1, ..., x_N -> the N partial derivatives of a function with one value, in one pass back."""
    return lambda *point: vjp(function, point)[1](1.0)


def hessian_vector_product(
    function: Callable[..., Scalar], point: Sequence[Scalar], vector: Sequence[Scalar]
) -> list[Scalar]:
    """H v, without ever holding H: the derivative of the gradient along v, forward over reverse (Pearlmutter, 1994)."""
    return jvp(gradient(function), point, vector)[1]


def _sweep(seeds: list[tuple[Node, Scalar]]) -> dict[Node, Scalar]:
    """The adjoint of every node that the seeds depend on, each complete before it is passed on."""
    adjoints: dict[Node, Scalar] = {}
    for node, adjoint in seeds:
        adjoints[node] = adjoints.get(node, 0.0) + adjoint
    for node in sorted(_ancestors(list(adjoints)), key=lambda node: node.order, reverse=True):
        for x, slope in node.edges:
            adjoints[x] = adjoints.get(x, 0.0) + slope * adjoints[node]
    return adjoints


def _ancestors(nodes: list[Node]) -> set[Node]:
    found, waiting = set(nodes), list(nodes)
    while waiting:
        new = {x for x, _ in waiting.pop().edges} - found
        found |= new
        waiting += new
    return found


def _level(x: Scalar) -> int:
    return x.level if isinstance(x, Number) else 0
