import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from mlr_jax.ops import convolution
from mlr_jax.ops.convolution import conv2d, max_pool

rng = np.random.default_rng(0)
formulations = pytest.mark.parametrize("conv", [convolution._by_library, convolution._by_patches])
cases = pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [
        ((6, 6), (3, 3), 1, "SAME"),
        ((6, 6), (3, 3), 2, "SAME"),
        ((7, 5), (3, 3), 2, "SAME"),
        ((7, 5), (2, 4), 1, "SAME"),
        ((7, 5), (3, 2), 1, "VALID"),
        ((8, 7), (3, 3), 2, "VALID"),
        ((5, 5), (5, 5), 1, "VALID"),
        ((6, 7), (1, 1), 1, "SAME"),
        ((6, 7), (1, 1), 2, "SAME"),
        ((6, 7), (1, 1), 3, "VALID"),
    ],
)


def random(*shape):
    return rng.normal(size=shape).astype(np.float32)


def close(first, second):
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


def by_loops(x, kernel, stride, padding):
    """The definition, one output at a time."""
    rows, columns, _, outputs = kernel.shape
    if padding == "SAME":
        height, width = (-(-length // stride) for length in x.shape[:2])
        missing = [max((n - 1) * stride + k - length, 0) for n, k, length in
                   ((height, rows, x.shape[0]), (width, columns, x.shape[1]))]  # fmt: skip
        x = np.pad(x, [*((m // 2, m - m // 2) for m in missing), (0, 0)])
    else:
        height, width = ((length - k) // stride + 1 for length, k in zip(x.shape[:2], (rows, columns), strict=True))
    y = np.zeros((height, width, outputs))
    for i in range(height):
        for j in range(width):
            part = x[i * stride : i * stride + rows, j * stride : j * stride + columns]
            y[i, j] = np.einsum("klc,klco->o", part, kernel)
    return y


def by_lax(x, kernel, stride, padding):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x[None], kernel, (stride, stride), padding, dimension_numbers=numbers)[0]


@formulations
@cases
def test_a_convolution_is_its_definition_and_its_gradients_are_those_of_the_library(
    conv, size, kernel, stride, padding
):
    x, w = random(*size, 2), random(*kernel, 2, 3)
    expected = by_loops(x, w, stride, padding)
    weights = random(*expected.shape)

    @jax.jit
    def compute(x, w):
        losses = (lambda x, w, f=f: jnp.sum(weights * f(x, w, stride, padding)) for f in (conv, by_lax))
        return conv(x, w, stride, padding), *(jax.grad(loss, (0, 1))(x, w) for loss in losses)

    value, ours, theirs = compute(x, w)
    close(value, expected)
    jax.tree.map(close, ours, theirs)


@formulations
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=["images", "kernels", "both"])
def test_it_vmaps_over_images_kernels_and_both(conv, axes):
    pair = (random(3, 6, 5, 2), random(3, 3, 3, 2, 4))
    arguments = [leaf if axis == 0 else leaf[1] for leaf, axis in zip(pair, axes, strict=True)]
    many = jax.jit(jax.vmap(lambda x, w: conv(x, w, 2, "SAME"), axes))(*arguments)
    for index in range(3):
        x, w = (leaf[index if axis == 0 else 1] for leaf, axis in zip(pair, axes, strict=True))
        close(many[index], by_loops(x, w, 2, "SAME"))


@pytest.mark.parametrize(("backend", "formulation"), [("cpu", "_by_patches"), ("gpu", "_by_library")])
def test_each_backend_has_its_formulation(monkeypatch, backend, formulation):
    x, w = random(4, 4, 2), random(3, 3, 2, 1)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    monkeypatch.setattr(convolution, formulation, lambda *arguments: arguments)
    assert conv2d(x, w, 2, "VALID") == (x, w, 2, "VALID")


@formulations
def test_it_keeps_sixteen_bits(conv):
    x, w = random(5, 5, 2).astype(jnp.bfloat16), random(3, 3, 2, 3).astype(jnp.bfloat16)
    y = jax.jit(lambda x, w: conv(x, w, 1, "SAME"))(x, w)
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float32(y), by_loops(np.float32(x), np.float32(w), 1, "SAME"), rtol=0.05, atol=0.05)


def test_padding_and_channels_are_checked():
    with pytest.raises(ValueError, match="padding: got 'CIRCULAR', allowed are 'SAME' and 'VALID'"):
        conv2d(random(4, 4, 2), random(3, 3, 2, 1), 1, "CIRCULAR")
    with pytest.raises(ValueError, match=r"kernel: got \(3, 3, 5, 1\), its third axis must be 2 channels"):
        conv2d(random(4, 4, 2), random(3, 3, 5, 1))


@pytest.mark.parametrize(
    ("size", "window"), [((4, 4), 1), ((4, 4), 2), ((5, 7), 2), ((3, 3), 2), ((6, 9), 3), ((5, 7), 3)]
)
def test_max_pooling_and_its_gradient_equal_linen(size, window):
    x = random(*size, 2)

    def by_linen(x):
        return nn.max_pool(x[None], (window, window), (window, window))[0]

    ours = max_pool(x, window)
    assert ours.shape == (size[0] // window, size[1] // window, 2)
    np.testing.assert_array_equal(ours, by_linen(x))
    weights = random(*ours.shape)
    pools = (lambda x: max_pool(x, window), by_linen)
    gradients = [jax.jit(jax.grad(lambda x, f=f: jnp.sum(weights * f(x))))(x) for f in pools]
    np.testing.assert_allclose(*gradients, rtol=1e-6)


def test_max_pooling_vmaps_and_keeps_sixteen_bits_and_negative_numbers():
    x = jnp.asarray(-np.abs(random(3, 4, 4, 2)), jnp.bfloat16)
    ours = jax.vmap(max_pool)(x)
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_array_equal(ours, nn.max_pool(x, (2, 2), (2, 2)))


def test_at_a_tie_the_first_of_a_block_takes_the_gradient_as_in_linen():
    x = np.maximum(random(6, 6, 2), 0)
    x[:2, :2] = 1.0
    pools = (max_pool, lambda x: nn.max_pool(x[None], (2, 2), (2, 2))[0])
    np.testing.assert_array_equal(*[jax.jit(jax.grad(lambda x, f=f: jnp.sum(f(x))))(x) for f in pools])


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_nan_anywhere_in_a_block_is_its_maximum(place):
    x = np.ones((2, 2, 1), np.float32)
    x[place] = np.nan
    assert np.isnan(max_pool(x)).all()
