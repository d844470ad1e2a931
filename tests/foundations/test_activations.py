import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.foundations import activations as a

PAIRS = {
    "sigmoid": (a.sigmoid, jax.nn.sigmoid),
    "tanh": (a.tanh, jnp.tanh),
    "relu": (a.relu, jax.nn.relu),
    "leaky relu": (a.leaky_relu(0.2), lambda x: jax.nn.leaky_relu(x, 0.2)),
    "elu": (a.elu(1.5), lambda x: jax.nn.elu(x, 1.5)),
    "selu": (a.selu, jax.nn.selu),
    "gelu": (a.gelu, lambda x: jax.nn.gelu(x, approximate=False)),
    "gelu tanh": (a.gelu_tanh, jax.nn.gelu),
    "silu": (a.silu, jax.nn.silu),
    "softplus": (a.softplus, jax.nn.softplus),
}
X = np.concatenate([np.linspace(-12, 12, 97), [1e-4, -1e-4, 30, -30, 1e4, -1e4, 1e30, -1e30]])
each = pytest.mark.parametrize("name", PAIRS)


@pytest.fixture(scope="module")
def tables():
    """Value, derivative and gradient of the value by each precision, and both of jax in float64: compiled once."""

    def ours(x):
        return {name: (f.value(x), f.derivative(x), slopes(f.value)(x)) for name, (f, _) in PAIRS.items()}

    def theirs(x):
        return {name: (f(x), slopes(f)(x)) for name, (_, f) in PAIRS.items()}

    def slopes(f):
        return jax.vmap(jax.grad(f))

    single = jax.tree.map(np.asarray, jax.jit(ours)(X.astype(np.float32)))
    with jax.enable_x64(True):
        return {
            "float32": single,
            "float64": jax.tree.map(np.asarray, jax.jit(ours)(X)),
            "jax": jax.tree.map(np.asarray, jax.jit(theirs)(X)),
        }


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 2e-6), ("float64", 1e-13)])
@each
def test_value_and_derivative_equal_jax(name, dtype, digits, tables):
    value, derivative, _ = tables[dtype][name]
    assert value.dtype == derivative.dtype == dtype
    expected_value, expected_derivative = tables["jax"][name]
    np.testing.assert_allclose(value, expected_value, rtol=digits, atol=digits)
    np.testing.assert_allclose(derivative, np.nan_to_num(expected_derivative, nan=0.0), rtol=digits, atol=digits)


@each
def test_the_derivative_is_the_gradient_of_the_value(name, tables):
    _, derivative, gradient = tables["float64"][name]
    usual = (X != 0) & (np.abs(X) < 1e3)  # not at a kink, nor where the gradient overflows
    np.testing.assert_allclose(derivative[usual], gradient[usual], atol=1e-13)


def test_small_probabilities_keep_their_digits():
    def small(x):
        return a.sigmoid.value(-x), a.sigmoid.derivative(x), a.softplus.value(-x), a.tanh.value(1e-6 * x)

    expected = [np.exp(-50)] * 3 + [5e-5]
    np.testing.assert_allclose(jax.jit(small)(jnp.float32(50.0)), expected, rtol=1e-5)


def test_selu_keeps_mean_zero_and_variance_one(x64):
    z = np.linspace(-12, 12, 240_001)
    weights = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    values = jax.jit(a.selu.value)(z)
    np.testing.assert_allclose([weights @ values, weights @ values**2], [0, 1], atol=1e-9)


@pytest.mark.parametrize("x", [[1.0, 2.0, -1.0], [1e4, 0.0, -1e4], [5.0, 5.0, 5.0]])
def test_softmax_and_its_jacobian(x):
    x = jnp.array(x)
    np.testing.assert_allclose(jax.jit(a.softmax)(x), jax.jit(jax.nn.softmax)(x), rtol=1e-6)
    jacobian = np.asarray(jax.jit(a.softmax_jacobian)(x))
    np.testing.assert_allclose(jacobian, jax.jit(jax.jacobian(jax.nn.softmax))(x), atol=1e-7)
    np.testing.assert_allclose(jacobian, jacobian.T)
    np.testing.assert_allclose(jacobian.sum(axis=1), np.zeros(len(x)), atol=1e-6)
