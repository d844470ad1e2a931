import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mlr_jax.core.optimizers import adamw, is_kernel, muon, sgd
from mlr_jax.core.schedules import warmup_cosine


class Hypers(NamedTuple):
    learning_rate: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = math.inf
    momentum: float = 0.9


PARAMS = {"kernel": np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32), "bias": np.ones(3, np.float32)}
SETTINGS = [Hypers(), Hypers(weight_decay=0.3), Hypers(clip_norm=0.5), Hypers(0.02, 0.1, 1.0, 0.0)]
each_setting = pytest.mark.parametrize("hypers", SETTINGS)


def gradients(step):
    rng = np.random.default_rng(step)
    return {name: rng.normal(size=value.shape).astype(np.float32) for name, value in PARAMS.items()}


def train(transformation, steps=5):
    """The parameters after each step."""
    params, path = PARAMS, []
    state = transformation.init(params)
    for step in range(steps):
        updates, state = transformation.update(gradients(step), state, params)
        params = optax.apply_updates(params, updates)
        path.append(params)
    return path


def assert_same(path, expected):
    for params, wanted in zip(path, expected, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), params, wanted)


@cache
def traced(make, *arguments):
    """The same for numbers that are unknown when the program is made."""
    return jax.jit(lambda hypers: train(make(*arguments)(hypers)))


rise = warmup_cosine(5, 2)


def clipped(gradient, clip_norm):
    norm = math.sqrt(sum(float((leaf.astype(np.float64) ** 2).sum()) for leaf in gradient.values()))
    return {name: leaf * min(1.0, clip_norm / norm) for name, leaf in gradient.items()}


@each_setting
def test_adamw_equals_optax_with_python_numbers(hypers):
    rate = optax.warmup_cosine_decay_schedule(0.0, hypers.learning_rate, 2, 5)
    oracle = optax.adamw(rate, weight_decay=hypers.weight_decay, mask={"kernel": True, "bias": False})
    by_hand = optax.GradientTransformation(
        oracle.init, lambda g, state, params: oracle.update(clipped(g, hypers.clip_norm), state, params)
    )
    assert_same(traced(adamw, rise)(hypers), train(by_hand))


@each_setting
@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_equals_its_equations(hypers, nesterov):
    rate, decay, _, momentum = hypers
    params, velocity, path = PARAMS, {"kernel": 0.0, "bias": 0.0}, []
    for step in range(5):
        gradient = clipped(gradients(step), hypers.clip_norm)
        gradient = {"kernel": gradient["kernel"] + decay * params["kernel"], "bias": gradient["bias"]}
        velocity = {name: momentum * velocity[name] + gradient[name] for name in params}
        ahead = {name: gradient[name] + momentum * velocity[name] for name in params} if nesterov else velocity
        params = {name: params[name] - rate * ahead[name] for name in params}
        path.append(params)
    assert_same(traced(sgd, None, nesterov)(hypers), path)


def test_sgd_follows_its_schedule():
    first, second, *_ = traced(sgd, rise)(Hypers(1.0, momentum=0.0))
    assert_same([first], [PARAMS])
    np.testing.assert_allclose(second["bias"], first["bias"] - 0.5 * gradients(1)["bias"], rtol=1e-5)


def test_muon_moves_a_convolution_along_all_directions_of_its_momentum():
    kernel = np.random.default_rng(0).normal(size=(2, 2, 3, 5)).astype(np.float32)
    steep = np.random.default_rng(1).normal(size=(2, *kernel.shape)) * np.geomspace(1, 10, 5)
    rate, decay, momentum = 0.1, 0.3, 0.6
    transformation = muon()(Hypers(rate, decay, momentum=momentum))
    params, state, mean = {"conv": kernel}, transformation.init({"conv": kernel}), 0.0
    for step, gradient in enumerate(steep.astype(np.float32), start=1):
        updates, state = transformation.update({"conv": gradient}, state, params)
        mean = momentum * mean + (1 - momentum) * gradient
        # Nesterov's look ahead, and both parts without the bias of a mean that began at 0.
        ahead = momentum * mean / (1 - momentum ** (step + 1)) + (1 - momentum) * gradient / (1 - momentum**step)
        left, _, right = np.linalg.svd(ahead.reshape(-1, 5), full_matrices=False)
        moved = -np.asarray(updates["conv"]).reshape(-1, 5) / rate - decay * params["conv"].reshape(-1, 5)
        lengths = left.T @ moved @ right.T
        assert np.all((np.diag(lengths) > 0.6) & (np.diag(lengths) < 1.3)), lengths
        assert np.abs(lengths - np.diag(np.diag(lengths))).max() < 0.02
        params = {"conv": np.asarray(optax.apply_updates(params, updates)["conv"])}


def test_muon_leaves_everything_else_to_adam_at_a_part_of_the_rate():
    hypers = Hypers(0.2, 0.3, 0.5, 0.6)
    adam = optax.nadam(0.01)
    by_hand = optax.GradientTransformation(
        adam.init, lambda g, state, params: adam.update(clipped(g, hypers.clip_norm), state, params)
    )
    assert_same(traced(muon, None, 0.05)(hypers), train(by_hand))


def test_only_arrays_of_two_or_more_axes_decay():
    shapes = {"scalar": (), "bias": (2,), "dense": (2, 3), "conv": (3, 3, 1, 2)}
    params = {name: jnp.zeros(shape) for name, shape in shapes.items()}
    assert is_kernel(params) == {"scalar": False, "bias": False, "dense": True, "conv": True}


@pytest.mark.parametrize("optimizer", [adamw, sgd])
def test_a_thousand_rates_side_by_side_equal_each_alone(optimizer):
    rates = jnp.asarray(np.geomspace(1e-4, 1, 1000), jnp.float32)
    together = jax.vmap(lambda rate: traced(optimizer)(Hypers(rate))[-1])(rates)
    for index in (0, 500, 999):
        alone = traced(optimizer)(Hypers(float(rates[index])))[-1]
        assert_same([jax.tree.map(lambda leaf, i=index: leaf[i], together)], [alone])
    assert len(np.unique(together["bias"][:, 0])) == 1000
