import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mlr_jax.nn.efficientnet import EfficientNetLite0, InvertedBottleneck

X = np.random.default_rng(0).normal(size=(4, 6, 5, 3)).astype(np.float32)


def started(model, x=X):
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    return jax.tree.map(lambda leaf: rng.random(leaf.shape, leaf.dtype) - 0.3 * (leaf.ndim > 1), shapes)


@pytest.mark.parametrize(("width", "expansion"), [(3, 2), (5, 2), (3, 1)])
def test_a_block_equals_its_formula(width, expansion):
    block = InvertedBottleneck(width, kernel=3, expansion=expansion, drop_path=0.5)
    variables = started(block)
    params, moments = variables["params"], variables["batch_stats"]

    def norm(y, name):
        own, moment = params[name]["norm"], moments[name]["norm"]
        return (y - moment["mean"]) / np.sqrt(moment["var"] + 1e-3) * own["scale"] + own["bias"]

    def pixelwise(y, name):
        return norm(y @ params[name]["conv"]["kernel"][0, 0], name)

    def depthwise(y):
        kernel = params["depthwise"]["conv"]["kernel"][:, :, 0]
        padded = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = [padded[:, i : i + 6, j : j + 5] * kernel[i, j] for i in range(3) for j in range(3)]
        return norm(sum(windows), "depthwise")

    y = np.clip(pixelwise(X, "expand"), 0, 6) if expansion > 1 else X
    y = pixelwise(np.clip(depthwise(y), 0, 6), "project")
    expected = X + y if width == 3 else y
    np.testing.assert_allclose(jax.jit(block.apply)(variables, X), expected, rtol=1e-4, atol=1e-4)


def test_in_training_a_row_takes_the_block_twice_or_not_at_all():
    block = InvertedBottleneck(3, expansion=1, drop_path=0.5)
    whole = InvertedBottleneck(3, expansion=1)
    x = np.tile(X, (8, 1, 1, 1))
    variables = started(block)

    def trained(block):
        rngs = {"dropout": jax.random.key(0)}
        return jax.jit(lambda: block.apply(variables, x, True, rngs=rngs, mutable=["batch_stats"])[0])() - x

    added, full = trained(block), trained(whole)
    is_kept = np.abs(added).max((1, 2, 3)) > 0
    assert 4 < is_kept.sum() < 28
    np.testing.assert_allclose(added[is_kept], 2 * full[is_kept], rtol=1e-3, atol=1e-4)


def test_strides_and_the_start():
    model = EfficientNetLite0(10)
    x = jax.ShapeDtypeStruct((1, 65, 64, 3), np.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), x)
    _, inside = jax.eval_shape(
        lambda v, x: model.apply(v, x, capture_intermediates=True, mutable=["intermediates"]), variables, x
    )
    shapes = {path[0]: leaf[0].shape for path, leaf in flatten_dict(inside["intermediates"]).items() if len(path) == 2}
    assert [shapes[f"block{i}"] for i in (0, 2, 4, 7, 10, 14, 15)] == [
        (1, 33, 32, 16), (1, 17, 16, 24), (1, 9, 8, 40), (1, 5, 4, 80), (1, 5, 4, 112), (1, 3, 2, 192), (1, 3, 2, 320)
    ]  # fmt: skip
    kernel = InvertedBottleneck(3, kernel=5, expansion=64).init(jax.random.key(0), X)["params"]["depthwise"]["conv"]
    np.testing.assert_allclose(np.std(kernel["kernel"]), np.sqrt(2 / 25), rtol=0.1)
