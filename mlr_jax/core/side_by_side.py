"""Several ways to learn from the same batches, in one run: their curves stand in one report."""

from collections.abc import Callable, Mapping

import jax.numpy as jnp

from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, State

HypersFor = Callable[[str, Hypers], Hypers]
"""Name of a learner, hyper-parameters of the run -> those of the learner."""


def side_by_side(learners: Mapping[str, Learner], hypers_for: HypersFor = lambda _, hypers: hypers) -> Learner:
    """A learner whose state is a dict of the learners' own, all started with one key and given the same batches.

    A metric of a learner goes by both their names, as in "lora_accuracy". An evaluation has the mean of their losses
    too, by which the best step of all is known, and where they give rows a weight, that of the first.

    Raises ValueError for no learner at all.
    """
    if not learners:
        raise ValueError("side_by_side: got no learner, needed is at least one")

    def named(metrics: Mapping[str, Metrics]) -> Metrics:
        return {f"{name}_{metric}": value for name, of in metrics.items() for metric, value in of.items()}

    def init(key: Key, hypers: Hypers) -> State:
        return {name: learner.init(key, hypers_for(name, hypers)) for name, learner in learners.items()}

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        results = {name: learner.step(state[name], batch) for name, learner in learners.items()}
        states = {name: following for name, (following, _) in results.items()}
        return states, named({name: metrics for name, (_, metrics) in results.items()})

    def evaluate(state: State, batch: Batch) -> Metrics:
        each = {name: dict(learner.evaluate(state[name], batch)) for name, learner in learners.items()}
        weights = [metrics.pop("weight") for metrics in each.values() if "weight" in metrics]
        loss = jnp.mean(jnp.stack([metrics["loss"] for metrics in each.values()]), axis=0)
        return {**named(each), "loss": loss, **({"weight": weights[0]} if weights else {})}

    return Learner(init, step, evaluate)
