import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.foundations import autodiff as ad
from mlr_jax.foundations.autodiff import gradient, hessian_vector_product, jvp, vjp

FUNCTIONS = {
    "add": (lambda m, x, y: x + y + 2 + x, 2),
    "subtract": (lambda m, x, y: (x - y) - 3.0 + (1 - x), 2),
    "multiply": (lambda m, x, y: x * y * 2 + 3 * x, 2),
    "divide": (lambda m, x, y: x / y + 1 / x + y / 4, 2),
    "power": (lambda m, x, y: x**3 + x**-2 + x**y + 2**y + x**0, 2),
    "negative": (lambda m, x: -x, 1),
    "exp": (lambda m, x: m.exp(x), 1),
    "log": (lambda m, x: m.log(x), 1),
    "sqrt": (lambda m, x: m.sqrt(x), 1),
    "sin": (lambda m, x: m.sin(x), 1),
    "cos": (lambda m, x: m.cos(x), 1),
    "tanh": (lambda m, x: m.tanh(x), 1),
    "heaviside": (lambda m, x: m.heaviside(x) if m is ad else jnp.heaviside(x, 0.5), 1),
    "maximum": (lambda m, x, y: m.maximum(x * x, y) + m.maximum(y, 1.0) * x, 2),
    "chain": (lambda m, x: m.exp(m.sin(m.tanh(x) ** 2) / (1 + x * x)), 1),
    "diamond": (lambda m, x, y: (x * y) * m.log(x * y) + (x * y), 2),
}
POINT = (0.7, 1.3)
each_function = pytest.mark.parametrize("name", FUNCTIONS)


@pytest.fixture(scope="module")
def by_jax():
    """Value, gradient [N] and Hessian [N, N] of every function by jax, compiled once."""

    def derivatives(x):
        table = {}
        for name, (function, count) in FUNCTIONS.items():
            f = lambda x, f=function, n=count: f(jnp, *[x[i] for i in range(n)])  # noqa: E731
            table[name] = (f(x), jax.grad(f)(x)[:count], jax.hessian(f)(x)[:count, :count])
        return table

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(derivatives)(np.array(POINT)))


@each_function
def test_both_modes_equal_jax_and_so_do_second_derivatives(name, by_jax, x64):
    function, count = FUNCTIONS[name]
    value, slopes, hessian = by_jax[name]

    def ours(*x):
        return function(ad, *x)

    np.testing.assert_allclose(gradient(ours)(*POINT[:count]), slopes, rtol=1e-12)
    for direction in np.eye(count):
        found = jvp(ours, POINT[:count], direction)
        np.testing.assert_allclose(found, [value, slopes @ direction], rtol=1e-12)
        found = hessian_vector_product(ours, POINT[:count], direction)
        np.testing.assert_allclose(found, hessian @ direction, rtol=1e-10, atol=1e-12)


def test_modes_nest_in_every_order(x64):
    def cubed(x):
        return x**3 * ad.exp(x)

    def forward(f):
        return lambda x: jvp(f, [x], [1.0])[1]

    def reverse(f):
        return lambda x: gradient(f)(x)[0]

    expected = jax.grad(jax.grad(jax.grad(lambda x: x**3 * jnp.exp(x))))(0.5)
    for first in (forward, reverse):
        for second in (forward, reverse):
            for third in (forward, reverse):
                np.testing.assert_allclose(third(second(first(cubed)))(0.5), expected, rtol=1e-12)
                assert third(second(first(lambda x: x**3)))(0.0) == 6.0


def test_a_derivative_inside_of_another_is_not_taken_for_it():
    def inner_forward(x):
        return x * jvp(lambda y: x + y, [1.0], [1.0])[1]

    def inner_reverse(x):
        return x * gradient(lambda y: x * y)(2.0)[0]

    for outer in (lambda f: jvp(f, [3.0], [1.0])[1], lambda f: gradient(f)(3.0)[0]):
        assert outer(inner_forward) == 1.0  # x d(x + y)/dy = x; taken for one another they give 2
        assert outer(inner_reverse) == 6.0  # x d(x y)/dy = x^2


def test_several_outputs_by_jvp_and_vjp():
    def ours(x, y):
        return {"product": x * y, "list": [ad.sin(x), 5.0]}

    def theirs(x, y):
        return {"product": x * y, "list": [jnp.sin(x), jnp.float32(5.0)]}

    values, tangents = jvp(ours, POINT, (1.0, 2.0))
    expected_values, expected_tangents = jax.jvp(theirs, POINT, (1.0, 2.0))
    assert_trees_close(values, expected_values)
    assert_trees_close(tangents, expected_tangents)
    adjoint = {"product": 0.5, "list": [2.0, 3.0]}
    values, pull_back = vjp(ours, POINT)
    assert_trees_close(values, expected_values)
    assert_trees_close(pull_back(adjoint), list(jax.vjp(theirs, *POINT)[1](jax.tree.map(jnp.float32, adjoint))))


def assert_trees_close(first, second):
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-6), first, second)


def test_inputs_without_influence_and_constant_outputs_have_derivative_zero():
    assert gradient(lambda x, y: 2.0 * x)(1.0, 2.0) == [2.0, 0.0]
    assert gradient(lambda x: 4.0)(1.0) == [0.0]
    assert jvp(lambda x: 4.0, [1.0], [1.0]) == (4.0, 0.0)
    assert gradient(lambda x: x)(1.0) == [1.0]
    assert jvp(lambda x: x**2, [0.0], [1.0]) == (0.0, 0.0)
    assert gradient(lambda x: x**0)(0.0) == [0.0]


def test_ties_are_split_as_jax_splits_them():
    assert gradient(ad.maximum)(1.0, 1.0) == [0.5, 0.5]
    assert jax.grad(jnp.maximum, (0, 1))(1.0, 1.0) == (0.5, 0.5)


def test_a_long_chain_and_an_exponential_number_of_paths():
    def chain(x):
        for _ in range(3000):
            x = x + 1.0
        return x

    def branching(x):
        for _ in range(60):
            x = 0.25 * x + 0.75 * x
        return x

    assert gradient(chain)(0.0) == [1.0]
    assert gradient(branching)(1.0) == [1.0]


def network(operations, weights, x):
    """Two inputs, two tanh units, one output: 9 numbers one by one."""
    hidden = [operations.tanh(weights[3 * i] * x[0] + weights[3 * i + 1] * x[1] + weights[3 * i + 2]) for i in range(2)]
    return weights[6] * hidden[0] + weights[7] * hidden[1] + weights[8]


def test_a_network_over_a_batch_compiles_and_equals_jax():
    rng = np.random.default_rng(0)
    weights, x = jnp.asarray(rng.normal(size=9)), jnp.asarray(rng.normal(size=(5, 2)))

    def ours(weights, x):
        return gradient(lambda *w: network(ad, w, x) ** 2)(*weights)

    found = jnp.stack(jax.jit(jax.vmap(ours, (None, 0)))(weights, x), axis=1)
    expected = jax.jit(jax.vmap(jax.grad(lambda w, x: network(jnp, w, x) ** 2), (None, 0)))(weights, x)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_arrays_of_numpy_and_jax_are_elementwise_numbers_on_either_side():
    for array in (np.array([1.0, 2.0], np.float32), jnp.array([1.0, 2.0])):
        values, tangents = jvp(lambda x, array=array: array * x + array / x - (array - x), [array], [1.0])
        np.testing.assert_allclose(values, np.square(array) + 1, rtol=1e-6)
        np.testing.assert_allclose(tangents, np.array(array) - 1 / np.array(array) + 1, rtol=1e-6)
