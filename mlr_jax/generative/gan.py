"""The generative adversarial network (Goodfellow et al., 2014): a generator, and a critic that tells real from made.

    critic:    min over D of  mean_b l_D(D(x_b), D(G(z_b))) + penalty
    generator: min over G of  mean_b l_G(D(x_b), D(G(z_b))),           z ~ Normal(0, I)

in turn, several steps of the critic for each of the generator. Which losses and which penalty make the variants: see
`generative/gan_losses.py`; networks are made, and drawn from, in `generative/gan_networks.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from mlr_jax.core.collectives import data_key, data_mean, data_share, data_sum
from mlr_jax.core.hypers import as_arrays
from mlr_jax.core.schedules import Schedule, constant
from mlr_jax.core.types import Batch, Key, Learner, Metrics, Variables
from mlr_jax.generative.gan_losses import Loss, Penalise, non_saturating, slopes
from mlr_jax.generative.gan_networks import Networks, decode
from mlr_jax.ops.masked import blank_padding, masked_mean

WARMUP = 10.0
"""At step t at most (1 + t) / (WARMUP + t) of the generator's average stays: at first there is little to remember."""


class Hypers(NamedTuple):
    """What a sweep can vary."""

    learning_rate: float = 2e-4
    """Of the generator."""
    critic_rate: float = 2e-4
    """Of the critic (two rates: Heusel et al., 2017)."""
    b1: float = 0.5
    """How much of Adam's mean gradient stays at a step."""
    b2: float = 0.999
    """How much of its mean squared gradient does."""
    penalty: float = 10.0
    """The weight of the penalty, where there is one."""
    averaging: float = 0.999
    """How much of the generator's moving average stays at a step."""


class Pair(NamedTuple):
    """Something of each network."""

    generator: Any
    critic: Any


class State(NamedTuple):
    """Everything that training needs to go on: variables of both networks, and the average of the generator's."""

    step: jax.Array
    key: Key
    hypers: Hypers
    variables: Pair
    average: Variables
    opt_state: Pair


class Game(NamedTuple):
    """Who plays, for what, and what the critic pays for its slope, if anything."""

    networks: Networks
    loss: Loss
    penalise: Penalise | None


class Rows(NamedTuple):
    """x [B, *shape], y [B] or None, and the mask, [B]."""

    x: jax.Array
    y: jax.Array | None
    mask: jax.Array


Objective = Callable[[Variables], tuple[jax.Array, tuple[Variables, Metrics]]]
"""variables -> loss [], (variables with updated collections, metrics): this device's share of the means."""


def critic_objective(
    game: Game, critic: Variables, generator: Variables, rows: Rows, key: Key, *, weight: jax.typing.ArrayLike
) -> tuple[jax.Array, tuple[Variables, Metrics]]:
    """The mean of l_D(D(x), D(G(z))) and of the penalty times its `weight`, [], over rows and z drawn by the key."""
    (networks, loss, penalise), (z_key, penalty_key) = game, jax.random.split(data_key(key))
    fake, _ = _apply(networks.generator, generator, _latents(networks, z_key, rows), rows)
    real_scores, judged = _apply(networks.critic, critic, rows.x, rows)
    fake_scores, judged = _apply(networks.critic, judged, fake, rows)
    losses = loss.critic(real_scores, fake_scores)
    metrics = {"loss": losses, "real": real_scores, "fake": fake_scores}
    if penalise:
        penalty = penalise(partial(_score, networks, judged, y=rows.y), rows.x, fake, penalty_key)
        losses = losses + weight * penalty.value
        metrics["slope"] = penalty.slope
    return _mean(losses, rows), (judged, {name: _mean(values, rows) for name, values in metrics.items()})


def generator_objective(
    game: Game, generator: Variables, critic: Variables, rows: Rows, key: Key
) -> tuple[jax.Array, tuple[Variables, Metrics]]:
    """The mean of l_G(D(x), D(G(z))), [], over as many z as there are rows, of their classes."""
    fake, made = _apply(game.networks.generator, generator, _latents(game.networks, data_key(key), rows), rows)
    real_scores, _ = _apply(game.networks.critic, critic, rows.x, rows)  # most losses ask not for it: not computed then
    fake_scores, _ = _apply(game.networks.critic, critic, fake, rows)
    mean_loss = _mean(game.loss.generator(real_scores, fake_scores), rows)
    return mean_loss, (made, {"generator_loss": mean_loss})


