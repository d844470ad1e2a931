import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.cnn import CNN
from mlr_jax.nn.convolution import Conv

X = np.random.default_rng(0).normal(size=(6, 8, 9, 2)).astype(np.float32)
MASK = np.array([1, 1, 0, 1, 1, 0], np.float32)


class ByLinen(nn.Module):
    """The same network of Linen's own layers, with the same names."""

    train: bool

    @nn.compact
    def __call__(self, x, mask=None):
        def norm(x, index):
            module = nn.BatchNorm(
                not self.train, momentum=0.9, epsilon=1e-5, use_fast_variance=False, name=f"BatchNorm_{index}"
            )
            return nn.relu(module(x, mask=None if mask is None else mask.reshape(-1, *(1 for _ in x.shape[1:])) > 0))

        for index in range(2):
            x = norm(nn.Conv(3, (3, 3), use_bias=False, name=f"Conv_{index}")(x), index)
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = norm(nn.Dense(5, use_bias=False, name="Dense_0")(x.reshape(len(x), -1)), 2)
        return nn.Dense(7, name="Dense_1")(x)


model = CNN((3,), 7, depth=2, hidden=5)


@pytest.fixture(scope="module")
def variables():
    """Variables that are not at their special start."""
    rng = np.random.default_rng(2)
    shapes = jax.eval_shape(model.init, jax.random.key(0), X)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)
    return {**variables, "batch_stats": jax.tree.map(np.square, variables["batch_stats"])}


def close(first, second, tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), first, second)


@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_training_and_its_gradient_equal_linen(variables, mask):
    weights = np.random.default_rng(1).normal(size=(6, 7)).astype(np.float32)
    weights = weights if mask is None else weights * mask[:, None]

    def compute(apply):
        def loss(params):
            logits, updated = apply({**variables, "params": params})
            return jnp.sum(weights * logits), (logits if mask is None else logits * mask[:, None], updated)

        return jax.jit(jax.grad(loss, has_aux=True))(variables["params"])

    ours = compute(lambda v: model.apply(v, X, train=True, mask=mask, mutable=["batch_stats"]))
    theirs = compute(lambda v: ByLinen(True).apply(v, X, mask, mutable=["batch_stats"]))
    close(ours, theirs, 2e-4)


def test_evaluation_equals_linen(variables):
    close(jax.jit(model.apply)(variables, X), jax.jit(ByLinen(False).apply)(variables, X), 1e-4)


def test_shapes_and_number_of_parameters():
    model = CNN((3, 4), 7, depth=2, hidden=5)
    variables = jax.eval_shape(model.init, jax.random.key(0), X)
    assert jax.eval_shape(model.apply, variables, X).shape == (6, 7)
    kernels = 9 * (2 * 3 + 3 * 3 + 3 * 4 + 4 * 4)
    norms = 2 * (3 + 3 + 4 + 4 + 5)
    dense = (2 * 2 * 4) * 5 + (5 + 1) * 7
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == kernels + norms + dense
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["batch_stats"])) == norms


@pytest.mark.parametrize(
    ("settings", "shape"),
    [({}, (6, 8, 9, 4)), ({"stride": 2}, (6, 4, 5, 4)), ({"padding": "VALID", "kernel": 5}, (6, 4, 5, 4))],
)
def test_a_convolution_over_a_batch_equals_linen(settings, shape):
    layer = Conv(4, **settings)
    variables = layer.init(jax.random.key(0), X)
    kernel, stride = settings.get("kernel", 3), settings.get("stride", 1)
    oracle = nn.Conv(4, (kernel, kernel), stride, settings.get("padding", "SAME"), use_bias=False)
    assert layer.apply(variables, X).shape == shape
    close(layer.apply(variables, X), oracle.apply(variables, X), 1e-5)


def test_dropout_is_active_only_in_training():
    dropped = CNN((2,), 3, hidden=16, dropout=0.5)
    variables = jax.jit(dropped.init)(jax.random.key(0), X)

    @jax.jit
    def train(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return dropped.apply(variables, X, train=True, rngs=rngs, mutable=["batch_stats"])[0]

    assert (train(0) != train(1)).any()
    np.testing.assert_array_equal(train(0), train(0))
    close(dropped.apply(variables, X), CNN((2,), 3, hidden=16).apply(variables, X), 0)


def test_rows_are_independent_in_evaluation_but_not_in_training(variables):
    changed = X.copy()
    changed[1:] = 7.0
    evaluate = jax.jit(model.apply)
    np.testing.assert_array_equal(evaluate(variables, changed)[0], evaluate(variables, X)[0])

    @jax.jit
    def train(x, mask):
        return model.apply(variables, x, train=True, mask=mask, mutable=["batch_stats"])[0]

    everyone, alone = np.ones(6, np.float32), np.eye(6, dtype=np.float32)[0]
    assert (train(changed, everyone)[0] != train(X, everyone)[0]).any()
    np.testing.assert_array_equal(train(changed, alone)[0], train(X, alone)[0])
