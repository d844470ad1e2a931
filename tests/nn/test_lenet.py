import jax
import numpy as np
import pytest

from mlr_jax.nn.lenet import LeNet5


def convolved(x, kernel, bias):
    size = len(kernel)
    rows, columns = (range(n - size + 1) for n in x.shape[1:3])
    windows = [[x[:, i : i + size, j : j + size] for j in columns] for i in rows]
    return np.einsum("ijbklc,klco->bijo", np.array(windows), kernel) + bias


def halved(x):
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


@pytest.mark.parametrize("side", [28, 32])
def test_it_equals_its_formula(side):
    x = np.random.default_rng(0).normal(size=(2, side, side, 1)).astype(np.float32)
    model = LeNet5(10)
    shapes = jax.eval_shape(model.init, jax.random.key(0), x)
    rng = np.random.default_rng(1)
    variables = jax.tree.map(lambda leaf: 0.1 * rng.normal(size=leaf.shape).astype(leaf.dtype), shapes)
    layers = [
        (layer["kernel"], layer["bias"])
        for layer in (variables["params"][f"{kind}_{i}"] for kind, n in (("Conv", 2), ("Dense", 3)) for i in range(n))
    ]

    y = np.pad(x, ((0, 0), *((((32 - side) // 2,) * 2,) * 2), (0, 0)))
    for kernel, bias in layers[:2]:
        y = halved(np.tanh(convolved(y, kernel, bias)))
    assert y.shape == (2, 5, 5, 16)
    y = y.reshape(2, -1)
    for kernel, bias in layers[2:4]:
        y = np.tanh(y @ kernel + bias)
    expected = y @ layers[4][0] + layers[4][1]

    np.testing.assert_allclose(jax.jit(model.apply)(variables, x), expected, rtol=1e-4, atol=1e-5)
