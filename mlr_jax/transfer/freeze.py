"""What of a trained model goes on learning, and how fast: freezing, linear probes, discriminative rates, unfreezing.

Parts are named by the path of a parameter, as in "stage2/block0/Conv_0/kernel", and chosen by regular expressions that
match it whole: "stage[12]/.*" is two stages, "(?!Dense_0/).*" all but the last layer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from mlr_jax.core.gradient import Optimizer
from mlr_jax.core.types import Batch, Hypers, Key, Metrics, Task, Variables
from mlr_jax.nn.norm import BatchNorm

FROZEN = "frozen"
"""The collection of parameters that stay as they are: no gradient, optimizer state or decay is computed for them."""

Rate = Callable[[jax.Array, Hypers], jax.Array]
"""step [], hypers -> the factor [] of the learning rate."""


def freeze(task: Task, *patterns: str, statistics: bool = True) -> Task:
    """`task` that learns only the parameters whose path no pattern matches.

    The others move from "params" to the collection "frozen", which a learner carries along. statistics: the batch
    normalisation of the frozen parts is frozen too (`freeze_statistics`); otherwise it follows the new data.

    Raises ValueError for a pattern that matches no parameter, and if all or none are frozen.
    """

    def init(key: Key) -> Variables:
        variables = dict(task.init(key))
        kept, frozen = split(variables.pop("params"), patterns)
        return {"params": kept, FROZEN: frozen, **variables}

    task = freeze_statistics(task, *patterns) if statistics else task

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        value, (updated, metrics) = task.loss(thawed(variables), batch, key, hypers)
        collections = {name: leaves for name, leaves in updated.items() if name != "params"}
        return value, ({**variables, **collections}, metrics)

    return Task(init, loss, lambda variables, batch: task.evaluate(thawed(variables), batch))


def thawed(variables: Variables) -> Variables:
    """The variables of the unfrozen task: all parameters in "params"."""
    rest = {name: leaves for name, leaves in variables.items() if name not in ("params", FROZEN)}
    return {"params": join(variables["params"], variables[FROZEN]), **rest}


def linear_probe(task: Task, head: str) -> Task:
    """`task` that learns the layer whose parameters `head` matches on fixed features: no statistic moves either."""
    return freeze(freeze_statistics(task, ".*"), f"(?!{head}$).*", statistics=False)


def freeze_statistics(task: Task, *patterns: str) -> Task:
    """`task` whose batch normalisation keeps and uses its running moments, in training too, where a pattern matches.

    A pattern is held against the path of the layer's parameters, such as "stage1/BatchNorm_0/scale".
    """

    def as_in_evaluation(next_function: Callable, arguments: tuple, keywords: dict, context: Any) -> Any:
        module = context.module
        if isinstance(module, BatchNorm) and context.method_name == "__call__":
            path = "/".join((*module.path, "scale"))
            if any(re.fullmatch(pattern, path) for pattern in patterns):
                keywords = {**keywords, "train": False}
        return next_function(*arguments, **keywords)

    def loss(
        variables: Variables, batch: Batch, key: Key, hypers: Hypers
    ) -> tuple[jax.Array, tuple[Variables, Metrics]]:
        with nn.intercept_methods(as_in_evaluation):
            return task.loss(variables, batch, key, hypers)

    return task._replace(loss=loss)


def start_from(task: Task, variables: Variables, *fresh: str) -> Task:
    """`task` that starts at `variables`, but for the parameters that a pattern of `fresh` matches, which are new.

    Raises ValueError, naming all of them, for variables that are missing, left over or of another shape.
    """

    def init(key: Key) -> Variables:
        new, given = (flatten_dict(dict(tree), sep="/") for tree in (task.init(key), variables))
        is_new = {path for path in new if _matches(path.removeprefix("params/"), fresh) and path.startswith("params/")}
        wrong = [f"{path}: missing" for path in new.keys() - given.keys() - is_new]
        wrong += [f"{path}: left over" for path in given.keys() - new.keys() if not _matches(path[7:], fresh)]
        for path in (new.keys() & given.keys()) - is_new:
            if new[path].shape != given[path].shape:
                wrong.append(f"{path}: got shape {given[path].shape}, needed is {new[path].shape}")
        if wrong:
            raise ValueError(f"variables do not fit the task: {'; '.join(sorted(wrong))}")
        chosen = {path: leaf if path in is_new else jnp.asarray(given[path], leaf.dtype) for path, leaf in new.items()}
        return unflatten_dict(chosen, sep="/")

    return task._replace(init=init)


class _ScaleState(NamedTuple):
    step: jax.Array


def discriminative(optimizer: Optimizer, rates: Mapping[str, Rate]) -> Optimizer:
    """`optimizer` whose update of a parameter is multiplied by the rate of the first pattern that matches its path.

    theta <- theta + r(step, hypers) u(gradient), with r = 1 where no pattern matches. Rates are traced: they may be
    hyper-parameters that a sweep varies, and 0 at some steps. Raises ValueError for a pattern that matches nothing.
    """

    def optimizer_of(hypers: Hypers) -> optax.GradientTransformation:
        def init(params: optax.Params) -> _ScaleState:
            _check_used(flatten_dict(params, sep="/"), tuple(rates))
            return _ScaleState(jnp.int32(0))

        def update(updates: optax.Updates, state: _ScaleState, params: Any = None) -> tuple[Any, _ScaleState]:
            factors = {pattern: rate(state.step, hypers) for pattern, rate in rates.items()}

            def scaled(path: str, leaf: jax.Array) -> jax.Array:
                pattern = next((pattern for pattern in rates if re.fullmatch(pattern, path)), None)
                return leaf if pattern is None else (factors[pattern] * leaf).astype(leaf.dtype)

            flat = flatten_dict(updates, sep="/")
            updates = unflatten_dict({path: scaled(path, leaf) for path, leaf in flat.items()}, sep="/")
            return updates, _ScaleState(state.step + 1)

        return optax.chain(optimizer(hypers), optax.GradientTransformation(init, update))

    return optimizer_of


def gradual(groups: Sequence[str]) -> dict[str, Rate]:
    """Rates by which layers thaw one group after another, from the output down (Howard & Ruder, 2018).

    groups: patterns, from the output to the input. Group k learns from step k hypers.thaw_every on, with the rate
    hypers.layer_decay^k. With thaw_every 0 these are discriminative rates; with layer_decay 0 too, only group 0 learns.
    """

    def rate_of(depth: int) -> Rate:
        def rate(step: jax.Array, hypers: Hypers) -> jax.Array:
            factor = jnp.float32(1) if depth == 0 else jnp.asarray(hypers.layer_decay, jnp.float32) ** depth
            return jnp.where(step >= depth * hypers.thaw_every, factor, 0.0)

        return rate

    return {pattern: rate_of(depth) for depth, pattern in enumerate(groups)}


def split(params: Any, patterns: Sequence[str]) -> tuple[Any, Any]:
    """The parameters that no pattern matches, and those that one does; both nested as before.

    Raises ValueError for a pattern that matches none, and if either part is empty.
    """
    flat = flatten_dict(params, sep="/")
    _check_used(flat, patterns)
    chosen = {path: _matches(path, patterns) for path in flat}
    if len(set(chosen.values())) < 2:
        raise ValueError(f"patterns {list(patterns)} must match some parameters and not all, got {list(flat)[:8]} ...")
    kept, taken = ({path: flat[path] for path in flat if chosen[path] is side} for side in (False, True))
    return unflatten_dict(kept, sep="/"), unflatten_dict(taken, sep="/")


def join(first: Any, second: Any) -> Any:
    """The inverse of `split`."""
    return unflatten_dict({**flatten_dict(first, sep="/"), **flatten_dict(second, sep="/")}, sep="/")


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def _check_used(paths: Mapping[str, Any], patterns: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(re.fullmatch(pattern, path) for path in paths):
            raise ValueError(f"pattern {pattern!r} matches no parameter; there are {', '.join(list(paths)[:12])}, ...")
