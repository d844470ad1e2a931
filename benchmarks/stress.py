"""Run a vmapped, scanned program some hundred times and see that it never stops.

    python benchmarks/stress.py --runs 300
    python benchmarks/stress.py --runs 300 --agent ppo --seeds 16
    PJRT_NPROC=2 python benchmarks/stress.py --runs 300     # the pool that may stop for ever

With its default pool of two threads XLA:CPU can stop for ever on programs like this one: environments stepped in a
scan, a shuffle of what they gave, updates by gradient on slices of it, all vmapped over seeds. A run that takes longer
than `--timeout` seconds counts as stopped: its stacks are printed and the process exits with 1.
"""

import argparse
import faulthandler
import os
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

import mlr_jax
from mlr_jax.nn.mlp import MLP

ENVIRONMENTS, HORIZON, EPOCHS, MINIBATCHES, UPDATES, WIDTH = 4, 128, 4, 4, 10, 64


def agent(key: jax.Array) -> jax.Array:
    """A toy agent with the shape of PPO: rollouts of a pendulum-like system, shuffled minibatches, Adam."""
    model, optimizer = MLP((WIDTH, WIDTH), 2), optax.adam(3e-4)
    params: Any = model.init(key, jnp.zeros((1, 4)))
    state: Any = (params, optimizer.init(params), jax.random.normal(key, (ENVIRONMENTS, 4)), key)

    def logits_of(params: Any, observations: jax.Array) -> Any:
        return model.apply(params, observations)

    def act(carry, key):
        params, observations = carry
        logits = logits_of(params, observations)
        actions = jax.random.categorical(key, logits)
        force = jnp.expand_dims(2.0 * actions - 1.0, 1)
        moved = observations + 0.02 * jnp.concatenate([observations[:, 1:], force], axis=1)
        return (params, jnp.where(jnp.abs(moved) > 2.4, 0.0, moved)), (observations, actions, -jnp.abs(moved[:, 0]))

    def loss(params, minibatch):
        observations, actions, rewards = minibatch
        log_probs = jax.nn.log_softmax(logits_of(params, observations))
        return -jnp.mean(jnp.take_along_axis(log_probs, actions[:, None], axis=1)[:, 0] * rewards)

    def learn(carry, minibatch):
        params, opt_state = carry
        updates, opt_state = optimizer.update(jax.grad(loss)(params, minibatch), opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    def update(state, _):
        params, opt_state, observations, key = state
        key, rollout_key, shuffle_key = jax.random.split(key, 3)
        (_, observations), rollout = lax.scan(act, (params, observations), jax.random.split(rollout_key, HORIZON))
        flat = jax.tree.map(lambda leaf: leaf.reshape(HORIZON * ENVIRONMENTS, *leaf.shape[2:]), rollout)

        def epoch(carry, key):
            order = jax.random.permutation(key, HORIZON * ENVIRONMENTS)
            batches = jax.tree.map(lambda leaf: leaf[order].reshape(MINIBATCHES, -1, *leaf.shape[1:]), flat)
            return lax.scan(learn, carry, batches)

        learned: Any = (params, opt_state)
        (params, opt_state), _ = lax.scan(epoch, learned, jax.random.split(shuffle_key, EPOCHS))
        return (params, opt_state, observations, key), None

    last, _ = lax.scan(update, state, None, length=UPDATES)
    return optax.tree.norm(last[0])


def dqn_agent() -> Callable[[jax.Array], jax.Array]:
    """The package's DQN on CartPole, environment and prioritised memory included."""
    from mlr_jax.rl.dqn import Hypers, dqn
    from mlr_jax.rl.environment import make
    from mlr_jax.rl.q_network import QNetwork

    model = QNetwork(MLP((WIDTH,), WIDTH), 2)
    learner = dqn(make("CartPole-v1"), model, capacity=1000, warmup=500, prioritised=True, n_step=3)

    def run(key: jax.Array) -> jax.Array:
        state = learner.init(key, Hypers())
        return optax.tree.norm(lax.scan(learner.step, state, None, length=20 * UPDATES)[0].params)

    return run


def ppo_agent() -> Callable[[jax.Array], jax.Array]:
    """The package's PPO on CartPole, environment included."""
    from mlr_jax.rl.environment import make
    from mlr_jax.rl.ppo import Hypers, ppo

    learner = ppo(make("CartPole-v1"))

    def run(key: jax.Array) -> jax.Array:
        state = learner.init(key, Hypers())
        return optax.tree.norm(lax.scan(learner.step, state, None, length=UPDATES)[0].params)

    return run


AGENTS: dict[str, Callable[[], Callable]] = {"toy": lambda: agent, "ppo": ppo_agent, "dqn": dqn_agent}


def main() -> None:
    """Run, with a watchdog."""
    parser = argparse.ArgumentParser(description="does a vmapped agent ever stop?")
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--agent", choices=AGENTS, default="toy")
    arguments = parser.parse_args()
    pool = os.environ.get("PJRT_NPROC", "as many threads as cores")
    print(f"mlr_jax {mlr_jax.__version__}, PJRT_NPROC: {pool}, {os.cpu_count()} cores", flush=True)
    program = jax.jit(jax.vmap(AGENTS[arguments.agent]()))
    keys = jax.vmap(jax.random.key)(jnp.arange(arguments.seeds))
    faulthandler.dump_traceback_later(arguments.timeout + 60.0, exit=True)
    jax.block_until_ready(program(keys))
    since = time.perf_counter()
    for _ in range(arguments.runs):
        faulthandler.dump_traceback_later(arguments.timeout, exit=True)
        jax.block_until_ready(program(keys))
    faulthandler.cancel_dump_traceback_later()
    print(f"{arguments.runs} runs of {arguments.seeds} seeds, none stopped, {time.perf_counter() - since:.1f} s")


if __name__ == "__main__":
    main()
