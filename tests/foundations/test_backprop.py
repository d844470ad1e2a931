from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits

from mlr_jax.foundations import activations, backprop, finite_differences, optimizers
from mlr_jax.nn.mlp import MLP
from mlr_jax.supervised.classification import Hypers, classification, logits_of

DIGITS = load_digits()
X, Y = (DIGITS.data / 16.0).astype(np.float32), DIGITS.target.astype(np.int32)
WIDTHS = (64, 16, 12, 10)


def assert_trees_close(first, second, tolerance=1e-6):
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=tolerance), first, second)


@pytest.fixture(scope="module")
def layers():
    def init(key):
        return [layer._replace(bias=layer.bias + 0.1) for layer in backprop.init(key, WIDTHS)]

    return jax.jit(init)(jax.random.key(0))


def test_the_gradient_equals_jax(layers):
    by_hand = jax.jit(lambda *args: backprop.gradient(*args, activations.silu))(layers, X[:32], Y[:32])
    by_jax = jax.jit(jax.grad(lambda *args: backprop.loss(*args, activations.silu)))(layers, X[:32], Y[:32])
    assert_trees_close(by_hand, by_jax)


def test_the_gradient_equals_differences_of_the_loss(x64):
    layers = jax.jit(lambda key: backprop.init(key, (3, 4, 2)))(jax.random.key(0))
    leaves, structure = jax.tree.flatten(layers)
    x, y = jnp.asarray(X[:5, 2:5], jnp.float64), Y[:5] % 2
    sizes = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def loss(flat):
        parts = [part.reshape(leaf.shape) for part, leaf in zip(jnp.split(flat, sizes), leaves, strict=True)]
        return backprop.loss(jax.tree.unflatten(structure, parts), x, y, activations.tanh)

    by_hand = jax.jit(lambda *args: backprop.gradient(*args, activations.tanh))(layers, x, y)
    flat, found = (np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)]) for tree in (layers, by_hand))
    np.testing.assert_allclose(found, jax.jit(finite_differences.gradient(loss))(flat), atol=1e-8)


def test_loss_logits_and_gradient_equal_the_production_network(layers):
    model = MLP(WIDTHS[1:-1], WIDTHS[-1])
    params = {f"Dense_{index}": layer._asdict() for index, layer in enumerate(layers)}
    task = classification(model, (64,))

    def production_loss(params):
        return task.loss({"params": params}, {"x": X[:32], "y": Y[:32]}, jax.random.key(0), Hypers())[0]

    loss, gradient = jax.jit(jax.value_and_grad(production_loss))(params)
    ours = jax.jit(lambda *args: (backprop.loss(*args), backprop.gradient(*args), backprop.forward(*args[:2])))
    our_loss, by_hand, trace = ours(layers, X[:32], Y[:32])
    np.testing.assert_allclose(our_loss, loss, rtol=1e-6)
    assert_trees_close({f"Dense_{index}": layer._asdict() for index, layer in enumerate(by_hand)}, gradient)
    logits = jax.jit(lambda params: logits_of(model, {"params": params}, X[:32]))(params)
    np.testing.assert_allclose(trace.outputs[-1], logits, atol=1e-5)


def test_a_network_without_hidden_layers_is_logistic_regression_and_survives_extreme_logits():
    run = jax.jit(lambda *args: (backprop.loss(*args), backprop.gradient(*args)))
    layer = backprop.Layer(np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32), np.zeros(10, np.float32))
    _, (found,) = run([layer], X[:8], Y[:8])
    p = softmax(X[:8] @ layer.kernel, axis=1)
    np.testing.assert_allclose(found.kernel, X[:8].T @ (p - np.eye(10)[Y[:8]]) / 8, atol=1e-6)
    extreme = run([layer._replace(kernel=1e4 * layer.kernel)], X[:8], Y[:8])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(extreme))


def test_first_kernels_have_variance_two_over_their_inputs_and_biases_are_zero():
    layer = jax.jit(lambda key: backprop.init(key, (400, 300))[0])(jax.random.key(0))
    np.testing.assert_allclose([layer.kernel.mean(), layer.kernel.var()], [0, 2 / 400], atol=5e-4)
    np.testing.assert_array_equal(layer.bias, np.zeros(300))


class Carry(NamedTuple):
    """Parameters and what the optimizer remembers."""

    layers: list
    state: optimizers.Moments


def test_it_learns_the_digits_with_the_optimizers_of_this_folder(layers):
    adam = optimizers.adam(0.02)

    def step(carry, _):
        change, state = adam.update(backprop.gradient(carry.layers, X[:1200], Y[:1200]), carry.state, carry.layers)
        return Carry(jax.tree.map(jnp.add, carry.layers, change), state), None

    trained, _ = jax.jit(lambda carry: jax.lax.scan(step, carry, length=100))(Carry(layers, adam.init(layers)))
    logits = backprop.forward(trained.layers, X[1200:]).outputs[-1]
    assert np.mean(np.argmax(logits, axis=1) == Y[1200:]) > 0.88
