"""The feature pyramid by hand, and what the detector's head promises at its start."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.nn.detector import PRIOR, Detector
from mlr_jax.nn.fpn import FPN


def test_the_pyramid_adds_what_stands_above():
    rng = np.random.default_rng(0)
    maps = [jnp.asarray(rng.normal(size=(1, h, w, c)), jnp.float32) for h, w, c in ((5, 6, 3), (3, 3, 4), (2, 2, 5))]
    params = FPN(2).init(jax.random.key(0), maps)["params"]
    bias = jnp.arange(2.0)  # else zero
    params = {name: {**layer, "bias": bias} for name, layer in params.items()}
    outputs = FPN(2).apply({"params": params}, maps)
    merged = [np.asarray(m @ params[f"lateral_{i}"]["kernel"][0, 0]) + np.arange(2.0) for i, m in enumerate(maps)]
    merged[1] = merged[1] + merged[2].repeat(2, 1).repeat(2, 2)[:, :3, :3]
    merged[0] = merged[0] + merged[1].repeat(2, 1).repeat(2, 2)[:, :5, :6]
    for i, (m, output) in enumerate(zip(merged, outputs, strict=True)):
        kernel = params[f"output_{i}"]["kernel"]
        expected = jax.lax.conv_general_dilated(
            m.astype(np.float32), kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        np.testing.assert_allclose(output, np.asarray(expected) + np.arange(2.0), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"maps: got one of \(2, 2\) after one of \(5, 6\)"):
        FPN(2).init(jax.random.key(0), [maps[0], maps[2]])


class Constant(nn.Module):
    """Maps of ones."""

    def __call__(self, x, *, train=False, mask=None):
        return [jnp.ones((len(x), -(-x.shape[1] // s), -(-x.shape[2] // s), 4)) for s in (8, 16, 32)]


def test_the_head_starts_with_rare_objects_of_the_size_of_its_strides():
    model, x = Detector(Constant(), 3, channels=8, depth=1), jnp.zeros((2, 40, 32, 3))
    predictions, variables = model.init_with_output(jax.random.key(0), x)
    assert predictions.logits.shape == (2, 5 * 4 + 3 * 2 + 2 * 1, 3)
    assert predictions.distances.shape == (2, 28, 4)
    assert predictions.centreness.shape == (2, 28)
    np.testing.assert_allclose(jax.nn.sigmoid(predictions.logits), PRIOR, rtol=0.3)
    strides = np.repeat([8.0, 16.0, 32.0], [20, 6, 2])
    np.testing.assert_allclose(predictions.distances[0, :, 0], strides, rtol=0.3)
    assert variables["params"]["Head_0"]["class_tower_0"]["kernel"].shape == (3, 3, 8, 8)  # one for all maps


def test_each_map_has_a_scale_of_its_own():
    model, x = Detector(Constant(), 3, channels=8, depth=0), jnp.zeros((1, 40, 32, 3))
    before, variables = model.init_with_output(jax.random.key(0), x)
    head = variables["params"]["Head_0"]
    scaled = {**head, "scales": jnp.array([1.0, 2.0, 1.0])}
    after = model.apply({"params": {**variables["params"], "Head_0": scaled}}, x)
    in_strides = [np.log(p.distances / np.repeat([8, 16, 32], [20, 6, 2])[None, :, None]) for p in (before, after)]
    np.testing.assert_allclose(
        in_strides[1], in_strides[0] * np.repeat([1, 2, 1], [20, 6, 2])[None, :, None], atol=1e-5
    )


@pytest.mark.parametrize(("channels", "depth"), [(12, 1), (0, 1), (8, -1)])
def test_sizes_that_cannot_be_are_errors(channels, depth):
    with pytest.raises(ValueError, match="channels"):
        Detector(Constant(), 3, channels, depth).init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
