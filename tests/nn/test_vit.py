import jax
import numpy as np
import pytest

from mlr_jax.nn.vit import ViT

X = np.random.default_rng(0).normal(size=(3, 8, 12, 2)).astype(np.float32)
PATCHES = [(slice(4 * i, 4 * i + 4), slice(4 * j, 4 * j + 4)) for i in range(2) for j in range(3)]


def started(model, *, positions=True):
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(model.init, jax.random.key(0), X)["params"]
    params = jax.tree.map(lambda leaf: 0.5 * rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)
    if not positions:
        params["positions"] *= 0
    return {"params": params}


def shuffled(x):
    """The image with its patches in another order."""
    y = np.empty_like(x)
    for (rows, columns), (new_rows, new_columns) in zip(PATCHES, np.roll(PATCHES, 1, axis=0), strict=True):
        y[:, new_rows, new_columns] = x[:, rows, columns]
    return y


def test_it_starts_from_linear_maps_of_patches():
    model = ViT(4, patch=4, width=8, depth=0, heads=2, pooling="mean")
    variables = started(model)
    params = variables["params"]
    tokens = np.stack([X[:, rows, columns].reshape(3, -1) for rows, columns in PATCHES], axis=1)
    tokens = tokens @ params["embedding"]["kernel"].reshape(-1, 8) + params["embedding"]["bias"] + params["positions"]
    centred = tokens - tokens.mean(-1, keepdims=True)
    normal = centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-6) * params["norm"]["scale"] + params["norm"]["bias"]
    expected = normal.mean(1) @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(jax.jit(model.apply)(variables, X), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", ["token", "mean"])
def test_only_positions_tell_the_order_of_patches(pooling):
    model = ViT(4, patch=4, width=8, depth=2, heads=2, pooling=pooling)
    apply = jax.jit(model.apply)
    without, with_positions = started(model, positions=False), started(model)
    np.testing.assert_allclose(apply(without, shuffled(X)), apply(without, X), rtol=1e-4, atol=1e-4)
    assert np.abs(apply(with_positions, shuffled(X)) - apply(with_positions, X)).max() > 1e-2
    assert ("token" in without["params"]) == (pooling == "token")


def test_dropout_is_active_only_in_training():
    model = ViT(4, patch=4, width=8, depth=1, heads=2, dropout=0.5)
    variables = started(model)
    train = jax.jit(lambda seed: model.apply(variables, X, train=True, rngs={"dropout": jax.random.key(seed)}))
    assert (train(0) != train(1)).any()
    plain = ViT(4, patch=4, width=8, depth=1, heads=2)
    np.testing.assert_array_equal(jax.jit(model.apply)(variables, X), jax.jit(plain.apply)(variables, X))
