"""From a differentiable objective to a learner: one gradient step of any Optax optimizer."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from mlr_jax.core import collectives
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.types import Batch, Hypers, Key, Learner, Metrics, Task, TrainState, Variables

Gradient = Callable[[Variables, Batch, Key, Hypers], tuple[Any, tuple[dict[str, Any], Metrics]]]
"""variables, batch, key, hypers -> gradient of the loss by the parameters, (updated collections, metrics)."""

Optimizer = Callable[[Hypers], optax.GradientTransformation]
"""An optimizer is a function of the hyper-parameters, so that its numbers are traced and a thousand learning rates
share one compilation."""


def gradient_of(task: Task) -> Gradient:
    """The gradient of a task's loss over the whole batch, wherever its rows are.

    Each device weighs its loss by its share of the rows before differentiating, and gradients are summed. That is
    exact also when the loss itself communicates, as synchronised batch normalisation does.
    """

    def gradient(variables: Variables, batch: Batch, key: Key, hypers: Hypers):
        params = variables["params"]
        collections = {name: value for name, value in variables.items() if name != "params"}
        share = collectives.data_share(batch)

        def shared_loss(params):
            loss, (updated, metrics) = task.loss(
                {"params": params, **collections}, batch, collectives.data_key(key), hypers
            )
            return loss * share, (updated, {"loss": loss, **metrics})

        gradients, (updated, metrics) = jax.grad(shared_loss, has_aux=True)(params)
        updated = {**collections, **{name: value for name, value in updated.items() if name != "params"}}
        metrics = {name: value * share for name, value in metrics.items()}
        return collectives.data_sum(gradients), (collectives.data_mean(updated), collectives.data_sum(metrics))

    return gradient


def gradient_learner(task: Task, optimizer: Optimizer, gradient: Callable[[Task], Gradient] = gradient_of) -> Learner:
    """A learner whose step is one update of `optimizer` along the gradient of `task`.

    theta_{t+1} = theta_t + u(grad L(theta_t; batch_t), opt_state_t; hypers)

    The randomness of step t is `fold_in(key, t)`. `gradient` may be replaced by a wrapper of `gradient_of`, such as
    `accumulate`. Metrics hold the loss, what the task reports and the norm of the gradient.
    """
    compute_gradient = gradient(task)

    def init(key: Key, hypers: Hypers) -> TrainState:
        hypers = as_arrays(hypers)
        init_key, run_key = jax.random.split(key)
        collections = dict(task.init(init_key))
        params = collections.pop("params")
        return TrainState(jnp.int32(0), run_key, hypers, params, collections, optimizer(hypers).init(params))

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(state.key, state.step)
        variables = {"params": state.params, **state.collections}
        gradients, (collections, metrics) = compute_gradient(variables, batch, key, state.hypers)
        updates, opt_state = optimizer(state.hypers).update(gradients, state.opt_state, state.params)
        metrics = {**metrics, "gradient_norm": optax.tree.norm(gradients)}
        state = state._replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            collections=collections,
            opt_state=opt_state,
        )
        return state, metrics

    def evaluate(state: TrainState, batch: Batch) -> Metrics:
        return task.evaluate({"params": state.params, **state.collections}, batch)

    return Learner(init, step, evaluate)
