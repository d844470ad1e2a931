import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mlr_jax.ops.attention import attention, attention_by_blocks, causal, causal_attention, within_segments

rng = np.random.default_rng(0)
Q, K, V = (rng.normal(size=(2, length, 3, 4)).astype(np.float32) for length in (5, 7, 7))
MASK = rng.random((2, 5, 7)) < 0.6
MASK[1, 2] = False


def one_after_another(q, k, v, mask):
    """One softmax for each sequence, head and query, of the keys that it may see."""
    y = np.zeros_like(q)
    for b, i, h in np.ndindex(q.shape[:3]):
        seen = mask[b, i] if mask[b, i].any() else np.ones(len(mask[b, i]), bool)
        scores = k[b, seen, h] @ q[b, i, h] / np.sqrt(q.shape[-1]) * mask[b, i].any()
        weights = np.exp(scores - scores.max())
        y[b, i, h] = weights @ v[b, seen, h] / weights.sum()
    return y


@pytest.mark.parametrize("mask", [None, MASK, MASK[:1]], ids=["no mask", "masks", "one mask"])
@pytest.mark.parametrize("changed", [None, lambda weights: weights], ids=["divided after", "divided before"])
def test_it_equals_a_softmax_for_each_query(mask, changed):
    whole = np.ones_like(MASK) if mask is None else np.broadcast_to(mask, MASK.shape)
    found = jax.jit(lambda q, k, v: attention(q, k, v, mask=mask, change_weights=changed))(Q, K, V)
    np.testing.assert_allclose(found, one_after_another(Q, K, V, whole), rtol=1e-5, atol=1e-6)


def test_its_gradients_equal_those_of_the_library():
    mask = MASK.copy()
    mask[1, 2, 0] = True  # a query that sees nothing gets zero there, and the mean here

    def gradients(function):
        return jax.jit(jax.grad(lambda *qkv: jnp.sum(jnp.sin(function(*qkv))), (0, 1, 2)))(Q, K, V)

    ours = gradients(lambda q, k, v: attention(q, k, v, mask=mask))
    theirs = gradients(lambda q, k, v: jax.nn.dot_product_attention(q, k, v, mask=jnp.asarray(mask)[:, None]))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_what_is_hidden_changes_nothing_and_gets_no_gradient():
    mask = np.ones((1, 5, 7), bool)
    mask[:, :, 4:] = False
    changed = K.copy()
    changed[:, 4:] = 1e3
    function = jax.jit(lambda k, v: attention(Q, k, v, mask=mask))
    np.testing.assert_array_equal(function(changed, V), function(K, V))
    of_k, of_v = jax.jit(jax.grad(lambda k, v: jnp.sum(jnp.sin(attention(Q, k, v, mask=mask))), (0, 1)))(K, V)
    assert not of_k[:, 4:].any()
    assert not of_v[:, 4:].any()
    assert of_v[:, :4].all()


def test_huge_scores_do_not_overflow():
    y = attention(1e4 * Q, 1e4 * K, V)
    assert np.isfinite(y).all()


def test_sixteen_bits_come_back_and_are_near():
    y = jax.jit(attention)(*(jnp.asarray(part, jnp.bfloat16) for part in (Q, K, V)))
    assert y.dtype == jnp.bfloat16
    np.testing.assert_allclose(y.astype(np.float32), one_after_another(Q, K, V, np.ones_like(MASK)), atol=3e-2)


