import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlr_jax.core import optimizers as production
from mlr_jax.foundations import optimizers as o

PAIRS = {
    "sgd": (o.sgd(1e-3), optax.sgd(1e-3)),
    "momentum": (o.momentum(5e-4, 0.8), optax.sgd(5e-4, momentum=0.8)),
    "nesterov": (o.nesterov(5e-4, 0.8), optax.sgd(5e-4, momentum=0.8, nesterov=True)),
    "rmsprop": (o.rmsprop(2e-2, 0.95, 1e-2), optax.rmsprop(2e-2, decay=0.95, eps=1e-2)),
    "adam": (o.adam(5e-2, 0.8, 0.99, 1e-2), optax.adam(5e-2, 0.8, 0.99, 1e-2)),
    "adamw": (o.adamw(5e-2, weight_decay=0.3), optax.adamw(5e-2, weight_decay=0.3)),
}
START = {"first": jnp.array([-1.2, 0.7]), "rest": [jnp.full((2, 2), 1.5), jnp.float32(-0.5)]}
STEPS = 60


def rosenbrock(theta):
    """A curved valley (Rosenbrock, 1960): not convex."""
    x = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(theta)])
    return jnp.sum(20.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def path_of_optax(optimizer, start=START):
    """The parameters after each step."""

    def step(carry, _):
        theta, state = carry
        updates, state = optimizer.update(jax.grad(rosenbrock)(theta), state, theta)
        theta = optax.apply_updates(theta, updates)
        return (theta, state), theta

    return jax.jit(lambda: jax.lax.scan(step, (start, optimizer.init(start)), length=STEPS)[1])()


def path_of_ours(optimizer, start=START):
    return jax.jit(lambda start: o.minimize(rosenbrock, optimizer, start, STEPS))(start)


def assert_paths_close(first, second):
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6), first, second)


@pytest.mark.parametrize("name", PAIRS)
def test_every_step_is_that_of_optax(name):
    ours, theirs = PAIRS[name]
    path = path_of_ours(ours)
    assert_paths_close(path, path_of_optax(theirs))
    last = jax.tree.map(lambda leaf: leaf[-1], path)
    assert rosenbrock(last) < 0.5 * rosenbrock(START)


class AllHypers:
    """What both production optimizers read."""

    learning_rate, momentum, weight_decay, clip_norm = 5e-4, 0.8, 0.0, np.inf


def test_every_step_is_that_of_the_production_optimizers():
    assert_paths_close(path_of_ours(o.nesterov(5e-4, 0.8)), path_of_optax(production.sgd()(AllHypers)))
    assert_paths_close(path_of_ours(o.adam(5e-4)), path_of_optax(production.adamw()(AllHypers)))


def test_rates_are_traced():
    traces = 0

    @jax.jit
    def path(rate):
        nonlocal traces
        traces += 1
        return o.minimize(rosenbrock, o.adam(rate), START, 5)

    for rate in (0.1, 0.01):
        path(rate)
    assert traces == 1
    many = jax.jit(jax.vmap(lambda rate: o.minimize(rosenbrock, o.adam(rate), START, 5)))(jnp.array([0.1, 0.01]))
    assert_paths_close(jax.tree.map(lambda leaf: leaf[1], many), path(0.01))


def test_a_gradient_of_zero_moves_nothing_but_the_decay():
    zero = jax.tree.map(jnp.zeros_like, START)
    for name, (optimizer, _) in PAIRS.items():
        change, _ = optimizer.update(zero, optimizer.init(START), START)
        decay = 5e-2 * 0.3 if name == "adamw" else 0.0
        assert_paths_close(change, jax.tree.map(lambda leaf, decay=decay: -decay * leaf, START))


def test_on_a_quadratic_momentum_needs_the_root_of_the_steps():
    """With condition number k: about k / 2 steps a digit without, sqrt(k) / 2 with the best momentum (Polyak, 1964)."""
    scales = jnp.array([1.0, 100.0])

    def quadratic(x):
        return 0.5 * jnp.sum(scales * x**2)

    best_rate, decay = 4 / (np.sqrt(100) + 1) ** 2, ((np.sqrt(100) - 1) / (np.sqrt(100) + 1)) ** 2
    ends = [
        jnp.linalg.norm(jax.jit(lambda x, f=optimizer: o.minimize(quadratic, f, x, 100))(jnp.ones(2))[-1])
        for optimizer in (o.sgd(2 / 101), o.momentum(best_rate, decay))
    ]
    assert ends[0] > 0.1
    assert ends[1] < 1e-5
