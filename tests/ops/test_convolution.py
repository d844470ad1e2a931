from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
from jax.test_util import check_grads

from mlr_jax.core.parallel import device_mesh
from mlr_jax.ops import convolution_by_library, convolution_on_cpu
from mlr_jax.ops.convolution import conv2d, conv_transpose2d
from mlr_jax.ops.convolution_geometry import geometry_of

rng = np.random.default_rng(0)


def random(*shape):
    return rng.normal(size=shape).astype(np.float32)


def close(first, second, tolerance=1e-4):
    np.testing.assert_allclose(first, second, rtol=tolerance, atol=tolerance)


CASES = {  # image, kernel, stride, padding, channels, outputs, groups
    "3x3": ((6, 5), (3, 3), 1, "SAME", 9, 10, 1),
    "few channels": ((6, 7), (3, 4), 1, "SAME", 2, 3, 1),
    "3x3 of many channels": ((5, 6), (3, 3), 1, "SAME", 17, 33, 1),
    "several columns": ((5, 8), (3, 3), 1, "SAME", 9, 3, 1),
    "1x1": ((4, 5), (1, 1), 1, "SAME", 2, 3, 1),
    "1x1 stride 2": ((5, 6), (1, 1), 2, "VALID", 2, 3, 1),
    "1x1 padded": ((3, 3), (1, 1), 1, 1, 2, 3, 1),
    "stride 2": ((7, 6), (3, 3), 2, "SAME", 2, 3, 1),
    "stride 3": ((8, 7), (2, 4), 3, "VALID", 2, 3, 1),
    "stem of ResNet": ((9, 8), (7, 7), 2, 3, 2, 3, 1),
    "patches": ((8, 8), (4, 4), 4, "VALID", 2, 3, 1),
    "sides differ": ((5, 5), (3, 2), 1, ((0, 2), (1, 0)), 2, 3, 1),
    "more padding than kernel": ((3, 4), (2, 2), 1, 3, 2, 3, 1),
    "groups": ((5, 5), (3, 3), 2, "SAME", 4, 6, 2),
    "each channel": ((5, 5), (3, 3), 1, "SAME", 3, 3, 3),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def made(case):
    size, kernel, stride, padding, channels, outputs, groups = case
    x, w = random(3, *size, channels), random(*kernel, channels // groups, outputs)
    return x, w, {"stride": stride, "padding": padding, "groups": groups}


def by_loops(x, w, stride, padding, groups):
    """The definition, one output at a time."""
    geometry = geometry_of(x.shape, w.shape, stride, padding, groups)
    x = np.pad(x, ((0, 0), *geometry.pads, (0, 0)))
    (rows, columns), (height, width) = w.shape[:2], geometry.outputs
    y = np.zeros((len(x), height, width, w.shape[3]))
    for group in range(groups):
        channels = slice(group * w.shape[2], (group + 1) * w.shape[2])
        outputs = slice(group * (w.shape[3] // groups), (group + 1) * (w.shape[3] // groups))
        for i in range(height):
            for j in range(width):
                part = x[:, i * stride : i * stride + rows, j * stride : j * stride + columns, channels]
                y[:, i, j, outputs] = np.einsum("bklc,klco->bo", part, w[..., outputs])
    return y


def library(x, w, stride, padding, groups):
    return convolution_by_library.forward(geometry_of(x.shape, w.shape, stride, padding, groups), x, w)


@each_case
def test_a_convolution_is_its_definition_and_its_gradients_are_those_of_the_library(case):
    x, w, settings = made(case)
    expected = by_loops(x, w, **settings)
    g = random(*expected.shape)

    @jax.jit
    def compute(x, w):
        results = [jax.vjp(partial(f, **settings), x, w) for f in (conv2d, library)]
        return results[0][0], *(pullback(g) for _, pullback in results)

    value, ours, theirs = compute(x, w)
    close(value, expected)
    jax.tree.map(close, ours, theirs)


@pytest.mark.parametrize("name", ["3x3", "stride 2", "1x1 stride 2", "groups"])
def test_gradients_of_gradients_are_those_of_the_library(name):
    x, w, settings = made(CASES[name])
    g = random(*by_loops(x, w, **settings).shape)

    @jax.jit
    def compute(x, w):
        def penalty(f, x, w):
            by_x, by_w = jax.grad(lambda x, w: jnp.sum(g * jnp.tanh(f(x, w, **settings))), (0, 1))(x, w)
            return jnp.sum(jnp.square(by_x)) + jnp.sum(jnp.square(by_w))

        return [jax.grad(partial(penalty, f), (0, 1))(x, w) for f in (conv2d, library)]

    ours, theirs = compute(x, w)
    jax.tree.map(partial(close, tolerance=1e-3), ours, theirs)


def test_the_weight_gradient_in_parts_of_the_batch_is_that_of_the_whole(monkeypatch):
    monkeypatch.setattr(convolution_on_cpu, "CHUNK_BYTES", 1)
    for name in ("3x3", "stride 2"):
        x, w, settings = made(CASES[name])
        value, pullback = jax.vjp(partial(conv2d, x, **settings), w)
        g = random(*value.shape)
        close(pullback(g)[0], jax.vjp(partial(library, x, **settings), w)[1](g)[0])


def test_the_input_gradient_in_parts_of_the_batch_is_that_of_the_whole(monkeypatch):
    geometry = geometry_of((6, 8, 6, 2), (4, 4, 2, 3), 2, "SAME", 1)
    g, w = random(6, 4, 3, 3), random(4, 4, 2, 3)
    whole = convolution_on_cpu.input_gradient(geometry, g, w)
    monkeypatch.setattr(convolution_on_cpu, "WINDOW_BYTES", 1)
    close(convolution_on_cpu.input_gradient(geometry, g, w), whole)
    close(whole, convolution_by_library.input_gradient(geometry, g, w))


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=["images", "kernels", "both"])
def test_members_of_a_sweep_are_as_alone(axes):
    pair = (random(4, 2, 6, 5, 2), random(4, 3, 3, 2, 3))
    arguments = [leaf if axis == 0 else leaf[1] for leaf, axis in zip(pair, axes, strict=True)]

    def value_and_gradients(x, w):
        return conv2d(x, w, stride=2), jax.grad(lambda x, w: jnp.sum(jnp.sin(conv2d(x, w, stride=2))), (0, 1))(x, w)

    solo = jax.jit(value_and_gradients)
    many = jax.jit(jax.vmap(value_and_gradients, axes))(*arguments)
    of_two = jax.jit(jax.vmap(jax.vmap(value_and_gradients, axes), axes))(
        *(
            leaf.reshape(2, 2, *leaf.shape[1:]) if axis == 0 else leaf
            for leaf, axis in zip(arguments, axes, strict=True)
        )
    )
    for index in range(4):
        x, w = (leaf[index] if axis == 0 else leaf for leaf, axis in zip(arguments, axes, strict=True))
        jax.tree.map(lambda leaf, alone: close(leaf[index], alone), many, solo(x, w))
        jax.tree.map(lambda leaf, alone: close(leaf[index // 2, index % 2], alone), of_two, solo(x, w))


def test_eight_devices_in_each_way_of_spreading_compute_what_one_does():
    x, w = random(8, 6, 5, 2), random(3, 3, 2, 3)
    mesh = device_mesh(8)

    def loss(x, w):
        return jnp.sum(jnp.sin(conv2d(x, w)))

    def of_rows(x, w):
        by_x, by_w = jax.grad(loss, (0, 1))(x, w)
        return by_x, lax.psum(by_w, "data")

    expected = jax.jit(jax.grad(loss, (0, 1)))(x, w)
    in_specs, out_specs = (P("data"), P()), (P("data"), P())
    mapped = jax.jit(jax.shard_map(of_rows, mesh=mesh, in_specs=in_specs, out_specs=out_specs, check_vma=False))
    placed = jax.device_put(x, NamedSharding(mesh, P("data"))), jax.device_put(w, NamedSharding(mesh, P()))
    jax.tree.map(close, mapped(x, w), expected)
    jax.tree.map(close, jax.jit(jax.grad(loss, (0, 1)))(*placed), expected)
    by_x, by_w = jax.pmap(of_rows, "data", in_axes=(0, None), out_axes=(0, None))(x[:, None], w)
    jax.tree.map(close, (by_x[:, 0], by_w), expected)


def test_in_a_scan_it_is_as_outside():
    x, w = random(2, 6, 5, 2), random(3, 3, 2, 2)

    def descend(w, _):
        return w - 0.01 * jax.grad(lambda w: jnp.sum(jnp.square(conv2d(x, w))))(w), None

    close(jax.jit(lambda w: lax.scan(descend, w, None, length=2)[0])(w), descend(descend(w, None)[0], None)[0])


@pytest.mark.parametrize("name", ["3x3", "1x1", "stride 2", "groups"])
def test_it_keeps_sixteen_bits(name):
    x, w, settings = made(CASES[name])
    half = [jnp.asarray(leaf, jnp.bfloat16) for leaf in (x, w)]
    value, pullback = jax.vjp(partial(conv2d, **settings), *half)
    gradients = pullback(jnp.ones_like(value))
    assert {leaf.dtype for leaf in (value, *gradients)} == {jnp.dtype(jnp.bfloat16)}
    np.testing.assert_allclose(np.float32(value), by_loops(*map(np.float32, half), **settings), rtol=0.05, atol=0.1)


def test_double_precision_is_kept():
    x, w, settings = made(CASES["3x3"])
    with jax.enable_x64(True):
        x, w = x.astype(np.float64), w.astype(np.float64)
        g = rng.normal(size=by_loops(x, w, **settings).shape)
        gradients = [jax.vjp(partial(f, **settings), x, w)[1](g) for f in (conv2d, library)]
        jax.tree.map(partial(close, tolerance=1e-12), *gradients)


@pytest.mark.parametrize(
    ("stride", "padding", "size"),
    [(1, "SAME", (5, 4)), (2, "SAME", (10, 8)), (2, "VALID", (11, 9)), (2, 1, (9, 7)), (3, ((1, 0), (0, 2)), (14, 10))],
)
def test_a_transposed_convolution_is_its_definition_and_is_differentiable(stride, padding, size):
    x, w = random(2, 5, 4, 2), random(3, 3, 2, 3)
    full = np.zeros((2, 4 * stride + 3, 3 * stride + 3, 3))
    for i in range(5):
        for j in range(4):
            rows, columns = slice(i * stride, i * stride + 3), slice(j * stride, j * stride + 3)
            full[:, rows, columns] += np.einsum("bc,klco->bklo", x[:, i, j], w)
    if padding == "SAME":
        top = left = max(3 - stride, 0) // 2
    else:
        (top, _), (left, _) = {"VALID": ((0, 0), (0, 0)), 1: ((1, 1), (1, 1))}.get(padding, padding)
    y = conv_transpose2d(x, w, stride=stride, padding=padding)
    assert y.shape == (2, *size, 3)
    close(y, full[:, top : top + size[0], left : left + size[1]])
    check_grads(
        partial(conv_transpose2d, stride=stride, padding=padding), (x, w), 1, modes=["rev"], rtol=0.02, atol=0.02
    )


def test_an_accelerator_has_the_library(monkeypatch):
    x, w = random(1, 4, 4, 2), random(3, 3, 2, 1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(convolution_by_library, "forward", lambda *arguments: "library")
    assert conv2d(x, w) == "library"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"padding": "CIRCULAR"}, "padding: got 'CIRCULAR', allowed are 'SAME', 'VALID', a number from 0"),
        ({"padding": -1}, "padding: got -1"),
        ({"stride": 0}, "stride: got 0, must be at least 1"),
        ({"groups": 2}, "groups: got 2, must divide the 2 channels and the 1 outputs"),
        ({"kernel": (3, 3, 5, 1)}, r"kernel: got \(3, 3, 5, 1\), its third axis must be 2 channels"),
        ({"kernel": (5, 5, 2, 1), "padding": "VALID"}, "larger than images of"),
        ({"kernel": (3, 3, 2)}, "both must have four axes"),
    ],
)
def test_arguments_are_checked(settings, message):
    kernel = settings.pop("kernel", (3, 3, 2, 1))
    with pytest.raises(ValueError, match=message):
        conv2d(random(1, 4, 4, 2), random(*kernel), **settings)
    with pytest.raises(ValueError, match="padding: got 9, which leaves nothing"):
        conv_transpose2d(random(1, 4, 4, 2), random(3, 3, 2, 1), padding=9)
