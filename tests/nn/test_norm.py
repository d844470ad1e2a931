import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from mlr_jax.core.parallel import device_mesh
from mlr_jax.nn import norm
from mlr_jax.nn.norm import BatchNorm, GroupNorm

rng = np.random.default_rng(0)
X = (3 + 2 * rng.normal(size=(8, 4, 5, 3))).astype(np.float32)
VARIABLES = {
    "params": {"scale": jnp.array([1.0, 2.0, -0.5]), "bias": jnp.array([0.0, 1.0, 2.0])},
    "batch_stats": {"mean": jnp.array([1.0, 2.0, 3.0]), "var": jnp.array([4.0, 0.5, 1.0])},
}
MASKS = {"no mask": None, "all": np.ones(8, np.float32), "some": np.array([1, 0, 1, 1, 0, 0, 1, 1], np.float32)}
each_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)


def ours(variables, x, mask=None, **settings):
    return BatchNorm(**settings).apply(variables, x, train=True, mask=mask, mutable=["batch_stats"])


def by_linen(variables, x, mask=None, momentum=0.9, epsilon=1e-5):
    module = nn.BatchNorm(False, momentum=momentum, epsilon=epsilon, use_fast_variance=False)
    mask = None if mask is None else mask.reshape(-1, *(1 for _ in x.shape[1:])) > 0
    return module.apply(variables, x, mask=mask, mutable=["batch_stats"])


def close(first, second, tolerance=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), first, second)


@each_mask
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.5, "epsilon": 0.1}], ids=["default", "other"])
@pytest.mark.parametrize("x", [X, X[:, 0, 0]], ids=["images", "vectors"])
def test_training_equals_linen(x, mask, settings):
    close(ours(VARIABLES, x, mask, **settings), by_linen(VARIABLES, x, mask, **settings))


@each_mask
def test_its_gradients_equal_linen(mask):
    rows = np.ones((8, 1, 1, 1), np.float32) if mask is None else mask.reshape(8, 1, 1, 1)
    weights = rows * rng.normal(size=X.shape).astype(np.float32)

    def gradients(norm):
        def loss(params, x):
            return jnp.sum(weights * norm({**VARIABLES, "params": params}, x, mask)[0])

        return jax.grad(loss, (0, 1))(VARIABLES["params"], X)

    close(gradients(ours), gradients(by_linen), 1e-4)


def test_evaluation_equals_linen_and_moves_nothing():
    value = BatchNorm().apply(VARIABLES, X)
    expected = nn.BatchNorm(True).apply(VARIABLES, X)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    _, updated = BatchNorm().apply(VARIABLES, X, mutable=["batch_stats"])
    close(updated["batch_stats"], VARIABLES["batch_stats"], 0)


def test_it_starts_as_linen_does():
    for train in (False, True):
        close(BatchNorm().init(jax.random.key(0), X, train=train), nn.BatchNorm(True).init(jax.random.key(0), X), 0)


def test_a_batch_of_padding_only_does_not_move_the_running_moments():
    _, updated = ours(VARIABLES, X, np.zeros(8, np.float32))
    close(updated["batch_stats"], VARIABLES["batch_stats"], 0)


def test_moments_of_numbers_far_from_zero_are_accurate():
    x = np.float32(1000) + rng.normal(size=(512, 2)).astype(np.float32)
    variables = BatchNorm(momentum=0.0).init(jax.random.key(0), x)
    _, updated = ours(variables, x, momentum=0.0)
    np.testing.assert_allclose(updated["batch_stats"]["var"], x.astype(np.float64).var(0), rtol=1e-3)
    np.testing.assert_allclose(updated["batch_stats"]["mean"], x.astype(np.float64).mean(0), rtol=1e-6)


def test_sixteen_bits_come_back_and_the_moments_are_float32():
    x = jnp.asarray(X, jnp.bfloat16)
    value, updated = ours(VARIABLES, x)
    assert value.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {jnp.dtype("float32")}
    expected, moments = by_linen(VARIABLES, np.float32(x))
    close(updated, moments)
    np.testing.assert_allclose(np.float32(value), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("mask", [None, np.array([1, 1, 0, 1, 1, 0, 0, 1], np.float32)], ids=["no mask", "mask"])
def test_eight_devices_with_a_row_each_have_the_moments_of_the_whole_batch(mask):
    used = np.ones(8, np.float32) if mask is None else mask

    def on_each(x, mask_of_row):
        return ours(VARIABLES, x, None if mask is None else mask_of_row)

    spread = jax.shard_map(
        on_each, mesh=device_mesh(8), in_specs=(P("data"), P("data")), out_specs=(P("data"), P()), check_vma=False
    )
    close(jax.jit(spread)(X, used), by_linen(VARIABLES, X, mask))


@each_mask
def test_gradients_through_result_and_moments_equal_automatic_ones(mask):
    rows = None if mask is None else mask.reshape(8, 1, 1, 1)
    weights = [rng.normal(size=shape).astype(np.float32) for shape in (X.shape, (3,), (3,))]

    def plain(epsilon, x, scale, bias, rows):
        mean, var, num_rows = norm._moments(x, rows)
        return norm._scaled(x, (mean, var), scale, bias, epsilon), mean, var, num_rows

    def gradients(function):
        def loss(x, scale, bias):
            return sum(
                jnp.sum(w * jnp.tanh(part))
                for w, part in zip(weights, function(0.1, x, scale, bias, rows), strict=False)
            )

        return jax.jit(jax.grad(loss, (0, 1, 2)))(X, *VARIABLES["params"].values())

    close(gradients(norm._normalised), gradients(plain), 1e-4)


def test_gradients_on_eight_devices_are_those_of_the_whole_batch():
    weights = rng.normal(size=X.shape).astype(np.float32)

    def loss(x, weights):
        return jnp.sum(weights * jnp.tanh(ours(VARIABLES, x)[0]))

    spread = jax.shard_map(
        jax.grad(loss), mesh=device_mesh(8), in_specs=(P("data"), P("data")), out_specs=P("data"), check_vma=False
    )
    close(jax.jit(spread)(X, weights), jax.jit(jax.grad(loss))(X, weights), 1e-4)


@pytest.mark.parametrize(("channels", "groups", "used"), [(6, 3, 3), (6, 4, 2), (5, 32, 1)])
def test_group_normalisation_equals_linen(channels, groups, used):
    x = (1 + rng.normal(size=(3, 4, 5, channels))).astype(np.float32)
    variables = {"params": {"scale": jnp.arange(1.0, channels + 1), "bias": jnp.ones(channels)}}
    expected = nn.GroupNorm(used, epsilon=1e-5).apply(variables, x)
    close(GroupNorm(groups).apply(variables, x, train=True, mask=np.ones(3)), expected, 1e-4)
    assert GroupNorm(groups).apply(variables, jnp.asarray(x, jnp.bfloat16)).dtype == jnp.bfloat16
