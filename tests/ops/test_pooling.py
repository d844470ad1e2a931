import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.pooling import adaptive_average_pool, average_pool, max_pool

rng = np.random.default_rng(0)


def random(*shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((4, 4), {"window": 1}),
        ((5, 7), {}),
        ((6, 9), {"window": 3}),
        ((7, 8), {"window": 3, "stride": 2, "padding": 1}),
        ((6, 5), {"window": 2, "stride": 1}),
        ((7, 7), {"window": 2, "stride": 3, "padding": 1}),
    ],
)
@pytest.mark.parametrize(("ours", "linens"), [(max_pool, nn.max_pool), (average_pool, nn.avg_pool)])
def test_pooling_and_its_gradient_equal_linen(ours, linens, size, settings):
    x = random(3, *size, 2)
    window = settings.get("window", 2)
    stride, padding = settings.get("stride", window), settings.get("padding", 0)

    def by_linen(x):
        return linens(x, (window, window), (stride, stride), ((padding, padding), (padding, padding)))

    y = ours(x, **settings)
    np.testing.assert_allclose(y, by_linen(x), rtol=1e-6, atol=1e-6)
    weights = random(*y.shape)
    gradients = [jax.jit(jax.grad(lambda x, f=f: jnp.sum(weights * f(x))))(x) for f in (lambda x: ours(x, **settings), by_linen)]  # fmt: skip  # noqa: E501
    np.testing.assert_allclose(*gradients, rtol=1e-5, atol=1e-6)


def test_it_keeps_sixteen_bits_negative_numbers_and_integers():
    x = jnp.asarray(-np.abs(random(3, 4, 4, 2)), jnp.bfloat16)
    assert max_pool(x).dtype == average_pool(x).dtype == jnp.bfloat16
    np.testing.assert_array_equal(max_pool(x), nn.max_pool(x, (2, 2), (2, 2)))
    assert max_pool(-jnp.ones((1, 2, 2, 1), jnp.int32), 2, 1, 1).tolist() == (-np.ones((1, 3, 3, 1))).tolist()


def test_at_a_tie_the_first_of_a_window_takes_the_gradient_as_in_linen():
    x = np.maximum(random(1, 6, 6, 2), 0)
    x[:, :2, :2] = 1.0
    pools = (max_pool, lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    np.testing.assert_array_equal(*[jax.jit(jax.grad(lambda x, f=f: jnp.sum(f(x))))(x) for f in pools])


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_nan_anywhere_in_a_window_is_its_maximum(place):
    x = np.ones((1, 2, 2, 1), np.float32)
    x[0, *place] = np.nan
    assert np.isnan(max_pool(x)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "both must be at least 1"),
        ({"padding": 2}, "padding: got 2, allowed are 0 to 1 with a window of 2"),
        ({"window": 5}, r"got images of \(4, 4\) with padding, must be at least 5"),
    ],
)
def test_arguments_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        max_pool(random(1, 4, 4, 1), **settings)


@pytest.mark.parametrize(("size", "parts"), [((6, 4), (3, 2)), ((7, 5), (3, 3)), ((2, 3), (4, 7)), ((5, 6), (1, 6))])
def test_adaptive_windows_begin_and_end_where_their_share_does(size, parts):
    x = random(2, *size, 3)
    y = adaptive_average_pool(x, *parts)
    assert y.shape == (2, *parts, 3)
    for i, j in np.ndindex(*parts):
        (top, bottom), (left, right) = (
            (math.floor(k * n / p), math.ceil((k + 1) * n / p)) for k, n, p in zip((i, j), size, parts, strict=True)
        )
        np.testing.assert_allclose(y[:, i, j], x[:, top:bottom, left:right].mean((1, 2)), rtol=1e-5, atol=1e-6)


def test_adaptive_pooling_needs_a_window():
    with pytest.raises(ValueError, match="height and width: got 0 and 2"):
        adaptive_average_pool(random(1, 4, 4, 1), 0, 2)