@pytest.mark.parametrize(
    ("arguments", "mask", "message"),
    [
        ((Q[0], K, V), None, "wanted"),
        ((Q, K, V[:, :3]), None, "wanted"),
        ((Q[:1], K, V), None, "wanted"),
        ((Q[..., :2], K, V), None, "wanted"),
        ((Q, K, V), MASK[0], "mask: got"),
        ((Q, K, V), MASK[:, :, :4], "mask: got"),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(arguments, mask, message):
    with pytest.raises(ValueError, match=message):
        attention(*arguments, mask=mask)


def test_heads_of_queries_share_those_of_keys_in_turn():
    q = rng.normal(size=(2, 5, 6, 4)).astype(np.float32)
    k, v = (np.repeat(part, 2, axis=2) for part in (K, V))
    np.testing.assert_allclose(attention(q, K, V, mask=MASK), attention(q, k, v, mask=MASK), rtol=1e-5, atol=1e-6)


LONG = [rng.normal(size=(2, 11, heads, 4)).astype(np.float32) for heads in (4, 2, 2)]
SEGMENTS = jnp.array([[0] * 4 + [1] * 7, [0] * 11])
VISIBLE = {
    "causal": (causal(), None),
    "window": (causal(3), 2),
    "wide window": (causal(9), 8),
    "documents": (within_segments(causal(), SEGMENTS), None),
    "documents in a window": (within_segments(causal(3), SEGMENTS), 2),
}


def assert_as_all_at_once(visible, function):
    """The result and its gradients are those of attention with one mask for all rows."""
    mask = visible(jnp.arange(11), jnp.arange(11))
    found, whole = (
        jax.jit(jax.value_and_grad(lambda *qkv, form=form: jnp.sum(jnp.sin(form(*qkv))), (0, 1, 2)))(*LONG)
        for form in (function, lambda q, k, v: attention(q, k, v, mask=mask))
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, whole)


@pytest.mark.parametrize("block", [1, 3, 11, 64])
@pytest.mark.parametrize("name", VISIBLE)
def test_blocks_of_queries_give_what_all_give_at_once_and_the_same_gradients(name, block):
    visible, reach = VISIBLE[name]
    assert_as_all_at_once(
        visible, lambda q, k, v: attention_by_blocks(q, k, v, visible=visible, block=block, reach=reach)
    )


@pytest.mark.parametrize("parts", [1, 2, 3, 11])
@pytest.mark.parametrize("name", VISIBLE)
def test_rows_in_parts_give_what_all_give_at_once_and_the_same_gradients(name, parts):
    visible, reach = VISIBLE[name]
    reach = 10 if reach is None else reach
    assert_as_all_at_once(visible, lambda q, k, v: causal_attention(q, k, v, visible=visible, reach=reach, parts=parts))


def test_long_rows_in_two_parts_take_fewer_products():
    def products(length):
        qkv = [jax.ShapeDtypeStruct((1, length, 2, 8), jnp.float32)] * 3
        whole = jax.jit(lambda q, k, v: attention(q, k, v, mask=causal()(jnp.arange(length), jnp.arange(length))))
        ours = jax.jit(lambda q, k, v: causal_attention(q, k, v, visible=causal(), reach=length))
        return tuple(function.lower(*qkv).compile().cost_analysis()["flops"] for function in (ours, whole))

    ours, whole = products(256)
    assert ours < 0.8 * whole
    ours, whole = products(32)
    assert ours == pytest.approx(whole, rel=0.02)


def test_memory_of_blocks_grows_with_the_length_and_not_with_its_square():
    def memory(length, function):
        qkv = [jax.ShapeDtypeStruct((1, length, 2, 8), jnp.float32)] * 3
        return (
            jax.jit(jax.grad(lambda *qkv: jnp.sum(function(*qkv)), (0, 1, 2))).lower(*qkv).compile().memory_analysis()
        ).temp_size_in_bytes

    def by_blocks(q, k, v):
        return attention_by_blocks(q, k, v, visible=causal(), block=64)

    def at_once(q, k, v):
        return attention(q, k, v, mask=causal()(jnp.arange(q.shape[1]), jnp.arange(q.shape[1])))

    assert memory(2048, by_blocks) < 5 * memory(512, by_blocks)
    assert memory(2048, at_once) > 8 * memory(512, at_once)


def test_what_may_be_seen():
    rows = jnp.arange(4)
    np.testing.assert_array_equal(causal(2)(rows, rows)[0], np.tri(4) - np.tri(4, k=-2))
    inside = within_segments(causal(), jnp.array([[0, 0, 1, 1]]))(rows, rows)[0]
    np.testing.assert_array_equal(inside, [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]])


@pytest.mark.parametrize("settings", [{"block": 0}, {"block": 2, "reach": -1}])
def test_blocks_that_cannot_be_are_errors(settings):
    with pytest.raises(ValueError, match="block="):
        attention_by_blocks(*LONG, visible=causal(), **settings)
    with pytest.raises(ValueError, match="window"):
        causal(0)


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (LONG, {"reach": -1}),
        (LONG, {"reach": 1, "parts": 12}),
        (LONG, {"reach": 1, "parts": 0}),
        ((Q, K, V), {"reach": 1}),
    ],
)
def test_parts_that_cannot_be_are_errors(arguments, settings):
    with pytest.raises(ValueError, match="reach="):
        causal_attention(*arguments, visible=causal(), **settings)