def gan(
    networks: Networks, loss: Loss = non_saturating, *, penalise: Penalise | None = None, critic_steps: int = 1,
    schedule: Schedule | None = None,
) -> Learner:  # fmt: skip
    """A learner whose step is `critic_steps` updates of the critic, then one of the generator, all by Adam.

    Batches hold x [B, *shape], with classes y [B] int, and may hold mask [B]; row b is one of those of critic step b
    mod `critic_steps`. Every update draws as many rows as it is given, of the same classes. `schedule` shapes both
    rates. Metrics: loss (the critic's), generator_loss, real and fake (mean scores), with a penalty slope too (the
    mean of |grad D|). Evaluation, of each row beside one that the averaged generator makes: loss, real, fake, and slope
    (at the real row), [B].

    Raises ValueError for examples of another shape, rows that `critic_steps` does not divide, and for a penalty on a
    critic with batch normalisation, whose slope at a row means nothing.
    """
    game, shape_of_rate = Game(networks, loss, penalise), schedule or constant()

    def optimizer(hypers: Hypers, rate: jax.typing.ArrayLike) -> optax.GradientTransformation:
        return optax.adam(rate, b1=hypers.b1, b2=hypers.b2)

    def init(key: Key, hypers: Hypers) -> State:
        hypers = as_arrays(hypers)
        generator_key, critic_key, run_key = jax.random.split(key, 3)
        z, y = jnp.zeros((1, networks.latents)), jnp.zeros(1, jnp.int32) if networks.classes else None
        variables = Pair(
            dict(networks.generator.init(generator_key, z, y)),
            dict(networks.critic.init(critic_key, jnp.zeros((1, *networks.shape)), y)),
        )
        if penalise and "batch_stats" in variables.critic:
            raise ValueError("penalise: got a critic with batch normalisation, a penalty needs rows that do not meet")
        average = jax.tree.map(jnp.copy, variables.generator)  # a state that holds one buffer twice cannot be donated
        opt_state = Pair(*(optimizer(hypers, hypers.learning_rate).init(of["params"]) for of in variables))
        return State(jnp.int32(0), run_key, hypers, variables, average, opt_state)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        parts = _split(_unpack(networks, batch), critic_steps)
        keys = jax.random.split(jax.random.fold_in(state.key, state.step), critic_steps + 1)
        hypers, (generator, critic) = state.hypers, state.variables
        rate = shape_of_rate(state.step)
        of_generator, of_critic = (optimizer(hypers, rate * of) for of in (hypers.learning_rate, hypers.critic_rate))

        def critic_step(carry: tuple[Variables, Any], given: tuple[Rows, Key]) -> tuple[tuple[Variables, Any], Metrics]:
            rows, key = given

            def objective(critic: Variables) -> tuple[jax.Array, tuple[Variables, Metrics]]:
                return critic_objective(game, critic, generator, rows, key, weight=hypers.penalty)

            return _descend(objective, *carry, of_critic)

        (critic, critic_opt), metrics = lax.scan(critic_step, (critic, state.opt_state.critic), (parts, keys[:-1]))
        last = jax.tree.map(lambda leaf: leaf[-1], parts)
        (generator, generator_opt), of_last = _descend(
            lambda generator: generator_objective(game, generator, critic, last, keys[-1]),
            generator, state.opt_state.generator, of_generator,
        )  # fmt: skip
        decay = jnp.minimum(hypers.averaging, (1.0 + state.step) / (WARMUP + state.step))
        state = state._replace(
            step=state.step + 1,
            variables=Pair(generator, critic),
            average=jax.tree.map(lambda a, new: decay * a + (1.0 - decay) * new, state.average, generator),
            opt_state=Pair(generator_opt, critic_opt),
        )
        return state, {**jax.tree.map(jnp.mean, metrics), **of_last}

    def evaluate(state: State, batch: Batch) -> Metrics:
        rows = _unpack(networks, batch)
        score = partial(_score, networks, state.variables.critic, y=rows.y)
        fake = decode(networks, state.average, _latents(networks, jax.random.key(0), rows), rows.y)
        real_scores, fake_scores = score(rows.x), score(fake)
        losses = loss.critic(real_scores, fake_scores)
        return {"loss": losses, "real": real_scores, "fake": fake_scores, "slope": slopes(score, rows.x)}

    return Learner(init, step, evaluate)


def _descend(
    objective: Objective, variables: Variables, opt_state: Any, optimizer: optax.GradientTransformation
) -> tuple[tuple[Variables, Any], Metrics]:
    """One update of a network along its objective, over the rows of all devices."""
    params = variables["params"]
    gradients, (after, metrics) = jax.grad(lambda params: objective({**variables, "params": params}), has_aux=True)(
        params
    )
    updates, opt_state = optimizer.update(data_sum(gradients), opt_state, params)
    collections = data_mean({name: value for name, value in after.items() if name != "params"})
    return ({**collections, "params": optax.apply_updates(params, updates)}, opt_state), data_sum(metrics)


def _apply(network: nn.Module, variables: Variables, x: jax.Array, rows: Rows) -> tuple[jax.Array, Variables]:
    """What a network in training makes of x, or of z, for these rows; and its variables after that."""
    mutable = [name for name in variables if name != "params"]
    result: Any = network.apply(variables, x, rows.y, train=True, mask=rows.mask, mutable=mutable)
    output, updated = result
    return output, {**variables, **updated}


def _score(networks: Networks, critic: Variables, x: jax.Array, *, y: jax.Array | None) -> jax.Array:
    scores: Any = networks.critic.apply(critic, x, y)
    return scores


def _latents(networks: Networks, key: Key, rows: Rows) -> jax.Array:
    return jax.random.normal(key, (rows.x.shape[0], networks.latents))


def _mean(values: jax.Array, rows: Rows) -> jax.Array:
    """This device's share of the mean over all rows."""
    return data_share({"mask": rows.mask}) * masked_mean(values, rows.mask)


def _unpack(networks: Networks, batch: Batch) -> Rows:
    x, mask = batch["x"], batch.get("mask")
    if x.shape[1:] != networks.shape:
        raise ValueError(f"x: got examples of shape {x.shape[1:]}, wanted {networks.shape}")
    mask = jnp.ones(x.shape[0]) if mask is None else mask
    x, y = blank_padding((x, batch["y"] if networks.classes else None), mask)
    return Rows(x, y, mask)


def _split(rows: Rows, parts: int) -> Rows:
    """Leaves [parts, B / parts, ...]: rows that lie side by side, perhaps on one device, go to different parts."""
    count = rows.x.shape[0]
    if count % parts:
        raise ValueError(f"critic_steps: got {parts}, which does not divide the {count} rows of a batch")
    return jax.tree.map(lambda leaf: leaf.reshape(count // parts, parts, *leaf.shape[1:]).swapaxes(0, 1), rows)
